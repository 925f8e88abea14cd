"""How things stand, in lines and on a page: what is told of a good hour, and of a bad one."""

from typing import Any

import pytest
from rich.text import Text

from tests.unit.tidegate.standing import BAD_HOUR, ERROR, SERVERS, a_server, stands
from tidegate.admin.live import status, top
from tidegate.admin.live.lines import is_well, labelled, slow_servers, status_lines
from tidegate.admin.live.page import top_page
from tidegate.console.errors import GatewayAbsentError

URL = "http://127.0.0.1:8080"


def plain(lines: list[Text]) -> list[str]:
    return [line.plain for line in lines]


def test_good_hour_is_told_in_less_than_ten_lines() -> None:
    assert plain(status_lines(stands(), [a_server("one")])) == [
        "left today   image 412 of 500, video 99 of 100, avatar 50 of 50; resets in 12 h",
        "last hour    1,204 calls, 0 failed; half within 410 ms, 95 % within 1.8 s",
        "last minute  120 calls, 0 failed",
        "now          8 under way, 3 wait for a session",
        "sessions     50 active; between 50 and 500 are wanted",
        "servers      2 up",
        "to do        nothing",
    ]
    assert is_well(stands())


def test_bad_hour_says_who_is_silent_ejected_slow_in_doubt_and_what_to_do() -> None:
    bad = stands(**BAD_HOUR)

    assert plain(status_lines(bad, SERVERS)) == [
        "silent       analytics: did not answer within 2 s",
        "left today   image 0 of 500, video 99 of 100; resets in 12 h",
        "now          8 under way, 3 wait for a session",
        "sessions     50 active; between 50 and 500 are wanted",
        "servers      1 up, 1 ejected",
        "             two: ejected 2 min ago: 5 failures in a row, back in 28 s",
        "             three takes 4.2 s, the others 400 ms",
        "in doubt     2 units of 2 leases, the oldest 4 h ago",
        "             tidegate leases list --state unknown, and --state expired",
        "to do        server two is down: connection refused",
        "             Start the server, or look at its log; it is probed again every ten seconds.",
        "             no unit of image is left today",
        "             Add sessions, or wait for the reset.",
    ]
    assert not is_well(bad)
    assert not is_well(stands(attention=BAD_HOUR["attention"][:1]))
    assert is_well(stands(attention=BAD_HOUR["attention"][1:])), "worth knowing, not wrong"


def test_units_in_doubt_are_something_to_do() -> None:
    doubt = {"leases": 1, "units": 1, "since": "2026-01-31T08:00:00Z"}

    assert plain(status_lines(stands(in_doubt=doubt), []))[-2:] == [
        "to do        find out what became of the 1 unit in doubt: they stay used",
        "             tidegate leases reconcile --help",
    ]


def test_last_error_is_told_with_the_command_that_explains_it() -> None:
    hour = {"calls": 4, "failed": 1, "failure_rate": 0.25}
    calls = stands()["calls"]
    calls = {**calls, "hour": {**calls["hour"], **hour}}

    lines = plain(status_lines(stands(errors=[ERROR, ERROR], calls=calls), []))

    assert lines[1].startswith("last hour    4 calls, 1 failed (25.0%); half within")
    assert lines[-3:-1] == [
        "last error   3 min ago 502 upstream_error to shop: the server answered 500",
        "             tidegate explain 01a21f67-fa14-74e8-97ab-181a614d92eb",
    ]


def test_nothing_is_told_of_services_that_are_silent() -> None:
    nothing = dict.fromkeys(
        ("units", "calls", "queue", "sessions", "servers", "in_doubt", "errors")
    )
    silent = [{"service": name, "reason": "no answer"} for name in ("pool", "balancer")]

    told = plain(status_lines(stands(**nothing, silent=silent), []))
    page = plain(top_page(URL, stands(**nothing, silent=silent), [], (80, 24)))

    assert told == ["silent       pool: no answer", "silent       balancer: no answer"]
    assert page[2:] == ["pool is silent: no answer", "balancer is silent: no answer"]


def test_hour_without_calls_has_no_latency_and_no_quota_no_units() -> None:
    nothing = {"calls": 0, "failed": 0, "failure_rate": None, "per_s": 0.0, "gone": 0}
    nothing |= {"latency_p50_ms": None, "latency_p95_ms": None}
    calls = {"hour": nothing, "minute": nothing, "by_minute": []}

    quiet = stands(units=[], calls=calls)

    assert plain(status_lines(quiet, []))[:2] == [
        "left today   no service type has a quota",
        "last hour    0 calls, 0 failed",
    ]
    assert "█" not in "".join(plain(top_page(URL, quiet, [], (80, 24))))


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ([a_server("one")], []),
        ([a_server("one"), a_server("two", avg_response_ms=790.0)], []),
        (
            [a_server("one", avg_response_ms=10.0), a_server("two", avg_response_ms=90.0)],
            [],
        ),
        ([a_server("one"), a_server("two", avg_response_ms=9000.0, attempts=4)], []),
        (
            [a_server("one"), a_server("two", avg_response_ms=900.0)],
            ["two takes 900 ms, the others 400 ms"],
        ),
    ],
)
def test_server_is_slow_beside_the_others(servers: list[Any], expected: list[str]) -> None:
    assert slow_servers(servers) == expected


@pytest.mark.parametrize("hour", [{}, BAD_HOUR, {"errors": [ERROR] * 20}])
@pytest.mark.parametrize("size", [(80, 24), (40, 10), (200, 60)])
def test_page_fits_its_terminal(hour: dict[str, Any], size: tuple[int, int]) -> None:
    columns, rows = size
    fleet = [a_server(f"server-{number}", words="w" * 300) for number in range(30)]

    page = plain(top_page(URL, stands(**hour), [*SERVERS, *fleet], size))

    assert len(page) < rows
    assert max(map(len, page)) <= columns
    assert page[0].startswith("Tidegate http://127.0.0.1:8080")


def test_page_shows_what_is_left_as_a_bar_and_who_is_unwell_first() -> None:
    page = plain(top_page(URL, stands(**BAD_HOUR), SERVERS, (80, 40), "no answer for 12 s"))

    assert page[0].endswith("q leaves  no answer for 12 s")
    assert page[3:5] == [
        "image     0         0   500       12 h  ░░░░░░░░░░░░░░░░░░░░",
        "video    99         0     1       12 h  ████████████████████",
    ]
    names = [line.split()[0] for line in page if line.split()[:1] and "/20" in line]
    assert names == ["two", "three", "one"]
    assert "50 active; 8 under way, 3 wait; 2 units in doubt" in page[-1]


def test_page_keeps_what_was_heard_when_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [(stands(), SERVERS)]

    def answer() -> Any:
        if not answers:
            raise GatewayAbsentError("no gateway")
        return answers.pop()

    monkeypatch.setattr(top, "overview_and_servers", answer)
    monkeypatch.setenv("TIDEGATE_API", URL)
    view, late = top.TopView(), top.TopView()
    first, second = plain(view.draw((80, 24))), plain(view.draw((80, 24)))

    assert "no answer" not in first[0]
    assert second[0].endswith("no answer for 0 s")
    assert second[1:] == first[1:]
    assert plain(late.draw((80, 24))) == ["no gateway", "q leaves"]
    with pytest.raises(GatewayAbsentError):
        late.draw((80, 24), strict=True)


def test_long_line_goes_on_below_what_it_says() -> None:
    line = Text("to do        ").append("one two three four five six seven eight nine ten")

    assert plain(status._folded([line], 36)) == [
        "to do        one two three four five",
        "             six seven eight nine",
        "             ten",
    ]


def test_id_is_never_broken_however_narrow_the_terminal_is() -> None:
    told = f"tidegate explain {ERROR['request_id']}"
    lines = [labelled("last error", told, "yellow"), labelled("", f"{ERROR['request_id']} again")]

    folded = status._folded(lines, 40)

    assert plain(folded) == [
        "last error   tidegate explain",
        ERROR["request_id"],
        ERROR["request_id"],
        "             again",
    ]
    assert folded[1].spans[0].style == "not dim yellow"


def test_page_says_whom_it_asks_before_there_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_API", URL)

    assert plain(top.TopView().first_lines()) == [f"asking {URL} …", "q leaves"]

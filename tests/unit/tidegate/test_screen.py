"""What `up` shows on a terminal: what is worth a person's attention, in a line, and no more."""

import shutil
from pathlib import Path
from typing import Any, get_args

import pytest

from contracts.gateway import KeyEvent
from runtime.environment import Home
from runtime.settings import DEFAULT_SERVICES
from tidegate.console.tables import fitting_line
from tidegate.stack.screen.logfile import FollowedLog
from tidegate.stack.screen.models import painting_model
from tidegate.stack.screen.remarks import _HELD, _NO_KIND
from tidegate.stack.screen.requests import Repeats, RequestCounter, request_words
from tidegate.stack.screen.welcome import StartWords
from tidegate.stack.screen.words import Mood, ShownEvent, event_words, is_shown_each_time

CALL = {"event": "request", "path": "/v1/images/generations", "service_type": "image", "ms": 8.0}


def words(name: str, *, started: bool = True, level: str = "info", **fields: Any) -> Any:
    event = {"event": name, "level": level, "service": "pool", "pid": 1, "timestamp": "", **fields}
    shown = event_words(event, started=started)
    return shown and tuple(shown)


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("elected", {"epoch": 2}, (Mood.PLAIN, "pool leads (epoch 2)")),
        (
            "child_died",
            {"level": "error", "child": "nats", "code": -9, "again_in_s": 0.2},
            (Mood.ERROR, "nats died (signal 9); again in 0.2 s"),
        ),
        ("sessions_added", {"count": 3, "origin": "file"}, (Mood.GOOD, "3 sessions added (file)")),
        (
            "growth_held",
            {"level": "warning", "reason": "no login succeeds", "wanted": 5},
            (Mood.WARNING, "the pool does not grow: no login succeeds"),
        ),
        (
            "key_event",
            {"kind": "KeyIssued", "key_id": "key_1", "by": "key_2"},
            (Mood.PLAIN, "the key key_1 was issued by key_2"),
        ),
        (
            "not_projecting",
            {"level": "warning", "reason": "no NATS", "checkpoint": 3},
            (Mood.WARNING, "pool: not projecting: no NATS"),
        ),
        ("odd_thing", {"level": "error", "count": 3}, (Mood.ERROR, "pool: odd thing: count 3")),
        ("odd_thing", {"level": "error"}, (Mood.ERROR, "pool: odd thing")),
        (
            "fault",
            {"level": "error", "exception": "Traceback\n  line\nKeyError: 'x'\n"},
            (Mood.ERROR, "pool: fault: KeyError: 'x'"),
        ),
        ("snapshot_made", {"bytes": 1}, None),
    ],
)
def test_event_is_put_into_words(kind: str, fields: dict[str, Any], expected: Any) -> None:
    assert words(kind, **fields) == expected


def test_every_event_of_keys_has_words_of_its_own() -> None:
    shown = [
        words("key_event", kind=kind.__name__, key_id="key_1", by="key_2")
        for kind in get_args(KeyEvent)
    ]

    assert len(set(shown)) == len(get_args(KeyEvent))
    assert (Mood.PLAIN, "an audit was recorded by key_2") in shown
    assert not [text for _, text in shown if text.split()[0] not in {"the", "an", "a"}]


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("server_health_changed", {"health": "up", "reason": "answered"}, "is up: answered"),
        ("server_health_changed", {"health": "down", "reason": "refused"}, "is down: refused"),
        (
            "server_ejected",
            {"until": "soon", "reason": "5 failures in a row", "service_type": "video"},
            "is out for video until later: 5 failures in a row",
        ),
        ("server_half_opened", {}, "is tried again: one call at a time"),
        ("server_readmitted", {}, "is back"),
        ("server_fell_silent", {"service_type": "image", "waited_s": 61.0}, "says nothing for"),
        ("server_drained", {"by": "key_1"}, "is draining by key_1"),
    ],
)
def test_what_the_balancer_decides_is_told_by_server(
    kind: str, fields: dict[str, Any], expected: str
) -> None:
    shown = words("journalled", type=kind, server_id="s1", **fields)

    assert shown[1].startswith(f"s1 {expected}")
    good = {"up": Mood.GOOD, "down": Mood.WARNING}
    assert shown[0] == good.get(fields.get("health", ""), shown[0])


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (
            "session_suspected",
            {"server_id": "s1"},
            (Mood.WARNING, "a session is suspect: s1 calls its login expired"),
        ),
        (
            "session_suspected",
            {"server_id": ""},
            (Mood.WARNING, "a session is suspect: a server calls its login expired"),
        ),
        (
            "session_changed",
            {"status": "disabled", "reason": "login_expired", "by": "pool"},
            (Mood.WARNING, "a session is disabled: login_expired"),
        ),
        (
            "session_recovered",
            {"reason": "trial_succeeded", "server_id": ""},
            (Mood.GOOD, "a session is active again: trial_succeeded"),
        ),
        (
            "session_recovered",
            {"reason": "server_blamed", "server_id": "s1"},
            (Mood.GOOD, "a session is active again: s1 is to blame, not the session"),
        ),
        (
            "credentials_refused",
            {"suspects": 3, "disabled": 1},
            (Mood.ERROR, "no session's login is believed any more: 3 suspect, 1 disabled"),
        ),
        (
            "quota_observed",
            {"service_type": "image"},
            (Mood.PLAIN, "a session has no image left today, by its backend's own count"),
        ),
    ],
)
def test_what_becomes_of_a_session_is_told_in_the_same_words_for_all(
    kind: str, fields: dict[str, Any], expected: Any
) -> None:
    assert words("journalled", type=kind, session_id="ses_1", **fields) == expected


def test_whoever_changes_a_file_again_hears_again_that_it_is_in_force() -> None:
    each_time = [
        name
        for name in ("configuration_applied", "policy_in_force", "nats_disconnected", "journalled")
        if is_shown_each_time({"event": name})
    ]

    assert each_time == ["configuration_applied", "policy_in_force"]


def test_what_every_start_says_has_no_line_while_it_starts() -> None:
    added = {"type": "server_added", "server": {"server_id": "s1"}}

    assert words("elected", started=False, epoch=1) is None
    assert words("journalled", started=False, **added) is None
    assert words("journalled", **added) == (Mood.PLAIN, "s1 is added")
    assert words("nats_disconnected", started=False, level="warning") is not None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"status": 200, "server_id": "server-3", "key_id": "key_1"},
            (Mood.PLAIN, "200  image      8 ms  server-3    key_1"),
        ),
        (
            {"status": 200, "ms": 2400.0, "server_id": "s", "key_id": "key_1", "attempts": 2},
            (Mood.PLAIN, "200  image     2.4 s  s           key_1  2 attempts"),
        ),
        (
            {"status": 401, "service_type": "", "error": "invalid_api_key"},
            (
                Mood.WARNING,
                "401  -          8 ms  -           no key  invalid_api_key  /v1/images/generations",
            ),
        ),
        (
            {"status": 502, "error": "upstream_error", "key_id": "key_1", "server_id": "s"},
            (Mood.ERROR, "502  image      8 ms  s           key_1  upstream_error"),
        ),
        (
            {"status": 0, "gone": "client", "key_id": "key_1"},
            (Mood.WARNING, "---  image      8 ms  -           key_1  broken off: client"),
        ),
        ({"method": "GET", "path": "/api/keys", "status": 404}, None),
        (
            {"method": "GET", "path": "/api/keys", "status": 503},
            (Mood.ERROR, "503  -          8 ms  -           no key  GET /api/keys"),
        ),
        (
            {"method": "POST", "path": "/v1/nothing", "status": 404, "key_id": "key_1"},
            (Mood.WARNING, "404  -          8 ms  -           key_1  POST /v1/nothing"),
        ),
    ],
)
def test_request_is_a_line(fields: dict[str, Any], expected: Any) -> None:
    shown = request_words({**CALL, **fields})

    assert (shown and tuple(shown)) == expected


def test_many_requests_are_counted_and_few_have_lines() -> None:
    counter = RequestCounter()

    admitted = [counter.admits({**CALL, "error": None}, 0.5) for _ in range(30)]
    admitted += [counter.admits({**CALL, "error": "pool_saturated"}, 0.6) for _ in range(5)]

    assert admitted == [True] * 10 + [False] * 25
    assert counter.take_summary(0.9) is None
    assert counter.take_summary(1.5) == ShownEvent(
        Mood.WARNING, "… 25 more requests: 20 fine, 5 pool_saturated"
    )
    assert not counter.admits(CALL, 1.6), "under load it goes on with counts"
    assert counter.take_summary(2.5) == ShownEvent(Mood.PLAIN, "… 1 more requests: 1 fine")
    assert counter.take_summary(9.0) is None
    assert counter.admits(CALL, 9.0)


def test_same_line_is_shown_once_a_minute_and_counted() -> None:
    repeats = Repeats()

    shown = [repeats.passed("no NATS", now_s) for now_s in (0.0, 1.0, 59.0, 60.0, 61.0, 1000.0)]

    assert shown == [
        "no NATS",
        None,
        None,
        "no NATS (2 times more since)",
        None,
        "no NATS (1 times more since)",
    ]
    assert repeats.passed("something else", 1000.0) == "something else"


def test_log_is_read_as_it_grows_and_moved_away_when_it_is_full(tmp_path: Path) -> None:
    path = tmp_path / "tidegate.log"
    path.write_bytes(b"of an earlier start\n")
    followed = FollowedLog(path, bytes_max=40, files_max=3)
    writer = path.open("ab", buffering=0)

    def append(line: bytes) -> None:
        with path.open("ab") as other:
            other.write(line)

    writer.write(b"one\ntw")
    first = followed.read_lines()
    writer.write(b"o\nthree and so on\n")
    second = followed.read_lines()
    # Whoever writes has not noticed yet that the file was moved.
    writer.write(b"four\n")
    append(b"five\n")
    third = followed.read_lines()
    writer.close()
    for number in range(5):
        append(b"%d " % number + b"x" * 40 + b"\n")
        followed.read_lines()
    followed.close()

    assert (first, second, third) == ([b"one"], [b"two", b"three and so on"], [b"four", b"five"])
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["tidegate.log", "tidegate.log.1", "tidegate.log.2"]
    assert (tmp_path / "tidegate.log.1").read_bytes().startswith(b"4 ")


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"demo": True}, 21),
        ({"servers": _NO_KIND}, 22),
        ({"servers": _HELD.format(reason="it removes 2 servers", own="a, b")}, 23),
    ],
    ids=["demo", "own", "held"],
)
def test_block_is_seen_at_once_on_24_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fields: dict[str, Any], most: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/tidegate")
    start = StartWords(
        home=Home(Path("/srv/tidegate/.tidegate")),
        url="http://127.0.0.1:8080",
        dashboard=f"http://127.0.0.1:8080/#in={'x' * 48}",
        **fields,
    )

    rows = start.for_terminal(80).plain.removesuffix("\n").split("\n")

    assert max(map(len, rows)) <= 80
    assert len(rows) <= most


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("jimeng-4.0", '{"model":"jimeng-4.0","prompt":"a tide gate at dawn"}'),
        ("it's", '{"model":"it\'"\'"\'s","prompt":"a tide gate at dawn"}'),
        ("", '{"prompt":"a tide gate at dawn"}'),
    ],
)
def test_line_to_paste_asks_for_a_model_that_is_there(
    tmp_path: Path, model: str, body: str
) -> None:
    start = StartWords(home=Home(tmp_path), url="http://h", model=model)

    assert f"-d '{body}'\n" in start.plain_text()
    assert f"-d '{body}'\n" in start.for_terminal(80).plain


def test_model_of_the_line_is_one_that_paints_and_can_be_pasted() -> None:
    names = ["sora-video", "$(rm)", "x" * 65, "my/painter:2", "other"]

    assert painting_model(names, DEFAULT_SERVICES) == "my/painter:2"
    assert painting_model(names[:3], DEFAULT_SERVICES) == ""


def test_long_paths_give_way_to_the_reason() -> None:
    file = f"/srv/{'very-long-name/' * 6}tidegate.toml"
    text = f"pool: policy refused: {file}: services.image.daily_limit: expected a number"

    assert fitting_line(text, 100) == (
        "pool: policy refused: …/tidegate.toml: services.image.daily_limit: expected a number"
    )
    assert fitting_line(text, 300) == text
    assert fitting_line(f"{file}: {'x' * 90}", 60) == f"…/tidegate.toml: {'x' * 42}…"
    url = "http://127.0.0.1:8080/v1/images/generations/and/more"
    assert fitting_line(f"{url} is away", 30) == f"{url[:29]}…"


def test_block_fits_a_terminal_and_says_what_to_do_next(tmp_path: Path) -> None:
    start = StartWords(
        home=Home(tmp_path / "h"), url="http://127.0.0.1:8080", notes=["note " * 30], demo=True
    )

    block = start.for_terminal(80).plain

    assert "Tidegate is up: http://127.0.0.1:8080" in block
    assert f"export TIDEGATE_HOME={tmp_path}/h\n" in block
    assert "tidegate init" in block
    prose = [line for line in block.splitlines() if str(tmp_path) not in line]
    assert max(map(len, prose)) <= 80
    no_key = StartWords(home=start.home, url=start.url, with_curl=False, servers="\nYours: a.\n")
    assert "curl" not in no_key.for_terminal(80).plain
    assert "\nYours: a.\n" in no_key.for_terminal(80).plain

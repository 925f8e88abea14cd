"""Lists: which rows, in which order, in which columns, whatever is listed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.settings import SettingsError
from tidegate.admin.sessioncolumns import is_retired, session_columns
from tidegate.console import listing
from tidegate.console.listing import ListedColumn, ListOptions
from tidegate.console.moments import duration_words, moment_words, parsed_moment

COLUMNS = (
    ListedColumn("name"),
    ListedColumn("weight", lambda row: row.get("weight", 1)),
    ListedColumn("models"),
    ListedColumn("why", short=True),
    listing.moment_column("used", "used_at"),
    listing.span_column("waits", "waits_s"),
)
ANNA = {"name": "Anna", "weight": 10, "models": ["jimeng-4", "sora"], "revoked": True}
BERT = {"name": "bert", "models": [], "left": {"image": 3}, "used_at": "2026-01-31T10:00:00Z"}
CARL = {"name": "carl", "weight": 2.5, "left": {"image": 0}, "waits_s": 75.0}
ROWS: list[dict[str, Any]] = [ANNA, BERT, CARL]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def names(*where: str, sort: str = "") -> list[str]:
    rows = listing.listed_rows(COLUMNS, ROWS, ListOptions(where=where, sort=sort))
    return [row["name"] for row in rows]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("name=bert", ["bert"]),
        ("name!=bert", ["Anna", "carl"]),
        ("name~A", ["Anna", "carl"]),
        ("weight>2", ["Anna", "carl"]),
        ("weight>=10", ["Anna"]),
        ("weight<2.5", ["bert"]),
        ("weight<=2.5", ["bert", "carl"]),
        ("weight=1", ["bert"]),
        ("models=sora", ["Anna"]),
        ("models!=sora", ["bert", "carl"]),
        ("revoked=true", ["Anna"]),
        ("revoked=yes", ["Anna"]),
        ("left.image=3", ["bert"]),
        ("left.image<1", ["carl"]),
        ("used>2026-01-01", ["bert"]),
        ("name=", []),
        ("why=", ["Anna", "bert", "carl"]),
    ],
)
def test_condition_chooses_rows_by_a_column_or_a_field(condition: str, expected: list[str]) -> None:
    assert names(condition) == expected


def test_all_conditions_hold_together() -> None:
    assert names("weight>2", "name~a", "models!=sora") == ["carl"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("weight", ["bert", "carl", "Anna"]),
        ("-weight", ["Anna", "carl", "bert"]),
        ("name", ["Anna", "bert", "carl"]),
        ("left.image", ["carl", "bert", "Anna"]),
        ("-left.image", ["bert", "carl", "Anna"]),
    ],
)
def test_rows_without_a_value_are_last_in_either_order(sort: str, expected: list[str]) -> None:
    assert names(sort=sort) == expected


def test_what_is_over_stands_last_unless_another_order_is_asked_for() -> None:
    def listed(sort: str) -> list[str]:
        rows = listing.listed_rows(
            COLUMNS, ROWS, ListOptions(sort=sort), lambda row: "revoked" in row
        )
        return [row["name"] for row in rows]

    assert listed("") == ["bert", "carl", "Anna"]
    assert listed("name") == ["Anna", "bert", "carl"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ListOptions(where=["name"]), "--where: expected a condition such as `status=active`"),
        (ListOptions(where=["nix=1"]), r"--where: expected some of name, .*revoked; got 'nix'"),
        (ListOptions(where=["left.video=1"]), "--where: expected some of name"),
        (ListOptions(sort="nix"), "--sort: expected some of name"),
    ],
)
def test_what_is_no_condition_or_no_column_is_refused(options: ListOptions, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        listing.listed_rows(COLUMNS, ROWS, options)


def test_nothing_is_wrong_about_a_field_of_no_rows() -> None:
    options = ListOptions(where=["nix=1"], sort="nix")

    assert listing.listed_rows(COLUMNS, [], options) == []


def listed_lines(
    capsys: pytest.CaptureFixture[str], rows: list[dict[str, Any]], **options: Any
) -> list[str]:
    listing.print_list(COLUMNS, rows, ListOptions(**options), "nobody")
    return capsys.readouterr().out.splitlines()


def test_pipe_gets_every_column_whole_and_exact_instants(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = listed_lines(capsys, [BERT, {**CARL, "why": "w" * 200}])

    assert lines[0].split() == ["name", "weight", "models", "why", "used", "waits"]
    assert "2026-01-31T10:00:00Z" in lines[1]
    assert "w" * 200 in lines[2]
    assert lines[2].endswith(" 75 s")


def test_terminal_gets_ages_and_no_column_in_which_nothing_stands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    used_at = (datetime.now(UTC) - timedelta(hours=3)).isoformat()

    head, *lines = listed_lines(capsys, [{**BERT, "used_at": used_at}])
    chosen, *_ = listed_lines(capsys, [BERT], columns="waits, name")
    narrow, *below = listed_lines(capsys, [ANNA], wide=True, columns="models")

    assert [word.strip("\x1b[10m") for word in head.split()] == ["name", "weight", "used"]
    assert lines[0].endswith("3 h ago")
    assert "waits  name" in chosen
    assert (below, "models" in narrow) == (["jimeng-4, sora"], True)
    assert listed_lines(capsys, []) == ["nobody"]
    with pytest.raises(SettingsError, match=r"--columns: expected some of name, .*; got 'nix'"):
        listed_lines(capsys, [BERT], columns="name,nix")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "2 h"),
        (172_799, "48 h"),
        (172_800, "2 days"),
    ],
)
def test_duration_is_said_in_its_greatest_fitting_unit(seconds: float, expected: str) -> None:
    assert duration_words(seconds) == expected


def test_moment_is_said_from_now() -> None:
    ages = [moment_words(NOON - timedelta(seconds=away), NOON) for away in (0, 1.9, 180, -180)]

    assert ages == ["now", "now", "3 min ago", "in 3 min"]


def test_moment_is_read_from_what_the_api_says() -> None:
    assert parsed_moment("2026-01-31T12:00:00Z") == NOON
    assert parsed_moment("2026-01-31T12:00:00") == NOON
    assert [parsed_moment(value) for value in (None, 3, "soon")] == [None, None, None]


def test_session_shows_what_is_left_of_its_limits_and_retired_ones_are_last() -> None:
    session = {
        "session_id": "ses_1",
        "status": "active",
        "limits": {"image": 10, "video": 2},
        "remaining": {"image": 9},
        "used": {"image": 1, "video": 0},
    }
    columns = {column.name: column for column in session_columns([session, {"limits": {"x": 1}}])}
    texts = {name: columns[name].text for name in ("image", "video")}
    reads = {name: columns[name].read for name in ("image", "video", "x", "used", "open")}

    assert {name: text(session) for name, text in texts.items() if text} == {
        "image": "9/10",
        "video": "0/2",
    }
    assert {name: read(session) for name, read in reads.items() if read} == {
        "image": 9,
        "video": 0,
        "x": None,
        "used": {"image": 1},
        "open": None,
    }
    assert (is_retired(session), is_retired({"status": "retired"})) == (False, True)


def test_why_a_session_does_not_work_stands_before_what_a_narrow_terminal_leaves_out() -> None:
    names = [column.name for column in session_columns([])]

    assert names.index("reason") < names.index("last_used")


@pytest.mark.parametrize(
    ("status", "text", "left"),
    [
        ("cooling", "9/10", 9),
        ("suspect", "(9/10)", 9),
        ("disabled", "(9/10)", 9),
        ("retired", "", None),
    ],
)
def test_units_that_are_in_no_sum_stand_in_brackets_and_of_retired_ones_there_are_none(
    status: str, text: str, left: int | None
) -> None:
    session = {"status": status, "limits": {"image": 10}, "remaining": {"image": 9}}
    (image,) = [column for column in session_columns([session]) if column.name == "image"]

    assert image.text is not None
    assert (image.text(session), image.read(session)) == (text, left)

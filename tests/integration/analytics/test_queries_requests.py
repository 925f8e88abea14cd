"""One row a request, against the story whose calls are counted by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.pool import SessionLabelled
from services.analytics.store import Readers
from tests.integration.analytics.parts import named, stored
from tests.integration.analytics.test_queries_true import (
    CALLS,
    COUNTED,
    GATEWAY_REFUSED,
    story,
)
from tests.unit.analytics.builders import Story, policy, session, used


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    with stored(tmp_path_factory.mktemp("requests") / "a.duckdb", story()) as opened:
        yield opened


def listed_ids(readers: Readers, **parameters: Any) -> list[str]:
    return [str(row["request_id"]) for row in named(readers, "requests", **parameters)]


def test_every_call_has_one_row(readers: Readers) -> None:
    """But for those that were only counted; a call of several leases has one all the same."""
    assert sorted(listed_ids(readers)) == sorted(CALLS)


def test_rows_say_what_their_clients_saw(readers: Readers) -> None:
    rows = {row["request_id"]: row for row in named(readers, "requests")}

    assert {
        name: rows[name]["status"] for name, seen in CALLS.items() if isinstance(seen, int)
    } == {name: seen for name, seen in CALLS.items() if isinstance(seen, int)}
    assert rows["open"]["outcome"] == "open"
    assert rows["open"]["latency_ms"] is None
    assert (rows["none"]["outcome"], rows["none"]["code"]) == ("refused", "pool_quota_exhausted")
    assert rows["moved"]["session_id"] == "s2"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"outcome": "open"}, {"open"}),
        ({"code": "no_backend"}, {"outage"}),
        ({"code": "any"}, {"last-word", "none", "outage", "silent", "unknown"}),
        ({"session": "s2"}, {"moved"}),
        ({"q": "OUTA"}, {"outage"}),
        ({"q": "all are down"}, {"outage"}),
        ({"q": "100%_"}, set()),
        ({"key": "nobody"}, set()),
        ({"service_type": "video"}, set()),
        ({"until": "2026-01-01T00:00:00"}, set()),
        ({"since": "2027-01-01T00:00:00"}, set()),
    ],
)
def test_filters_let_through_what_they_name(
    readers: Readers, filters: dict[str, str], expected: set[str]
) -> None:
    assert set(listed_ids(readers, **filters)) == expected


@pytest.mark.parametrize(("code", "figure"), [("", "calls"), ("any", "failed")])
def test_list_and_what_is_only_counted_are_the_number_of_the_overview(
    readers: Readers, code: str, figure: str
) -> None:
    (overview,) = named(readers, "overview")
    hour: Any = overview["hour"]
    an_hour_ago = str(overview["now"]).replace("12:00", "11:00")
    wanted = {"code": code, "ended_since": an_hour_ago}

    listed = named(readers, "requests", **wanted)
    (count,) = named(readers, "requests_counted", **wanted)

    assert count["calls"] == hour[figure]
    assert count["rows"] == len(listed) == hour[figure] - GATEWAY_REFUSED - COUNTED


def test_what_is_only_counted_is_told_by_key_type_and_code(readers: Readers) -> None:
    (whole,) = named(readers, "requests_counted")
    (limited,) = named(readers, "requests_counted", code="rate_limit_exceeded")
    (of_a_model,) = named(readers, "requests_counted", model="jimeng-4.0", outcome="open")
    kinds: Any = whole["counted"]

    assert [(kind["code"], kind["status"], kind["calls"]) for kind in kinds] == [
        ("pool_quota_exhausted", 429, COUNTED),
        ("rate_limit_exceeded", 429, GATEWAY_REFUSED),
    ]
    assert {(kind["key_id"], kind["service_type"]) for kind in kinds} == {("k1", "image")}
    assert (limited["rows"], limited["calls"]) == (0, GATEWAY_REFUSED)
    assert of_a_model["counted"] is None


def test_latency_is_what_statistics_have_and_else_lies_between_the_moments(tmp_path: Path) -> None:
    """The story's clock stands still: nothing lies between its moments."""
    with stored(tmp_path / "a.duckdb", story()) as readers:
        rows = {row["request_id"]: row for row in named(readers, "requests")}
        told = readers.ask_rows(
            "select request_id, total_ms from lease_facts where call and request_id = 'plain'", 9
        ).rows

    assert [["plain", rows["plain"]["latency_ms"]]] == told
    assert rows["none"]["latency_ms"] == 0
    assert rows["open"]["latency_ms"] is None


def test_pages_go_through_all_rows_once(readers: Readers) -> None:
    whole = listed_ids(readers)
    seen: list[str] = []
    after: dict[str, Any] = {}
    while rows := named(readers, "requests", limit=2, **after):
        seen += [str(row["request_id"]) for row in rows]
        after = {"before_at": rows[-1]["asked_at"], "before_id": rows[-1]["request_id"]}

    assert seen == whole


def test_a_call_is_told_and_found_by_what_its_session_is_called(tmp_path: Path) -> None:
    told = Story().tell(
        policy(), session(), SessionLabelled(session_id="s1", label="Spare account")
    )
    told.lease("r1", used("r1"))

    with stored(tmp_path / "a.duckdb", told) as readers:
        (row,) = named(readers, "requests", q="spare")
        others = listed_ids(readers, q="nobody is called so")

    assert (row["request_id"], row["session_label"], others) == ("r1", "Spare account", [])

"""What the overview says of calls, against the story whose calls are counted by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.analytics.parts import named, stored
from tests.integration.analytics.test_queries_true import COUNTED, GATEWAY_REFUSED, story
from tests.unit.analytics.builders import Story, policy

BESIDE = GATEWAY_REFUSED + COUNTED


@pytest.fixture(scope="module")
def overview(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with stored(tmp_path_factory.mktemp("overview") / "a.duckdb", story()) as readers:
        (row,) = named(readers, "overview")
        yield row


def test_calls_of_the_hour_are_those_that_clients_saw(overview: dict[str, Any]) -> None:
    hour = overview["hour"]

    assert (hour["calls"], hour["gone"], hour["failed"]) == (9 + BESIDE, 2, 5 + BESIDE)
    assert hour["per_s"] == (9 + BESIDE) / 3600
    assert hour["failure_rate"] == (5 + BESIDE) / (7 + BESIDE)


def test_minutes_add_up_to_the_hour(overview: dict[str, Any]) -> None:
    minutes = overview["by_minute"]

    assert sum(minute["calls"] for minute in minutes) == overview["hour"]["calls"]
    assert sum(minute["failed"] for minute in minutes) == overview["hour"]["failed"]
    assert [minute["ts"] for minute in minutes] == sorted(minute["ts"] for minute in minutes)


def test_attempts_at_servers_add_up_and_have_a_median_every_five_minutes(
    overview: dict[str, Any],
) -> None:
    tried = overview["tried"]

    assert sum(one["attempts"] for one in tried) > 0
    assert all(0 <= point["slot"] <= 11 for one in tried for point in one["trail"])
    assert all(one["trail"] for one in tried)


def test_last_errors_name_their_calls_the_latest_first(overview: dict[str, Any]) -> None:
    errors = overview["errors"]

    assert {(error["request_id"], error["code"], error["status"]) for error in errors} == {
        ("unknown", "unknown", 502),
        ("outage", "no_backend", 503),
        ("silent", "expired", 0),
        ("last-word", "pool_quota_exhausted", 429),
        ("none", "pool_quota_exhausted", 429),
    }
    assert [error["ts"] for error in errors] == sorted(
        (error["ts"] for error in errors), reverse=True
    )


def test_nothing_is_no_failure(tmp_path: Path) -> None:
    with stored(tmp_path / "empty.duckdb", Story().tell(policy())) as readers:
        (row,) = named(readers, "overview")

    assert row["minute"]["calls"] == row["minute"]["failed"] == 0
    assert row["minute"]["failure_rate"] is row["minute"]["latency_p95_ms"] is None
    assert (row["by_minute"], row["used"], row["errors"], row["tried"]) == (None,) * 4

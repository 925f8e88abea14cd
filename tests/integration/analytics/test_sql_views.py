"""The original's tables and views by name, and its guide's own queries."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.pool import SessionRetired, SessionSuspected
from services.analytics import sql
from services.analytics.store import Database, LedgerWriter, Readers
from tests.integration.analytics.parts import LONG_AGO, MEMORY, history, named, stored
from tests.moments import NOON
from tests.unit.analytics.builders import Story, batch_of, policy, session, used


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    with stored(tmp_path_factory.mktemp("questions") / "a.duckdb", history()) as opened:
        yield opened


# -------------------------------------------------------------------- the original's words

ORIGINAL = {
    "sessions": "session_id server_url status health_score created_at last_used request_count"
    " metadata updated_at",
    "session_usage": "id session_id date service_type usage_count metadata created_at updated_at",
    "usage_logs": "id session_id service_type timestamp request_id ip_address user_agent"
    " response_time status_code error_message metadata",
    "server_stats": "id server_url date total_requests successful_requests failed_requests"
    " avg_response_time min_response_time max_response_time active_sessions",
    "daily_stats": "date total_sessions active_sessions new_sessions total_requests total_images"
    " total_videos total_avatars error_rate avg_response_time peak_concurrent",
    "system_config": "key value description",
    "v_session_today_usage": "session_id server_url health_score last_used image_count"
    " video_count avatar_count total_usage",
    "v_server_performance": "server_url total_sessions avg_requests_per_session healthy_sessions"
    " unhealthy_sessions avg_health_score",
    "v_daily_usage_trend": "date daily_images daily_videos daily_avatars active_sessions",
    "v_session_utilization": "session_id last_used utilization_level",
}


@pytest.mark.parametrize("view", ORIGINAL)
def test_view_begins_with_the_columns_of_the_original(readers: Readers, view: str) -> None:
    wanted = ORIGINAL[view].split()
    found = readers.ask_rows(f"select * from {view}", 100)

    assert found.columns[: len(wanted)] == wanted
    assert found.rows


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT COUNT(*) FROM sessions WHERE status='active'", [[3]]),
        (
            (
                "SELECT service_type, SUM(usage_count) FROM session_usage WHERE"
                " date = '2026-01-01' GROUP BY service_type ORDER BY 1"
            ),
            [["image", 3], ["video", 1]],
        ),
        ("SELECT COUNT(*) FROM (SELECT * FROM sessions LIMIT 10)", [[3]]),
        ("SELECT COUNT(*) FROM session_usage WHERE date < '2026-01-01'", [[1]]),
    ],
)
def test_queries_of_the_guide_run(readers: Readers, query: str, expected: list[Any]) -> None:
    assert readers.ask_rows(query, 100).rows == expected


def test_session_is_served_by_the_server_that_served_it_last(readers: Readers) -> None:
    found = readers.ask_rows("select session_id, server_url from sessions order by 1", 10).rows

    assert found == [["s1", "http://server-1:9001"], ["s2", "http://server-1:9001"], ["s3", None]]


def test_daily_stats_tell_both_days(readers: Readers) -> None:
    found = readers.ask_rows(
        "select date, active_sessions, new_sessions, total_requests, total_images, error_rate,"
        " peak_concurrent, refused_requests from daily_stats order by date desc limit 2",
        10,
    )

    assert found.rows == [
        ["2026-01-01", 1, 0, 8, 3, 8 / 11, 1, 5],
        ["2025-12-31", 1, 0, 2, 2, 0.0, 1, 0],
    ]


def test_server_stats_blame_a_server_only_for_its_own(readers: Readers) -> None:
    found = readers.ask_rows(
        "select date, total_requests, successful_requests, failed_requests, active_sessions"
        " from server_stats where server_id = 'server-1' order by date",
        10,
    )

    assert found.rows == [["2025-12-31", 2, 2, 0, 1], ["2026-01-01", 4, 2, 1, 1]]


def test_today_is_the_quota_day_in_the_zone_of_the_policy(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.duckdb", MEMORY)
    ledger = LedgerWriter(database)
    ledger.begin_anew("a stream")
    evening = NOON + timedelta(hours=5)
    shanghai = Story().tell(policy("Asia/Shanghai"), session()).lease("r", quota_day="2026-01-02")
    ledger.write_batch(batch_of(shanghai.tell(used("r"))))

    late = Readers(database, lambda: evening, 5.0)
    early = Readers(database, lambda: NOON, 5.0)
    question = "select total_usage from v_session_today_usage"

    assert (late.ask_rows(question, 1).rows, early.ask_rows(question, 1).rows) == ([[1]], [[0]])

    database.close()


def test_utilization_has_the_levels_of_the_original(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.duckdb", MEMORY)
    ledger = LedgerWriter(database)
    ledger.begin_anew("a stream")
    story = Story()
    for name, units, days in (
        ("stale", 1, 8),
        ("idle", 1, 4),
        ("over", 10, 0),
        ("active", 3, 0),
        ("light", 1, 0),
    ):
        at = NOON - timedelta(days=days)
        story.tell(session(name), at=LONG_AGO)
        story.lease(name, session_id=name, units=units, quota_day=at.date().isoformat(), at=at)
        story.tell(used(name, session_id=name, units=units), at=at)
    ledger.write_batch(batch_of(story))
    found = Readers(database, lambda: NOON, 5.0).ask_rows(
        "select session_id, utilization_level from v_session_utilization order by 1", 10
    )
    database.close()

    assert dict(found.rows) == {
        "stale": "stale",
        "idle": "idle",
        "over": "overused",
        "active": "active",
        "light": "light_use",
    }


def test_status_of_a_session_is_told_in_the_words_of_the_original(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.duckdb", MEMORY)
    ledger = LedgerWriter(database)
    ledger.begin_anew("a stream")
    retired = SessionRetired(session_id="old", reason="stale")
    suspected = SessionSuspected(session_id="odd", server_id="x", request_id="r")
    names = [session(name) for name in ("fine", "old", "odd")]
    ledger.write_batch(batch_of(Story().tell(*names, retired, suspected)))
    found = Readers(database, lambda: NOON, 5.0).ask_rows(
        "select session_id, status, state, health_score from sessions order by 1", 10
    )
    database.close()

    assert found.rows == [
        ["fine", "active", "active", 100.0],
        ["odd", "unhealthy", "suspect", 40.0],
        ["old", "inactive", "retired", 100.0],
    ]


@pytest.mark.parametrize("name", [source.name for source in sql.sources_of("queries")])
def test_every_query_runs_on_an_empty_file(tmp_path: Path, name: str) -> None:
    database = Database(tmp_path / "a.duckdb", MEMORY)
    given = {
        "session_id": "s",
        "request_id": "r",
        "date": "2026-01-01",
        "start": "2026-01-01",
        "end": "2026-01-02",
        "since": "2026-01-01",
        "until": "2026-01-02",
        "at": "2026-01-01T12:00:00",
    }
    source = next(source for source in sql.sources_of("queries") if source.name == name)
    wanted = {key: given[key] for key, one in source.parameters.items() if one.default is None}
    rows = named(Readers(database, lambda: NOON, 5.0), name, **wanted)
    database.close()

    assert all(isinstance(row, dict) for row in rows)

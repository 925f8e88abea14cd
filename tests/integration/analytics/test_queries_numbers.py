"""The numbers: the operator endpoints' queries, what audit compares, the original's views."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.pool import SessionJoined, SessionRetired
from services.analytics.domain.fold import RowFold
from services.analytics.store import Database, LedgerWriter, Readers
from tests.integration.analytics.parts import MEMORY, history, named, stored
from tests.moments import NOON
from tests.unit.analytics.builders import Story, policy, session, used


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    with stored(tmp_path_factory.mktemp("questions") / "a.duckdb", history()) as opened:
        yield opened


# ------------------------------------------------------------------------------ numbers


def test_session_stats_counts_used_units_by_day_and_type(readers: Readers) -> None:
    assert named(readers, "session_stats", session_id="s1") == [
        {"date": "2026-01-01", "service_type": "image", "units": 3, "requests": 7},
        {"date": "2026-01-01", "service_type": "video", "units": 1, "requests": 1},
    ]


def test_session_stats_of_one_day_leaves_yesterday_out(readers: Readers) -> None:
    assert named(readers, "session_stats", session_id="s2", days=1) == []
    assert len(named(readers, "session_stats", session_id="s2", days=2)) == 1


def test_session_total_is_one_row_also_for_nobody(readers: Readers) -> None:
    assert named(readers, "session_total", session_id="s2") == [
        {"requests": 2, "units": 2, "first_date": "2025-12-31", "last_date": "2025-12-31"}
    ]
    assert named(readers, "session_total", session_id="nobody")[0]["requests"] == 0


def test_day_stats_has_every_service_type(readers: Readers) -> None:
    day = {"date": "2026-01-01", "active_sessions": 1}

    assert named(readers, "day_stats", date="2026-01-01") == [
        {**day, "service_type": "avatar", "units": 0, "requests": 0},
        {**day, "service_type": "image", "units": 3, "requests": 7},
        {**day, "service_type": "video", "units": 1, "requests": 1},
    ]


def test_daily_lists_days_with_use_and_both_ends(readers: Readers) -> None:
    found = named(readers, "daily", start="2025-12-31", end="2026-01-01")

    assert [(row["date"], row["service_type"], row["units"]) for row in found] == [
        ("2025-12-31", "avatar", 0),
        ("2025-12-31", "image", 2),
        ("2025-12-31", "video", 0),
        ("2026-01-01", "avatar", 0),
        ("2026-01-01", "image", 3),
        ("2026-01-01", "video", 1),
    ]
    assert {row["active_sessions"] for row in found} == {1}


def test_summary_counts_sessions_once_over_the_week(readers: Readers) -> None:
    found = named(readers, "summary")

    assert [(row["service_type"], row["units"], row["requests"]) for row in found] == [
        ("avatar", 0, 0),
        ("image", 5, 9),
        ("video", 1, 1),
    ]
    assert {row["active_sessions"] for row in found} == {2}


def test_usage_by_day_tells_the_share_of_failures(readers: Readers) -> None:
    found = named(readers, "usage_by_day", since="2026-01-01", until="2026-01-02")

    assert [(row["service_type"], row["units"], row["failure_rate"]) for row in found] == [
        ("image", 3, 0.6),
        ("video", 1, 0.0),
    ]


def test_server_responses_are_of_attempts_that_were_sent(readers: Readers) -> None:
    found = named(readers, "server_responses", since="2025-01-01", until="2027-01-01")

    assert [(row["server_id"], row["attempts"], row["failed"], row["max_ms"]) for row in found] == [
        ("server-1", 6, 1, 100.0),
        ("server-2", 1, 0, 300.0),
    ]


def test_audit_totals_are_the_sums_of_the_fold(readers: Readers) -> None:
    found = named(readers, "audit_totals")
    image = found[1]

    assert [row["page_key"] for row in found] == [
        "2025-12-31/s2/image",
        "2026-01-01/s1/image",
        "2026-01-01/s1/video",
    ]
    assert {
        name: image[name] for name in ("used", "settled", "unknown", "expired", "reserved")
    } == {
        "used": 3,
        "settled": 2,
        "unknown": 1,
        "expired": 0,
        "reserved": 1,
    }
    assert {name: image[name] for name in image if name.startswith("leases_")} == {
        "leases_granted": 7,
        "leases_open": 1,
        "leases_settled": 2,
        "leases_released": 1,
        "leases_unknown": 1,
        "leases_cancelled": 1,
        "leases_expired": 1,
        "leases_reconciled": 1,
    }


def test_units_there_were_are_those_of_the_days_a_session_was_there(tmp_path: Path) -> None:
    story = Story().tell(policy(), session("s1"), at=NOON - timedelta(days=10))
    story.tell(session("s2"), at=NOON - timedelta(days=3))
    story.tell(SessionRetired(session_id="s1", reason="test"), at=NOON - timedelta(days=1))

    with stored(tmp_path / "a.duckdb", story) as readers:
        found = {
            days: next(
                row["units_there_were"]
                for row in named(readers, "report_utilisation", since=days[0], until=days[1])
                if row["service"] == "image"
            )
            for days in [
                ("2025-12-20", "2025-12-29"),
                ("2025-12-28", "2025-12-31"),
                ("2025-12-30", "2026-01-02"),
                ("1960-01-01", "2026-01-02"),
            ]
        }

    assert list(found.values()) == [7 * 10, 5 * 10, 4 * 10, (9 + 4) * 10]


def test_what_a_retired_session_used_stands_apart_of_what_is_left(tmp_path: Path) -> None:
    """As the demo's do once there are accounts of one's own: of these alone something is left."""
    story = Story().tell(policy(), session("demo"), at=NOON - timedelta(days=2))
    for number in range(4):
        story.lease(f"d{number}", used(f"d{number}", session_id="demo"), session_id="demo")
    story.tell(SessionRetired(session_id="demo", reason="made up"), session("own"), session("mate"))
    story.tell(
        SessionJoined(session_id="own", account="both"),
        SessionJoined(session_id="mate", account="both"),
    )
    story.lease("o", used("o", session_id="own"), session_id="own")

    with stored(tmp_path / "a.duckdb", story) as readers:
        days = {"since": "2026-01-01", "until": "2026-01-02"}
        report = named(readers, "report_utilisation", **days)
        overview = named(readers, "overview")[0]["used"]
        limits = named(readers, "limits_by_day", since="2026-01-01", until="2026-01-01")

    (image,) = [row for row in report if row["service"] == "image"]
    assert image == {
        "service": "image",
        "units_there_were": 10,
        "units_used": 1,
        "units_left": 9,
        "utilisation_rate": 0.1,
        "units_used_by_gone": 4,
    }
    assert overview == [{"service_type": "image", "units": 1}]
    assert [
        (row["used"], row["limit"], row["sessions"])
        for row in limits
        if row["service_type"] == "image"
    ] == [(5, 10, 2)]


def test_audit_totals_come_in_pages(readers: Readers) -> None:
    first = named(readers, "audit_totals", limit=2)
    rest = named(readers, "audit_totals", limit=2, after=first[-1]["page_key"])

    assert [*first, *rest] == named(readers, "audit_totals")


def test_leases_by_outcome_are_counted_from_their_rows(readers: Readers) -> None:
    found = named(readers, "audit_leases")

    assert {(row["outcome"], row["correction"]): (row["leases"], row["used"]) for row in found} == {
        ("open", ""): (1, 0),
        ("settled", ""): (4, 4),
        ("settled", "usage"): (1, 1),
        ("unknown", ""): (1, 1),
        ("released", ""): (1, 0),
        ("cancelled", ""): (1, 0),
        ("expired", "reconciled"): (1, 0),
    }


def test_rollups_are_the_sums_of_the_rows(readers: Readers) -> None:
    assert named(readers, "audit_rollups") == []


def test_rollup_that_differs_from_its_rows_is_found(tmp_path: Path) -> None:
    with stored(tmp_path / "a.duckdb", history()) as readers:
        cursor = readers._database.cursor()
        cursor.execute(
            "update ledger.usage_by_day set settled = settled + 1 where session_id = 's2'"
        )
        cursor.close()

        assert [row["found_in"] for row in named(readers, "audit_rollups")] == ["rollup", "rows"]


def test_batches_cut_anywhere_add_up_to_the_same_file(tmp_path: Path) -> None:
    story = history()
    database = Database(tmp_path / "cut.duckdb", MEMORY)
    ledger = LedgerWriter(database)
    ledger.begin_anew("a stream")
    for sequence, subject, envelope in story.envelopes():
        fold = RowFold(ledger.read_remembered(), sequence - 1)
        fold.fold_envelope(sequence, subject, envelope)
        ledger.write_batch(fold.next_batch())
    cut = Readers(database, lambda: NOON, 5.0)
    tables = "leases", "attempts", "usage_by_day", "daily_stats", "sessions", "server_stats"
    with stored(tmp_path / "whole.duckdb", story) as whole:
        for table in (*tables, "refusals", "requests", "v_session_today_usage", "system_config"):
            question = f"select * from {table} order by all"
            assert cut.ask_rows(question, 1000).rows == whole.ask_rows(question, 1000).rows, table
    database.close()

"""Each figure against a hand-made log, whose calls are counted beside it by other means."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from contracts.balancer import Health, ServerDrained, ServerHealthChanged
from contracts.base import GatewayId, KeyId, ServerId, ServiceType
from contracts.pool import CallsRefused, LeaseCancelled, Outcome, Refusal, Refused, Verdict
from services.analytics import sql
from services.analytics.domain.fold import RowFold
from services.analytics.store import Database, LedgerWriter, Readers
from services.gateway.domain import refusal_error
from tests.integration.analytics.parts import MEMORY, ask, named, stored
from tests.moments import NOON
from tests.unit.analytics.builders import (
    Story,
    attempt,
    batch_of,
    cancelled,
    expired,
    granted,
    policy,
    reconciled,
    refused,
    requested,
    server_added,
    session,
    used,
)

LIMITED = [attempt(verdict=Verdict.RATE_LIMITED, status=429)]
OUTAGE = {
    "reason": "not_sent",
    "status": 503,
    "error_code": "no_backend",
    "error_message": "no server can do image: all are down",
}
CALLS = {
    "plain": 200,
    "moved": 200,
    "unknown": 502,
    "outage": 503,
    "gone": None,
    "left": None,
    "silent": 0,
    "last-word": 429,
    "none": 429,
    "open": "open",
}
"""The ledger: every call of the story by what its client saw. None: it had left."""
GATEWAY_REFUSED, COUNTED = 38, 120


def at_the_gateway(count: int = GATEWAY_REFUSED) -> CallsRefused:
    return CallsRefused(
        gateway_id=GatewayId("g1"),
        key_id=KeyId("k1"),
        code="rate_limit_exceeded",
        status=429,
        service_type=ServiceType("image"),
        count=count,
        since=NOON,
        until=NOON + timedelta(seconds=59),
    )


def moved(request: str, *decision: Any) -> list[Any]:
    """The envelope that ends a call's first lease and decides about its next."""
    end = used(request, Outcome.RELEASED, verdict=Verdict.RATE_LIMITED, attempts=LIMITED, status=0)
    return [end, requested(request, 2), *decision]


def story() -> Story:
    told = Story().tell(
        policy(), session("s1"), session("s2"), session("s3"), server_added("server-1")
    )
    told.lease("plain", used("plain"))
    told.lease("moved").tell(*moved("moved", granted("moved", 2, session_id="s2")))
    told.tell(used("moved", number=2, session_id="s2"))
    told.lease("unknown", used("unknown", Outcome.UNKNOWN))
    told.lease("outage", cancelled("outage", session_id="s3", **OUTAGE), session_id="s3")
    told.lease("gone", cancelled("gone"))
    left = used("left", Outcome.UNKNOWN, verdict=Verdict.CLIENT_GONE, status=0)
    told.lease("left", left)
    told.lease("silent", expired("silent"), reconciled("silent", 0))
    # The last word: what the lease before had shown is no answer of its client's.
    told.lease("last-word")
    end = used(
        "last-word",
        Outcome.RELEASED,
        verdict=Verdict.QUOTA_EXHAUSTED,
        attempts=[attempt(verdict=Verdict.QUOTA_EXHAUSTED, status=200)],
        status=503,
        error_code="pool_saturated",
    )
    told.tell(end, requested("last-word", 2), refused("last-word", number=2))
    # Sent again in a stall, told by the next leader too.
    told.tell(requested("none"), refused("none"))
    told.tell(requested("none"), refused("none"))
    told.tell(refused("many", count=COUNTED))
    told.tell(at_the_gateway()).tell(at_the_gateway())
    return told.lease("open")


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    with stored(tmp_path_factory.mktemp("true") / "a.duckdb", story()) as opened:
        yield opened


def of(rows: list[dict[str, Any]], column: str) -> int:
    return sum(row[column] for row in rows)


# ------------------------------------------------------------------- what clients saw


def given_up(call: str, **changes: Any) -> LeaseCancelled:
    """A lease that was asked for and not answered; its client heard so."""
    given = {
        "lease_id": f"{call}.1",
        "request_id": call,
        "number": 1,
        "reason": "unanswered",
        "status": 503,
        "error_code": "ledger_unavailable",
        "key_id": "k1",
        "service_type": "image",
        **changes,
    }
    return LeaseCancelled(**given)


@pytest.mark.parametrize("cut", [False, True], ids=["one batch", "a batch an envelope"])
def test_a_call_given_up_counts_once_whichever_was_told_first(tmp_path: Path, *, cut: bool) -> None:
    """Refusals come before and after, in one batch or in a batch for each envelope."""
    told = Story().tell(policy(), session())
    told.tell(requested("refused"), refused("refused")).tell(given_up("refused"))
    told.tell(given_up("unheard")).tell(requested("unheard"), refused("unheard"))
    told.tell(given_up("forbidden", status=0, error_code="", key_id="", service_type=""))
    told.tell(requested("granted"), granted("granted"))
    told.tell(given_up("granted", session_id="s1", key_id="", service_type=""))
    database = Database(tmp_path / "given_up.duckdb", MEMORY)
    ledger = LedgerWriter(database)
    ledger.begin_anew("a stream")
    fold = RowFold()
    for sequence, subject, envelope in told.envelopes():
        if cut:
            fold = RowFold(ledger.read_remembered(), sequence - 1)
        fold.fold_envelope(sequence, subject, envelope)
        if cut:
            ledger.write_batch(fold.next_batch())
    if not cut:
        ledger.write_batch(fold.next_batch())
    readers = Readers(database, lambda: NOON, 5.0)

    assert ask(readers, "calls calls_failed refused") == [[3, 3, 2]]
    rows = readers.ask_rows(
        "select request_id, reason, status, count from refusals order by all", 9
    )
    assert rows.rows == [
        ["refused", "ledger_unavailable", 503, 0],
        ["refused", "pool_quota_exhausted", 429, 1],
        ["unheard", "ledger_unavailable", 503, 1],
        ["unheard", "pool_quota_exhausted", 429, 0],
    ]
    daily = readers.ask_rows("select refused_requests, error_rate from daily_stats", 9).rows
    assert daily == [[2, 1.0]]
    assert readers.ask_rows("from anomalies", 9).rows == []
    (story,) = named(readers, "explain", request_id="unheard")
    assert [one["reason"] for one in story["refusals"]] == [
        "ledger_unavailable",
        "pool_quota_exhausted",
    ]
    database.close()


def test_a_refusal_has_the_status_that_its_client_was_given(readers: Readers) -> None:
    rows = ask(readers, "calls", "status error")

    assert [row for row in rows if row[1] == "pool_quota_exhausted"] == [
        [429, "pool_quota_exhausted", 2 + COUNTED]
    ]
    told = named(readers, "explain_counted", at="2026-01-01T11:59:58")
    of_pool = [(one["code"], one["status"]) for one in told if one["refused_by"] == "pool"]
    assert of_pool == [("pool_quota_exhausted", 429)]


@pytest.mark.parametrize("reason", list(Refusal))
def test_every_refusal_has_the_status_that_gateways_give_it(
    readers: Readers, reason: Refusal
) -> None:
    said = readers.ask_rows(f"select refusal_status('{reason}')", 1).rows

    assert said == [[refusal_error(Refused(reason=reason), "image").http_status]]


def test_calls_are_those_of_the_ledger_each_once() -> None:
    ended = [seen for seen in CALLS.values() if seen != "open"]
    gone = ended.count(None)
    failed = sum(seen is not None and seen != 200 for seen in ended)

    assert (len(ended), gone, failed) == (9, 2, 5)


def test_what_clients_saw_and_what_leases_came_to_stand_side_by_side(readers: Readers) -> None:
    beside = GATEWAY_REFUSED + COUNTED
    (row,) = ask(readers, "calls calls_gone calls_failed call_failure_rate")

    assert row == [9 + beside, 2, 5 + beside, (5 + beside) / (7 + beside)]
    # Eleven leases: two settled, five failed upstream or nobody knows, one outage, one left.
    rates = ask(readers, "leases failures failure_rate lease_failure_rate unserved")
    assert rates == [[10, 6, 6 / 8, 6 / 8, 1]]


def test_by_any_dimension_calls_add_up_to_the_same(readers: Readers) -> None:
    ((whole, failed),) = ask(readers, "calls calls_failed")

    for dimension in ("session", "server", "key", "error", "status", "hour", "outcome", "model"):
        rows = ask(readers, "calls calls_failed", dimension)
        assert (sum(row[1] for row in rows), sum(row[2] for row in rows)) == (whole, failed)


def test_what_a_gateway_refused_is_of_a_service_type(readers: Readers) -> None:
    by_type = ask(readers, "calls", "service error")

    assert ["image", "rate_limit_exceeded", GATEWAY_REFUSED] in by_type
    counted = named(readers, "explain_counted", at="2026-01-01T12:00:30")
    assert [(one["service_type"], one["calls"]) for one in counted] == [("image", GATEWAY_REFUSED)]


def test_an_outage_is_a_failure_by_its_name(readers: Readers) -> None:
    assert ["no_backend", 1, 1, 1] in ask(readers, "calls_failed failures unserved", "error")
    period = {"since": "2026-01-01", "until": "2026-01-02"}
    errors = {row["error_class"]: row for row in named(readers, "report_errors", **period)}

    assert errors["no_backend"]["leases_failed"] == 1
    assert errors["refused by a gateway · rate_limit_exceeded"]["calls_refused"] == GATEWAY_REFUSED
    lease = readers.ask_rows(
        "select outcome, status, error_code from leases where request_id='outage'", 9
    )
    assert lease.rows == [["cancelled", 503, "no_backend"]]


def test_the_report_and_the_day_have_both_rates(readers: Readers) -> None:
    beside = GATEWAY_REFUSED + COUNTED
    seen, came = (5 + beside) / (7 + beside), 6 / 8
    (totals,) = named(readers, "report_totals", since="2026-01-01", until="2026-01-02")
    day = readers.ask_rows("select error_rate, lease_failure_rate from daily_stats", 9).rows

    assert (totals["call_failure_rate"], totals["lease_failure_rate"]) == (seen, came)
    assert totals["calls"] == 9 + beside
    assert day == [[seen, came]]


# ----------------------------------------------------------------------- one number


def test_requests_of_a_day_are_one_number_everywhere(readers: Readers) -> None:
    """Calls that got a lease: all of the ledger but the one refused at once."""
    requests = len(CALLS) - 1
    day = {"since": "2026-01-01", "until": "2026-01-02"}
    found = {
        "measure": ask(readers, "requests")[0][0],
        "by session": sum(row[1] for row in ask(readers, "requests", "session")),
        "by server": sum(row[1] for row in ask(readers, "requests", "server")),
        "daily": of(named(readers, "daily", start="2026-01-01", end="2026-01-01"), "requests"),
        "day_stats": of(named(readers, "day_stats", date="2026-01-01"), "requests"),
        "summary": of(named(readers, "summary"), "requests"),
        "usage_by_day": of(named(readers, "usage_by_day", **day), "requests"),
        "report_totals": of(named(readers, "report_totals", **day), "requests"),
        "report_services": of(named(readers, "report_services", **day), "requests"),
        "report_keys": of(named(readers, "report_keys", **day), "requests"),
        "daily_stats": readers.ask_rows("select total_requests from daily_stats", 9).rows[0][0],
        "sessions": sum(
            of(named(readers, "session_stats", session_id=name), "requests")
            for name in ("s1", "s2", "s3")
        ),
        "totals": sum(
            of(named(readers, "session_total", session_id=name), "requests")
            for name in ("s1", "s2", "s3")
        ),
    }

    assert found == dict.fromkeys(found, requests)


def test_refusals_told_again_count_once(readers: Readers) -> None:
    assert ask(readers, "refused") == [[1 + 1 + COUNTED]]
    rows = readers.ask_rows("select request_id, count from refusals order by sequence", 9).rows

    assert rows == [["last-word", 1], ["none", 1], ["none", 0], ["many", COUNTED]]
    assert readers.ask_rows("select count from calls_refused order by sequence", 9).rows == [
        [GATEWAY_REFUSED],
        [0],
    ]


def test_batches_cut_anywhere_tell_a_refusal_once(tmp_path: Path, readers: Readers) -> None:
    database = Database(tmp_path / "cut.duckdb", MEMORY)
    ledger = LedgerWriter(database)
    ledger.begin_anew("a stream")
    for sequence, subject, envelope in story().envelopes():
        fold = RowFold(ledger.read_remembered(), sequence - 1)
        fold.fold_envelope(sequence, subject, envelope)
        ledger.write_batch(fold.next_batch())
    cut = Readers(database, lambda: NOON, 5.0)
    tables = "refusals", "calls_refused", "daily_stats", "session_usage", "sessions", "leases"
    for table in (*tables, "usage_by_day", "ledger.days", "call_facts"):
        question = f"select * from {table} order by all"
        assert cut.ask_rows(question, 1000).rows == readers.ask_rows(question, 1000).rows, table
    database.close()


def test_the_servers_rate_is_that_of_the_load_balancer(readers: Readers) -> None:
    """Share of tries for which it was not to blame: here of seven but the two unknown ones."""
    (row,) = named(readers, "report_servers", since="2026-01-01", until="2026-01-02")

    blamed = ("unreachable", "outcome_unknown")
    tries = readers.ask_rows("select verdict from attempts", 99).rows

    assert row["success_rate"] == 1 - sum(one in blamed for (one,) in tries) / len(tries)
    assert row["success_rate"] == 1 - row["failed"] / row["attempts"] == 5 / 6


def test_a_server_that_is_drained_is_not_said_to_be_so_for_its_last_probe(tmp_path: Path) -> None:
    a, drained = ServerId("server-1"), ServerDrained(server_id=ServerId("server-1"), by="op")
    well = ServerHealthChanged(server_id=a, health=Health.UP, reason="answered a probe")
    told = Story().tell(policy(), session(), server_added(), well, drained)
    told.lease("a", used("a"), at=NOON)

    with stored(tmp_path / "a.duckdb", told) as readers:
        (row,) = named(readers, "report_servers", since="2026-01-01", until="2026-01-02")

    assert (row["health"], row["why"]) == ("draining", "draining for 0 s: an operator drained it")


# ----------------------------------------------------------------------------- when


def test_a_lease_never_sent_is_no_use_of_its_session(readers: Readers) -> None:
    rows = readers.ask_rows("select session_id, last_used from sessions order by 1", 9).rows

    assert rows == [["s1", "2026-01-01T12:00:00Z"], ["s2", "2026-01-01T12:00:00Z"], ["s3", None]]


def test_rows_of_session_usage_say_when_they_began_and_when_they_changed(tmp_path: Path) -> None:
    told = Story().tell(policy(), session())
    told.lease("a", used("a"), at=NOON)
    told.tell(requested("b"), granted("b"), at=NOON + timedelta(minutes=1))
    told.tell(used("b"), at=NOON + timedelta(minutes=5))

    with stored(tmp_path / "a.duckdb", told) as readers:
        rows = readers.ask_rows("select created_at, updated_at from session_usage", 9).rows

    assert rows == [["2026-01-01T12:00:00Z", "2026-01-01T12:05:00Z"]]


def test_a_reconciliations_reason_stands_beside_the_correction(readers: Readers) -> None:
    rows = readers.ask_rows(
        "select reason, correction, correction_reason from leases where request_id = 'silent'", 9
    ).rows

    assert rows == [["", "reconciled", "seen (op)"]]


ZONED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from services.analytics.store import Database, LedgerWriter, Readers
from services.gateway.domain import refusal_error
from tests.unit.analytics.builders import Story, batch_of, policy
database = Database(Path(sys.argv[1]), 500_000_000)
ledger = LedgerWriter(database)
ledger.begin_anew("a stream")
ledger.write_batch(batch_of(Story().tell(policy(sys.argv[2]))))
noon = datetime(2026, 1, 1, 23, 30, tzinfo=UTC)
found = Readers(database, lambda: noon, 5.0).ask_rows(
    "select current_date, today(), (select day from today), current_setting('TimeZone'),"
    " '2026-01-01 12:00:00Z'::timestamptz::varchar", 9)
print(found.rows)
"""


@pytest.mark.parametrize(
    ("zone", "day"), [("UTC", "2026-01-01"), ("Asia/Shanghai", "2026-01-02")], ids=str
)
@pytest.mark.parametrize("machine", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def test_current_date_is_the_quota_day_wherever_the_machine_stands(
    tmp_path: Path, machine: str, zone: str, day: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ZONED, str(tmp_path / "a.duckdb"), zone],
        env={**os.environ, "TZ": machine},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.strip() == f"[['{day}', '{day}', '{day}', 'UTC', '2026-01-01 12:00:00+00']]"


# --------------------------------------------------------------------------- upgrade


def test_a_file_of_the_version_before_has_the_figures_of_a_new_one(tmp_path: Path) -> None:
    """Filled by this version, cut back to the tables of the one before, and opened again."""
    told = Story().tell(policy(), session("s1"), session("s2"))
    told.lease("a", used("a")).lease("b", used("b", Outcome.UNKNOWN)).lease("c", cancelled("c"))
    told.lease("d", expired("d"), reconciled("d", 0)).lease("e").tell(refused("y", count=4))
    told.lease("f", cancelled("f", session_id="s2", reason="not_sent"), session_id="s2")
    path = tmp_path / "new.duckdb"
    with stored(path, told) as readers:
        tables = "usage_by_day", "session_usage", "daily_stats", "sessions", "leases"
        new = {name: readers.ask_rows(f"from {name} order by all", 99).rows for name in tables}

        assert named(readers, "audit_rollups") == []
    old = duckdb.connect(str(path))
    for (view,) in old.execute(
        "select view_name from duckdb_views() where schema_name = 'main' and not internal"
    ).fetchall():
        old.execute(f'drop view "{view}"')
    for statement in BACK:
        old.execute(statement)
    old.close()

    database = Database(path, MEMORY)
    again = Readers(database, lambda: NOON, 5.0)
    assert "006_true_figures" in database.migrated
    assert {name: again.ask_rows(f"from {name} order by all", 99).rows for name in tables} == new
    assert named(again, "audit_rollups") == []
    database.close()


BACK = (
    "drop table ledger.chains",
    "drop table ledger.calls_refused",
    "update ledger.leases set reason = correction_reason where correction = 'reconciled'",
    "alter table ledger.leases drop column correction_reason",
    "alter table ledger.open_leases drop column correction_reason",
    "alter table ledger.refusals drop column since",
    "alter table ledger.refusals drop column until",
    "alter table ledger.progress drop column anew_to",
    *(
        f"alter table ledger.usage_by_day drop column {name}"
        for name in ("requests", "unserved", "first_at", "last_at")
    ),
    "update ledger.session_activity set last_used_at = '2026-01-01 12:00:00'",
    *(
        f"alter table ledger.days drop column {name}"
        for name in ("calls", "calls_gone", "calls_failed")
    ),
    "alter table ledger.attempts drop column why",
    *(
        f"alter table ledger.servers drop column {name}"
        for name in ("state", "types_out", "draining", "state_at", "state_reason", "warm_until")
    ),
    *(
        f"alter table ledger.servers drop column {name}"
        for name in ("health_at", "silent_at", "silent_why", "drained_at", "type_states")
    ),
    *(f"alter table ledger.sessions drop column {name}" for name in ("account", "tier", "label")),
    "alter table ledger.keys drop column weight",
    "alter table ledger.attempts drop column started_ms",
    "delete from ledger.migrations where name >= '006_true_figures'",
)


def test_the_migration_is_the_last_of_its_kind_by_name() -> None:
    assert sql.sources_of("schema")[-1].name >= "006_true_figures"
    assert batch_of(story()).tables["calls_refused"]["count"] == (GATEWAY_REFUSED, 0)

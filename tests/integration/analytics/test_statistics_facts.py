"""What statistics count, by every dimension, over a story whose figures are known."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from contracts.pool import Outcome, Verdict
from services.analytics import sql
from services.analytics.domain.questions.measures import DIMENSIONS, MEASURES
from services.analytics.store import Database, Readers
from tests.integration.analytics.parts import MEMORY, ask, history, stored
from tests.unit.analytics.builders import attempt, used


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    story = history()
    tries = [
        attempt("server-1", verdict=Verdict.UNREACHABLE, sent=False, strategy="round_robin"),
        attempt(
            "server-2",
            verdict=Verdict.OUTCOME_UNKNOWN,
            status=503,
            strategy="p2c_ewma",
            region="tokyo",
            total_ms=900.0,
        ),
    ]
    end = used("t", Outcome.UNKNOWN, attempts=tries, error_code="upstream_outcome_unknown")
    story.lease("t", end)
    with stored(tmp_path_factory.mktemp("facts") / "a.duckdb", story) as opened:
        yield opened


def test_every_measure_by_every_dimension_is_answered(readers: Readers) -> None:
    for dimension in DIMENSIONS:
        assert ask(readers, " ".join(MEASURES), dimension), dimension


def test_leases_are_counted_by_their_ends(readers: Readers) -> None:
    by_end = "settled released unknown expired cancelled open failures"

    assert ask(readers, f"leases {by_end}") == [[11, 5, 1, 2, 1, 1, 1, 4]]
    assert ask(readers, "failure_rate") == [[4 / 9]]
    assert ask(readers, "failure_rate", "", "outcome:open") == [[None]]
    assert ask(readers, "units_used units_settled units_unknown units_reserved") == [[7, 5, 2, 1]]


def test_refusals_that_stand_for_others_count_as_many(readers: Readers) -> None:
    assert ask(readers, "refused leases", "outcome error", "outcome:refused") == [
        ["refused", "pool_quota_exhausted", 5, 0]
    ]


def test_a_lease_belongs_to_its_last_attempt_and_each_attempt_to_itself(readers: Readers) -> None:
    found = ask(readers, "leases attempts attempts_failed", "server region strategy attempt")

    assert ["server-2", "tokyo", "p2c_ewma", 2, 1, 1, 1] in found
    assert ["server-1", "", "round_robin", 1, 0, 1, 1] in found


def test_model_and_key_of_an_attempt_are_its_leases(readers: Readers) -> None:
    found = ask(readers, "attempts", "model key", "attempt:2")

    assert found == [["jimeng-4.0", "k1", 1]]


def test_filters_take_any_of_several_values_or_none_of_them(readers: Readers) -> None:
    assert ask(readers, "leases", "service", "service:image,video") == [["image", 10], ["video", 1]]
    assert ask(readers, "leases", "service", "service:!image", "service:!avatar") == [["video", 1]]
    assert ask(readers, "leases", "", "hour:2026-01-01T12:00:00Z", "status:502") == [[3]]
    assert ask(readers, "leases", "server", "server:", "outcome:open") == [["", 1]]


def test_times_are_of_what_a_gateway_recorded(readers: Readers) -> None:
    assert ask(readers, "latency_p50_ms latency_max_ms", "outcome", "outcome:cancelled") == [
        ["cancelled", None, None]
    ]
    assert ask(readers, "attempt_max_ms attempt_p99_ms", "", "attempt:2") == [[900.0, 900.0]]


def test_a_file_of_a_version_before_gets_what_its_own_rows_tell(
    tmp_path: Path,
) -> None:
    """The first migration alone writes a file; opened, the later ones fill their columns."""
    path = tmp_path / "old.duckdb"
    old = duckdb.connect(str(path))
    old.execute("create schema ledger")
    old.execute("create table ledger.migrations (name varchar primary key, applied_at timestamp)")
    old.execute(next(one.sql for one in sql.sources_of("schema") if one.name == "001_ledger"))
    old.execute("insert into ledger.migrations values ('001_ledger', now()::timestamp)")
    old.execute("insert into ledger.leases (lease_id, attempts) values ('a', 2), ('b', 0)")
    old.execute(
        "insert into ledger.attempts (lease_id, attempt, region, strategy)"
        " values ('a', 1, 'x', 'y'), ('a', 2, 'tokyo', 'p2c_ewma')"
    )
    old.execute("insert into ledger.servers (server_id) values ('told'), ('silent')")
    old.execute(
        "insert into ledger.entity_events (sequence, position, event, entity_id, detail) values"
        """ (1, 0, 'server_added', 'told', '{"server":{"dialect":"drraw"}}'),"""
        """ (3, 0, 'server_changed', 'told', '{"server":{"dialect":"jimeng"}}'),"""
        """ (4, 0, 'server_health_changed', 'told', '{"health":"up"}'),"""
        """ (2, 0, 'server_added', 'silent', '{"server":{}}')"""
    )
    old.close()

    database = Database(path, MEMORY)
    asked = database.cursor()
    found = asked.execute(
        "select lease_id, region, strategy from ledger.leases order by 1"
    ).fetchall()
    servers = asked.execute("select server_id, dialect from servers order by 1").fetchall()
    database.close()

    assert database.migrated == [one.name for one in sql.sources_of("schema")][1:]
    assert found == [("a", "tokyo", "p2c_ewma"), ("b", "", "")]
    assert servers == [("silent", "plain"), ("told", "jimeng")]

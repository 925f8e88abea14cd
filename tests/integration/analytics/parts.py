"""Analytics on real parts: a story in the stream, a projector over it, questions to its file."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client

from contracts.analytics import NamedQuery, Statistics
from contracts.pool import Outcome, Verdict
from runtime.eventlog import EventLog
from services.analytics.metrics import Metrics
from services.analytics.projector import Projector
from services.analytics.queries import Catalogue, StoreQuestion
from services.analytics.sandbox.box import Sandbox, SqlBounds
from services.analytics.store import Database, LedgerWriter, QueryResult, Readers
from tests.moments import NOON
from tests.unit.analytics.builders import (
    Story,
    attempt,
    batch_of,
    cancelled,
    expired,
    policy,
    reconciled,
    refused,
    requested,
    server_added,
    session,
    used,
)

MEMORY = 500_000_000
SQL_MEMORY = 1_500_000_000
ESCAPES = [
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from '/etc/passwd'",
    "select * from glob('/etc/*')",
    "copy (select 1) to '{folder}/out.csv'",
    "copy ledger.leases from '/etc/passwd'",
    "export database '{folder}/out'",
    "attach '{folder}/other.duckdb'",
    "install httpfs",
    "load httpfs",
    "pragma database_list",
    "set memory_limit = '100GB'",
    "set lock_configuration = false",
    "reset memory_limit",
    "use ledger",
    "call enable_logging()",
    "commit; delete from ledger.leases",
    "select 1; select 2",
    "commit",
    "begin",
    "checkpoint",
    "vacuum",
    "delete from ledger.leases",
    "insert into ledger.config values ('a', 'b', 'c')",
    "update ledger.leases set units_settled = 0",
    "create table mine as select 1",
    "create temp table mine as select 1",
    "create macro mine() as 1",
    "drop view sessions",
    "with gone as (delete from ledger.leases returning *) select * from gone",
    "with new as (insert into ledger.config values ('a', 'b', 'c') returning *) select * from new",
    "explain analyze delete from ledger.leases",
    "prepare p as delete from ledger.leases",
    "select * from duckdb_secrets()",
    "select * from force_checkpoint()",
    "select * from enable_logging()",
    "select * from query('delete from ledger.leases')",
    "pivot ledger.leases on outcome using count(*)",
    "",
    "-- nothing",
    "selec 1",
    "select nothing from nowhere",
]
YESTERDAY, LONG_AGO = NOON - timedelta(days=1), NOON - timedelta(days=30)


def history() -> Story:
    """Two sessions over two days.

    s1, 1 January: image 1 settled, 1 unknown, 1 expired and late-settled, 1 released, 1 cancelled,
    1 expired and reconciled to 0, 1 open; video 1 settled. s2, 31 December: image 2 settled.
    """
    old = {"session_id": "s2", "quota_day": "2025-12-31"}
    story = Story().tell(policy(), session("s1"), session("s2"), session("s3"), at=LONG_AGO)
    story.tell(
        server_added("server-1"), server_added("server-2"), at=LONG_AGO, subject="evt.balancer"
    )
    for request in ("o1", "o2"):
        story.lease(request, used(request, session_id="s2"), at=YESTERDAY, **old)
    story.lease("a", used("a", attempts=[attempt("server-2", total_ms=300.0)]))
    story.lease("b", used("b", Outcome.UNKNOWN))
    story.lease("c", expired("c"), used("c"))
    story.lease("d", used("d", Outcome.RELEASED, verdict=Verdict.RATE_LIMITED))
    story.lease("e", cancelled("e"))
    story.lease("f", expired("f"), reconciled("f", 0))
    story.lease("g", used("g", service_type="video"), service_type="video")
    story.lease("h").tell(requested("x"), refused("x"), refused("y", count=4))
    return story


async def publish(client: Client, story: Story, *, after: int = 0) -> None:
    """Put a story's envelopes into the stream, those behind `after`."""
    for stored in story.stored[after:]:
        await client.request(stored.subject, stored.body, timeout=5)


class Decoded(Sandbox):
    """Strangers' SQL with rows as a client reads them."""

    def ask_statement(self, query: str, rows_max: int, bytes_max: int) -> QueryResult:
        found = super().ask_statement(query, rows_max, bytes_max)
        return msgspec.structs.replace(found, rows=[msgspec.json.decode(row) for row in found.rows])


@contextmanager
def sandbox(
    database: Database,
    folder: Path,
    *,
    timeout_s: float = 100.0,
    memory_bytes: int = SQL_MEMORY,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Sandbox]:
    """Strangers' SQL over a database; no child and no copy is left of it."""
    bounds = SqlBounds(timeout_s, memory_bytes)
    made = Decoded(
        database, folder, lambda: NOON, bounds, Metrics(), structlog.get_logger(), monotonic
    )
    try:
        yield made
    finally:
        made.close()


class Running:
    """A projector at work on a database of its own."""

    def __init__(self, client: Client, path: Path) -> None:
        self.database = Database(path, MEMORY)
        self.metrics = Metrics()
        self.projector = Projector(
            EventLog(client), LedgerWriter(self.database), self.metrics, structlog.get_logger()
        )
        self.readers = Readers(self.database, lambda: NOON, 5.0)

    def ask(self, query: str) -> QueryResult:
        return self.readers.ask_rows(query, 10_000)


@asynccontextmanager
async def running(client: Client, path: Path) -> AsyncIterator[Running]:
    """Project in the background; a projector that dies ends the test with its reason."""
    parts = Running(client, path)
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(parts.projector.run())
            try:
                yield parts
            finally:
                task.cancel()
    finally:
        await parts.projector.close()
        parts.database.close()


@contextmanager
def stored(path: Path, story: Story) -> Iterator[Readers]:
    """A file with a story in it, without a stream."""
    database = Database(path, MEMORY)
    try:
        ledger = LedgerWriter(database)
        ledger.begin_anew("a stream")
        ledger.write_batch(batch_of(story))
        yield Readers(database, lambda: NOON, 5.0)
    finally:
        database.close()


def ask(readers: Readers, measures: str, by: str = "", *filters: str) -> list[list[Any]]:
    """Ask for measures by dimensions, over all days that stories tell of; the rows."""
    asked = Statistics(
        measures=measures.split(),
        dimensions=by.split(),
        since="2025-12-01",
        until="2026-01-31",
        filters=list(filters),
    )
    question = Catalogue().as_question(asked)
    assert isinstance(question, StoreQuestion), question
    return readers.ask_rows(question.sql, 10_000, question.parameters).rows


def checkpoint(file: Path) -> int:
    """The envelope that a file of a process that is gone has come to."""
    database = Database(file, MEMORY)
    progress = LedgerWriter(database).read_progress()
    database.close()
    return progress.sequence if progress else 0


def named(readers: Readers, name: str, **parameters: object) -> list[dict[str, object]]:
    """Ask a named query; rows as dictionaries."""
    question = Catalogue().as_question(NamedQuery(name=name, parameters=parameters))
    assert isinstance(question, StoreQuestion), question
    found = readers.ask_rows(question.sql, 10_000, question.parameters)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]

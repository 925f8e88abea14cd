"""Analytics on real parts: a story in the stream, a projector over it, questions to its file."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import structlog
from nats.aio.client import Client

from contracts.analytics import NamedQuery
from contracts.pool import Outcome, Verdict
from runtime.eventlog import EventLog
from services.analytics.metrics import Metrics
from services.analytics.projector import Projector
from services.analytics.queries import Catalogue, Question
from services.analytics.store import Database, Found, Ledger, Readers
from tests.moments import NOON
from tests.unit.analytics.builders import (
    Story,
    attempt,
    cancelled,
    expired,
    folded,
    policy,
    reconciled,
    refused,
    requested,
    server,
    session,
    used,
)

MEMORY = 500_000_000
YESTERDAY, LONG_AGO = NOON - timedelta(days=1), NOON - timedelta(days=30)


def history() -> Story:
    """Two sessions over two days.

    s1, 1 January: image 1 settled, 1 unknown, 1 expired and late-settled, 1 released, 1 cancelled,
    1 expired and reconciled to 0, 1 open; video 1 settled. s2, 31 December: image 2 settled.
    """
    old = {"session_id": "s2", "quota_day": "2025-12-31"}
    story = Story().tell(policy(), session("s1"), session("s2"), session("s3"), at=LONG_AGO)
    story.tell(server("server-1"), server("server-2"), at=LONG_AGO, subject="evt.balancer")
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


class Running:
    """A projector at work on a database of its own."""

    def __init__(self, client: Client, path: Path) -> None:
        self.database = Database(path, MEMORY)
        self.metrics = Metrics()
        self.projector = Projector(
            EventLog(client), Ledger(self.database), self.metrics, structlog.get_logger()
        )
        self.readers = Readers(self.database, lambda: NOON, 5.0)

    def ask(self, query: str) -> Found:
        return self.readers.ask(query, 10_000)


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
        ledger = Ledger(database)
        ledger.begin("a stream")
        ledger.write(folded(story))
        yield Readers(database, lambda: NOON, 5.0)
    finally:
        database.close()


def named(readers: Readers, name: str, **parameters: object) -> list[dict[str, object]]:
    """Ask a named query; rows as dictionaries."""
    question = Catalogue().question(NamedQuery(name=name, parameters=parameters))
    assert isinstance(question, Question), question
    found = readers.ask(question.sql, 10_000, question.parameters)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]

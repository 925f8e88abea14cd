"""The log as it grows, heard by an auditor: every event, with its place and its time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime

import nats

from contracts import envelope
from contracts.base import Event
from contracts.subjects import EVENT_SUBJECTS
from runtime.eventlog import EventLog
from tests.e2e.stack import Stack


@dataclass(frozen=True)
class Logged:
    """One event: `place` orders it among all."""

    place: tuple[int, int]
    at: datetime
    event: Event


class GrowingLog:
    """What was heard so far."""

    def __init__(self) -> None:
        self.events: list[Logged] = []
        self._more = asyncio.Event()

    def take(self, sequence: int, body: bytes) -> None:
        """Take the next envelope."""
        read = envelope.decode_envelope(body)
        self.events += [
            Logged((sequence, index), read.time, event) for index, event in enumerate(read.events)
        ]
        self._more.set()

    async def until(self, shown: Callable[[], bool], seconds: float) -> bool:
        """Wait until what was heard shows it, at most so long; whether it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not shown():
                    self._more.clear()
                    await self._more.wait()
        return shown()


@contextlib.asynccontextmanager
async def hear_log(stack: Stack) -> AsyncIterator[GrowingLog]:
    """Hear a stack's log from its beginning, for as long as this is open."""
    password = (stack.home / "secrets" / "auditor.nats").read_text().strip()
    client = await nats.connect(
        f"nats://auditor:{password}@127.0.0.1:{stack.nats_port}", inbox_prefix=b"_INBOX_auditor"
    )
    log = GrowingLog()

    async def listen() -> None:
        async for batch in EventLog(client).follow_from([EVENT_SUBJECTS], 0):
            for stored in batch:
                log.take(stored.sequence, stored.body)

    listening = asyncio.create_task(listen())
    try:
        yield log
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await client.close()

"""The end of the log, read once for everybody who follows it at this gateway.

Each follower has a queue, into which the one reader puts every envelope as it comes. Who begins
earlier than the reader is, or could not keep up, reads by himself until he is where the reader is.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from runtime.eventlog import EventLog, Stored

_EVERYTHING = ["evt.>"]
_QUEUED_MAX = 1000
"""Envelopes that wait for one follower; beyond it he reads by himself."""


class _Follower:
    """One who follows; `is_behind` once his queue was full."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[Stored] = asyncio.Queue(_QUEUED_MAX)
        self.is_behind = False


class LogTail:
    """One reader at the log's end, as long as somebody follows."""

    def __init__(self, log: EventLog) -> None:
        """Read nothing before somebody follows."""
        self._log = log
        self._followers: set[_Follower] = set()
        self._reading: asyncio.Task[None] | None = None
        self._position = 0
        """Sequence of the last envelope that every follower was given."""
        self._starting = asyncio.Lock()

    @property
    def is_reading(self) -> bool:
        """Whether there is a reader now."""
        return self._reading is not None

    async def follow_behind(self, after: int) -> AsyncGenerator[Stored, None]:
        """Yield every envelope behind a sequence, in order, each once, for ever.

        Raises `LogUnavailableError` while the reader cannot begin.
        """
        seen = after
        while True:
            follower = _Follower()
            joined_at = await self._join(follower)
            try:
                async with aclosing(self._read_between(seen, joined_at)) as before:
                    async for stored in before:
                        seen = stored.sequence
                        yield stored
                while not (follower.is_behind and follower.arrived.empty()):
                    stored = await follower.arrived.get()
                    if stored.sequence > seen:
                        seen = stored.sequence
                        yield stored
            finally:
                await self._leave(follower)

    async def _join(self, follower: _Follower) -> int:
        """Have a follower given whatever comes from here on; the sequence of here."""
        async with self._starting:
            if self._reading is None:
                self._position = (await self._log.stream_state()).last_sequence
                self._reading = asyncio.create_task(self._read_end(self._position))
            self._followers.add(follower)
            return self._position

    async def _leave(self, follower: _Follower) -> None:
        """Give him nothing more; the last one ends the reader."""
        self._followers.discard(follower)
        if not self._followers and self._reading is not None:
            reading, self._reading = self._reading, None
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _read_between(self, after: int, upto: int) -> AsyncGenerator[Stored, None]:
        """Yield what lies behind `after`, to `upto`, which is the sequence of an envelope."""
        if after >= upto:
            return
        async for batch in self._log.follow_from(_EVERYTHING, after):
            for stored in batch:
                if stored.sequence <= upto:
                    yield stored
            if batch[-1].sequence >= upto:
                return

    async def _read_end(self, after: int) -> None:
        """Give every follower what comes; one whose queue is full is given nothing more."""
        async for batch in self._log.follow_from(_EVERYTHING, after):
            for stored in batch:
                for follower in list(self._followers):
                    if follower.is_behind:
                        continue
                    if follower.arrived.full():
                        follower.is_behind = True
                    else:
                        follower.arrived.put_nowait(stored)
                self._position = stored.sequence

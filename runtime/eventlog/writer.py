"""The one writer of a subject: it keeps the chain, the fence, and the truth about its appends."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

import msgspec

from contracts import envelope
from contracts.base import WriterId
from contracts.envelope import Envelope, Link
from contracts.events import AnyEvent
from runtime.eventlog.stream import EventLog
from runtime.eventlog.words import (
    FenceError,
    LogUnavailableError,
    OutcomeUnknownError,
    Stored,
    UnstoredError,
)

_AGAIN_S = 0.1
_WRITE_EVERY_S = 30.0
_WRITE_AGAIN_S = 1.0
_UNWRITABLE_S = 10.0
"""As long as the servers of a cluster may take to elect the stream's leader."""


class SubjectWriter:
    """Appends envelopes to one subject.

    `link` is where the chain stands as far as this writer has seen: `note_stored` moves it along
    envelopes read from the log, `append_events` behind its own.
    """

    def __init__(self, log: EventLog, subject: str, writer: WriterId) -> None:
        """Start at the subject's beginning."""
        self.subject = subject
        self.writer = writer
        self.link = Link()
        self.epoch = 0
        self.fenced_at = float("-inf")
        """Monotonic time, in seconds, from which on the last append was stored: so nobody else
        had written the subject then."""
        self._tried_at = float("-inf")
        self._owed_since: float | None = None
        """Monotonic time of the first of the appends that came to nothing; None when the log took
        the last one."""
        self._log = log

    @property
    def write_due(self) -> bool:
        """Whether an append is due only to prove that the log takes writes (ADR 26).

        A nats-server whose disk was full answers everything else as if nothing were wrong.
        """
        wait_s = _WRITE_EVERY_S if self._owed_since is None else _WRITE_AGAIN_S
        return time.monotonic() >= self._tried_at + wait_s

    @property
    def unwritable_s(self) -> float:
        """Seconds for which the log has taken none of this writer's appends; 0 below ten."""
        owed_s = 0.0 if self._owed_since is None else time.monotonic() - self._owed_since
        return round(owed_s, 1) if owed_s >= _UNWRITABLE_S else 0.0

    def note_stored(self, stored: Stored) -> Envelope | None:
        """Take in an envelope read from the log; None for a stray message.

        A stray is no envelope, or repeats a number: it came in by the answer to somebody's
        question (ADR 10), and nothing of it is true but its sequence, which the fence counts.
        """
        self._owed_since = None  # whoever wrote it, the log takes writes
        seen = _read_envelope(stored.body)
        if seen is None or envelope.repeat_break(self.link.number, seen):
            self.link = msgspec.structs.replace(self.link, sequence=stored.sequence)
            return None
        self.link = envelope.link_to(stored.sequence, stored.body, seen)
        return seen

    def next_instant(self, wall: datetime) -> datetime:
        """Tell the log's time: the wall clock, but never before the last envelope."""
        last = self.link.time
        return wall if last is None or wall > last else last

    async def append_events(
        self, events: Sequence[AnyEvent] | Sequence[msgspec.Raw], now: datetime
    ) -> int:
        """Append one envelope and return its sequence; events may come already encoded.

        Raises `FenceError` when another wrote the subject meanwhile, `UnstoredError` when nobody
        did, and `LogUnavailableError` when nothing was stored for another reason. An append without
        acknowledgement is settled by reading the subject's last envelope, never by sending
        again; should it land later, the fence refuses whatever was decided meanwhile.
        """
        body = envelope.seal_events(self.link, self.writer, self.epoch, now, events)
        # Before it is sent: what is proved by it held then, however late the answer comes.
        began = self._tried_at = time.monotonic()
        if self._owed_since is None:
            self._owed_since = began
        try:
            sequence = await self._log.append_after(self.subject, body, self.link.sequence)
        except OutcomeUnknownError:
            sequence = await self._settle_outcome(body)
        except FenceError:
            self._owed_since = None  # somebody's write was taken
            raise
        self._owed_since = None
        self.link = Link(sequence, self.link.number + 1, envelope.hash_of(body), self.epoch, now)
        self.fenced_at = began
        return sequence

    async def _settle_outcome(self, body: bytes) -> int:
        """Find out whether `body` was stored.

        Raises `FenceError` when another envelope was, `UnstoredError` when none was.
        """
        while True:
            try:
                last = await self._log.last_stored(self.subject)
            except LogUnavailableError:
                await asyncio.sleep(_AGAIN_S)
                continue
            # No two envelopes are alike: writer, number and the hash before it are in each.
            if last is not None and last.body == body:
                return last.sequence
            if last is None or last.sequence <= self.link.sequence:
                raise UnstoredError("the append was not acknowledged, and nothing was stored")
            raise FenceError("the append was not acknowledged and is not the last envelope")

    async def stored_behind(self) -> list[Stored]:
        """Read what others appended to the subject since `link`. Raises `LogUnavailableError`."""
        last = await self._log.last_stored(self.subject)
        behind: list[Stored] = []
        if last is not None:
            async for batch in self._log.read_range(
                self.subject, self.link.sequence, last.sequence
            ):
                behind += batch
        return behind


def _read_envelope(body: bytes) -> Envelope | None:
    try:
        return envelope.decode_envelope(body)
    except msgspec.DecodeError:
        return None

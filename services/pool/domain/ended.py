"""What is remembered of leases whose end is certain: as much as a repetition needs.

A lease that was settled, released or cancelled, an id that was forbidden, and the session that a
request has cost, are an entry each of a map: 16 bytes of a hash of the id, and what became of it.
Such entries lie in spans of time: some five hours in which the id was minted, which a UUIDv7 tells;
other ids lie in the day of their end, and are looked for in all of these. A span leaves as a
whole, 8 days after the last end in it, so that nothing is kept of when each of them is to leave.

Each span keeps a digest of its entries that does not depend on their order: the hash of the ledger
has these and their number, so that it takes no longer when millions have ended.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from hashlib import sha256
from itertools import chain

from contracts.base import LeaseId, RequestId, SessionId
from contracts.pool import Outcome

KEPT = timedelta(days=8)
"""How long of log time the last end of a span, or a lease of uncertain end, stays in the fold."""
NEVER = datetime.max.replace(tzinfo=UTC)
KEY_BYTES = 16
DIGEST_MASK = (1 << 8 * KEY_BYTES) - 1
_VERSION_AT, _TIMED, _SPAN_CHARS = 14, "7", 6
"""Where a UUIDv7 says what it is; its first digits are those of its time."""


class Mark(IntEnum):
    """What became of a lease; its values stand in snapshots."""

    SETTLED = 1
    RELEASED = 2
    CANCELLED = 3
    CANCELLED_REPORTED = 4
    """Cancelled, and a usage of it was journalled all the same."""
    FORBIDDEN = 5
    """No lease: the id was given up before it was granted, and never is."""

    @property
    def outcome(self) -> Outcome | None:
        """How the lease ended; None when there was none."""
        return _OUTCOMES.get(self)


_OUTCOMES = {
    Mark.SETTLED: Outcome.SETTLED,
    Mark.RELEASED: Outcome.RELEASED,
    Mark.CANCELLED: Outcome.CANCELLED,
    Mark.CANCELLED_REPORTED: Outcome.CANCELLED,
}
MARKS = {
    Outcome.SETTLED: Mark.SETTLED,
    Outcome.RELEASED: Mark.RELEASED,
    Outcome.CANCELLED: Mark.CANCELLED,
}
"""Of the outcomes that are certain."""
WEIGHTS = (0, *(2 * mark + 1 for mark in Mark))
"""By which a mark counts in the digest: all odd, so that no bit of a key is lost."""


def span_of(name: str) -> str:
    """Tell the span of time in which an id was minted; empty where it tells none.

    The first six digits of a UUIDv7 are those of its time that change every 4 h 40 min.
    """
    return name[:_SPAN_CHARS] if name[_VERSION_AT : _VERSION_AT + 1] == _TIMED else ""


def key_of(name: str) -> int:
    """Take 128 bits of the hash of an id."""
    return int.from_bytes(sha256(name.encode()).digest()[:KEY_BYTES])


class EndedSpan:
    """The ends of leases of one span."""

    __slots__ = ("digest", "last_at", "marks", "newest", "penalties")

    def __init__(self, last_at: datetime) -> None:
        """Start empty; `last_at` is when something was last put in."""
        self.last_at = last_at
        self.newest = ""
        """No id that is greater has a mark. A UUIDv7 is minted later than those that have ended:
        nearly always this alone tells that it has no mark."""
        self.marks: dict[int, Mark] = {}
        self.penalties: dict[int, SessionId] = {}
        """Which session a request cost, by the request's id."""
        self.digest = 0
        """Sum of a product for each entry, modulo 2¹²⁸: the same in whatever order they came."""

    def take_mark_back(self, key: int, before: Mark | None, last_at: datetime, digest: int) -> None:
        """Undo `put_mark`."""
        if before is None:
            del self.marks[key]
        else:
            self.marks[key] = before
        self.last_at, self.digest = last_at, digest

    def put_penalty(self, key: int, session_id: SessionId, at: datetime) -> None:
        """Know which session a request cost; there was none before."""
        assert key not in self.penalties
        self.digest = (self.digest + key * penalty_weight(session_id)) & DIGEST_MASK
        self.penalties[key] = session_id
        self.last_at = at

    def take_penalty_back(self, key: int, last_at: datetime, digest: int) -> None:
        """Undo `put_penalty`."""
        del self.penalties[key]
        self.last_at, self.digest = last_at, digest

    @property
    def due_at(self) -> datetime:
        """When it leaves, if nothing more is put in."""
        try:
            return self.last_at + KEPT
        except OverflowError:
            # A log may be written at the end of the calendar: what is due later never leaves.
            return NEVER


def penalty_weight(session_id: SessionId) -> int:
    """Weigh a penalty in the digest: odd, as the weights of marks are."""
    return 2 * key_of(session_id) + 1


class EndedLeases:
    """The spans that are kept, and what can be asked of them."""

    def __init__(self, on_rollback: Callable[..., None]) -> None:
        """Remember nothing yet; `on_rollback` is the fold's, for every change is undoable."""
        self.minted: dict[str, EndedSpan] = {}
        """By what the ids tell."""
        self.undated: dict[str, EndedSpan] = {}
        """By the day of the end, in order: for ids that tell none."""
        self.due_at = NEVER
        """Not before this does a span leave."""
        self._on_rollback = on_rollback

    def __len__(self) -> int:
        return sum(len(kept.marks) for kept in self.all_spans())

    def all_spans(self) -> Iterator[EndedSpan]:
        """Go through all that is kept."""
        return chain(self.minted.values(), self.undated.values())

    def mark_of(self, lease_id: LeaseId) -> Mark | None:
        """Tell what became of a lease; None when nothing is known of a certain end."""
        # Without a call where nothing is known: every request comes through here, and is new.
        kept = self.minted.get(lease_id[:_SPAN_CHARS])
        mark = None
        if kept is not None and lease_id <= kept.newest:
            mark = kept.marks.get(key_of(lease_id))
        return self._undated_mark(lease_id) if mark is None and self.undated else mark

    def end_of(self, lease_id: LeaseId) -> Mark | None:
        """Tell how a lease ended; None too for an id that was forbidden."""
        mark = self.mark_of(lease_id)
        return None if mark is Mark.FORBIDDEN else mark

    def penalised_session(self, request_id: RequestId) -> SessionId | None:
        """Tell which session a request has cost."""
        key = key_of(request_id)
        if span := span_of(request_id):
            kept = self.minted.get(span)
            return None if kept is None else kept.penalties.get(key)
        costs = (kept.penalties.get(key) for kept in self.undated.values())
        return next((session_id for session_id in costs if session_id is not None), None)

    def put_mark(self, lease_id: LeaseId, mark: Mark, at: datetime) -> None:
        """Remember what became of a lease at `at`, undoably."""
        kept = self._span_for(lease_id, at)
        marks, key = kept.marks, key_of(lease_id)
        before = marks.get(key)
        self._on_rollback(kept.take_mark_back, key, before, kept.last_at, kept.digest)
        weight = WEIGHTS[mark] if before is None else WEIGHTS[mark] - WEIGHTS[before]
        kept.digest = (kept.digest + key * weight) & DIGEST_MASK
        kept.last_at = at
        marks[key] = mark
        # Not taken back: it is a bound, and is one all the same.
        if lease_id > kept.newest:  # noqa: PLR1730 (`max` costs a call)
            kept.newest = lease_id

    def put_penalty(self, request_id: RequestId, session_id: SessionId, at: datetime) -> None:
        """Remember which session a request cost first, undoably."""
        key, kept = key_of(request_id), self._span_for(request_id, at)
        self._on_rollback(kept.take_penalty_back, key, kept.last_at, kept.digest)
        kept.put_penalty(key, session_id, at)

    def drop_due(self, at: datetime) -> None:
        """Let go of the spans that are due to leave by `at`, undoably."""
        self._on_rollback(setattr, self, "due_at", self.due_at)
        for name in ("minted", "undated"):
            spans = getattr(self, name)
            # Those that stay go into a map of their own: a rollback puts the old one back.
            stay = {
                span: kept
                for span, kept in spans.items()
                if kept.due_at == NEVER or at < kept.due_at
            }
            if len(stay) < len(spans):
                self._on_rollback(setattr, self, name, spans)
                setattr(self, name, stay)
        self.settle_due()

    def settle_due(self) -> None:
        """Find out when the first span leaves, should nothing be put in any more."""
        self.due_at = min((kept.due_at for kept in self.all_spans()), default=NEVER)

    def _undated_mark(self, lease_id: LeaseId) -> Mark | None:
        """Look for an id that tells no time, or none of ours."""
        key = key_of(lease_id)
        # The newest first: an id that was forbidden may have been granted, and have ended, since.
        for kept in reversed(self.undated.values()):
            mark = kept.marks.get(key)
            if mark is not None:
                return mark
        return None

    def _span_for(self, name: str, at: datetime) -> EndedSpan:
        """Find the span that an entry of `at` belongs to, or open it, undoably."""
        spans, span = self.minted, span_of(name)
        if not span:
            spans, span = self.undated, at.date().isoformat()
        kept = spans.get(span)
        if kept is None:
            kept = spans[span] = EndedSpan(at)
            self._on_rollback(spans.__delitem__, span)
            if kept.due_at < self.due_at:
                self._on_rollback(setattr, self, "due_at", self.due_at)
                self.due_at = kept.due_at
        return kept

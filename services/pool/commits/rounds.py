"""What one envelope holds: a checkpoint when one is due, and commands as far as they fit."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

import msgspec

from contracts.envelope import BYTES_MAX, COMMANDS_MAX
from contracts.pool import PoolCheckpointed, PoolEvent
from services.pool import domain
from services.pool.commits.batches import LEASE, CommandBatch
from services.pool.domain import Pool, Served

SWEEP_EVERY_S = 0.25
CHECKPOINT_EVENTS = 50_000
CHECKPOINT_EVERY_S = 600.0
_FRAME_BYTES = 1024
_SERVED_BYTES = 16 * 1024
"""Room for one more request that waited, and its grant."""
"""An envelope around its events."""

_encoder = msgspec.json.Encoder()


class UndecidableError(Exception):
    """A command whose decision failed, by a fault of ours; the others are to be decided anew."""

    def __init__(self, batch: CommandBatch) -> None:
        super().__init__(batch.kind.name)
        self.batch = batch


class Queued(NamedTuple):
    """One command that waits to be decided."""

    batch: CommandBatch
    place: int
    """Its place in the batch."""


class HeldBack(NamedTuple):
    """One that is decided anew at a moment; of the same moment, the one that came first."""

    until: datetime
    number: int
    queued: Queued


class Decided(NamedTuple):
    """One command with its answer, not yet given."""

    queued: Queued
    answer: Any
    journalled: bool
    at: datetime


class Round:
    """The events of one envelope, encoded, and who is answered by it."""

    def __init__(self) -> None:
        """Start empty."""
        self.events: list[PoolEvent] = []
        self.encoded: list[msgspec.Raw] = []
        self.size = _FRAME_BYTES
        self.decided: list[Decided] = []
        self.served: list[Served] = []
        """Grants to those who waited."""

    def add_events(self, events: Sequence[PoolEvent]) -> None:
        """Add events, encoded once and for all."""
        for event in events:
            encoded = _encoder.encode(event)
            self.size += len(encoded) + 1
            self.events.append(event)
            self.encoded.append(msgspec.Raw(encoded))


class Checkpoints:
    """When a leader journals the hash of its ledger: only if anything happened since the last."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Count from the beginning of a term; `monotonic` tells seconds."""
        self.ending = False
        """The term ends in good order: whatever happened is worth one more."""
        self._monotonic = monotonic
        self._since = monotonic()
        self._events = 0

    @property
    def is_due(self) -> bool:
        """Whether the next envelope begins with one."""
        if not self._events:
            return False
        late = self._monotonic() >= self._since + CHECKPOINT_EVERY_S
        return late or self.ending or self._events >= CHECKPOINT_EVENTS

    def note_journalled(self, events: Sequence[PoolEvent]) -> None:
        """Count the events of an envelope that is in the log."""
        self._events += len(events)
        if events and isinstance(events[0], PoolCheckpointed):
            self._events = len(events) - 1
            self._since = self._monotonic()


class Queue:
    """Commands to be decided, those held until a moment, and the sweep of what time brings."""

    def __init__(self, state: Pool, monotonic: Callable[[], float]) -> None:
        """Start empty; `monotonic` tells how long ago the last sweep was, in seconds."""
        self.checkpoints = Checkpoints(monotonic)
        self.full = False
        """Nobody may wait: the log is nearly full."""
        self._cut_short = False
        """Those who wait could not all be served: the envelope had no more room."""
        self._state = state
        self._monotonic = monotonic
        self._items: deque[Queued] = deque()
        self._held: list[HeldBack] = []
        self._numbers = count()
        self._swept_at = float("-inf")

    def __len__(self) -> int:
        return len(self._items) + len(self._held)

    @property
    def is_ready(self) -> bool:
        """Whether something can be decided now."""
        return bool(self._items) or self._cut_short

    def add_batch(self, batch: CommandBatch) -> None:
        """Queue every item of a batch."""
        self._items.extend(Queued(batch, index) for index in range(len(batch.items)))

    def put_back(self, items: Iterable[Queued]) -> None:
        """Queue these before all others, in their order."""
        self._items.extendleft(reversed(list(items)))

    def next_moment(self, now: datetime) -> datetime | None:
        """The next moment at which something is to be done without a command."""
        moments = [
            domain.next_wakeup(self._state, now),
            self._held[0].until if self._held else None,
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    def decide_round(self, now: datetime) -> Round:
        """Sweep, and decide what fits into one envelope, in the state as `begin` left it.

        Raises `UndecidableError`: roll back, everything is queued again but the culprit.
        """
        while self._held and self._held[0].until <= now:
            self._items.append(heapq.heappop(self._held).queued)
        round_ = Round()
        if self.checkpoints.is_due:
            round_.add_events(domain.checkpoint_ledger(self._state, now))
        self._sweep_due(round_, now)
        self._serve_waiting(round_, now)
        while self._items and len(round_.decided) < COMMANDS_MAX:
            batch, index = self._items[0]
            room = BYTES_MAX - round_.size
            if round_.events and room < batch.weight_max and room < batch.item_weight(index):
                break
            queued = self._items.popleft()
            if batch.dropped:
                continue
            try:
                self._decide_item(round_, queued, now)
            except Exception as error:
                # One command must not stop all the others, nor come back for ever.
                batch.dropped = True
                self.put_back(decided.queued for decided in round_.decided)
                raise UndecidableError(batch) from error
        self._serve_waiting(round_, now)
        return round_

    def _serve_waiting(self, round_: Round, now: datetime) -> None:
        """Serve those who wait, as far as something has come free and the envelope has room."""
        self._cut_short = False
        if not domain.is_due(self._state, now):
            return
        for served in domain.serve_waiting(self._state, now):
            round_.add_events(served.events)
            round_.served.append(served)
            if (
                len(round_.served) + len(round_.decided) >= COMMANDS_MAX
                or BYTES_MAX - round_.size < _SERVED_BYTES
            ):
                self._cut_short = True
                return

    def _decide_item(self, round_: Round, queued: Queued, now: datetime) -> None:
        batch, index = queued
        if batch.kind is LEASE:
            self._serve_waiting(round_, now)
        decision = batch.kind.decide(self._state, batch.items[index], now)
        round_.add_events(decision.events)
        if decision.held_until is None:
            round_.decided.append(Decided(queued, decision.answer, bool(decision.events), now))
        else:
            held = HeldBack(decision.held_until, next(self._numbers), queued)
            heapq.heappush(self._held, held)

    def _sweep_due(self, round_: Round, now: datetime) -> None:
        """Journal what time alone brought about: at its moment, or at the next regular look."""
        due = domain.next_wakeup(self._state, now)
        moment, ending = self._monotonic(), self.checkpoints.ending
        late = moment >= self._swept_at + SWEEP_EVERY_S or (due is not None and due <= now)
        if late or ending:
            round_.add_events(domain.sweep_overdue(self._state, now, ending=ending))
            round_.add_events(domain.tend_waits(self._state, now, full=self.full))
            self._swept_at = moment

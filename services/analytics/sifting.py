"""A batch that the store refuses, sifted: the events it does not take are set aside by name.

What `fitness` knows never comes as far; this is for what nobody foresaw. The batch is tried in
halves, each rehearsed on what the store has: every refused event costs some fifteen rehearsals.
"""

from collections.abc import Sequence

import msgspec

from contracts import envelope
from runtime.eventlog import Stored
from services.analytics.domain.fold import PASSED_OVER, RowBatch, RowFold
from services.analytics.folding import FoldError, fold_stored
from services.analytics.store import LedgerWriter, RowsRefusedError, StoreError

_REASON_MAX = 500


class _EventPlace(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where an event stands: its envelope's sequence, and its position there."""

    sequence: int
    position: int


class SiftedBatch(msgspec.Struct, frozen=True):
    """What was written, and as how many rows."""

    batch: RowBatch
    rows: int


def sift_batch(ledger: LedgerWriter, after: int, batch: Sequence[Stored]) -> SiftedBatch:
    """Write what the store takes of envelopes behind `after`.

    Raises `StoreError` when the store takes nothing at all, `MissingError` as a fold does.
    """
    sieve = _Sieve(ledger, after, batch)
    sifted = sieve.sift_events()
    return SiftedBatch(sifted, ledger.write_batch(sifted))


class _Sieve:
    def __init__(self, ledger: LedgerWriter, after: int, batch: Sequence[Stored]) -> None:
        self._ledger = ledger
        self._after = after
        self._batch = batch
        self._kept: set[_EventPlace] = set()
        self._refused: dict[_EventPlace, str] = {}

    def sift_events(self) -> RowBatch:
        """Sort the events, and fold what is left of them. Raises `StoreError`."""
        # Refused without any event in it, it is not the events that the store does not take.
        why = self._store_refusal(())
        if why:
            raise StoreError(why)
        events = _event_places(self._batch)
        self._sort_events(events)
        assert len(self._kept) + len(self._refused) == len(events), "each is kept or refused"
        return self._fold_kept(self._kept, self._refused)

    def _sort_events(self, events: Sequence[_EventPlace]) -> None:
        """Keep these, or set aside those of them that are refused."""
        why = self._store_refusal(events)
        if not why:
            self._kept.update(events)
        elif len(events) == 1:
            self._refused[events[0]] = why
        else:
            half = len(events) // 2
            self._sort_events(events[:half])
            self._sort_events(events[half:])

    def _store_refusal(self, events: Sequence[_EventPlace]) -> str | None:
        """Say why the store does not take these on top of those kept; None when it does."""
        try:
            folded = self._fold_kept(self._kept | set(events), {})
            self._ledger.write_batch(folded, rehearsed=True)
        except (FoldError, RowsRefusedError) as error:
            return str(error).partition("\n")[0][:_REASON_MAX]
        return None

    def _fold_kept(self, kept: set[_EventPlace], refused: dict[_EventPlace, str]) -> RowBatch:
        fold = RowFold(self._ledger.read_remembered(), self._after)
        left_out: dict[int, dict[int, str]] = {}
        for place in _event_places(self._batch):
            if place not in kept:
                why = refused.get(place, PASSED_OVER)
                left_out.setdefault(place.sequence, {})[place.position] = why
        for stored in self._batch:
            fold_stored(fold, stored, _ignore_envelope, left_out.get(stored.sequence, {}))
        return fold.next_batch()


def _event_places(batch: Sequence[Stored]) -> list[_EventPlace]:
    places = []
    for stored in batch:
        try:
            read = envelope.decode_envelope(stored.body)
        except msgspec.DecodeError:
            continue
        places += [_EventPlace(stored.sequence, position) for position in range(len(read.events))]
    return places


def _ignore_envelope(sequence: int, error: str) -> None:
    """Say nothing of an envelope that is none: whoever reads the log says so."""

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

_EventPlace = tuple[int, int]
"""An event: its envelope's sequence, and its position there."""
_REASON_MAX = 500


def sift_batch(ledger: LedgerWriter, after: int, batch: Sequence[Stored]) -> tuple[RowBatch, int]:
    """Write what the store takes of envelopes behind `after`; the batch, and its number of rows.

    Raises `StoreError` when the store takes nothing at all, `MissingError` as a fold does.
    """
    sieve = _Sieve(ledger, after, batch)
    sifted = sieve.sift_events()
    return sifted, ledger.write_batch(sifted)


class _Sieve:
    def __init__(self, ledger: LedgerWriter, after: int, batch: Sequence[Stored]) -> None:
        self._ledger = ledger
        self._after = after
        self._batch = batch
        self._kept: set[_EventPlace] = set()
        self._refused: dict[_EventPlace, str] = {}

    def sift_events(self) -> RowBatch:
        """Sort the events, and fold what is left of them. Raises `StoreError`."""
        why = self._store_refusal(())
        if why:
            raise StoreError(why)
        self._sort_events(_event_places(self._batch))
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
        for sequence, position in _event_places(self._batch):
            if (sequence, position) not in kept:
                why = refused.get((sequence, position), PASSED_OVER)
                left_out.setdefault(sequence, {})[position] = why
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
        places += [(stored.sequence, position) for position in range(len(read.events))]
    return places


def _ignore_envelope(sequence: int, error: str) -> None:
    """Say nothing of an envelope that is none: whoever reads the log says so."""

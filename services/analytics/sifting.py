"""A batch that the store refuses, sifted: the events it does not take are set aside by name.

What `fitness` knows never comes as far; this is for what nobody foresaw. The batch is tried in
halves, each rehearsed on what the store has: every refused event costs some fifteen rehearsals.
"""

from collections.abc import Sequence

import msgspec

from contracts import envelope
from runtime.eventlog import Stored
from services.analytics.domain.fold import PASSED_OVER, Batch, Fold
from services.analytics.folding import FoldError, take
from services.analytics.store import Ledger, RefusedError, StoreError

_Place = tuple[int, int]
"""An event: its envelope's sequence, and its position there."""
_REASON_MAX = 500


def sifted(ledger: Ledger, after: int, batch: Sequence[Stored]) -> tuple[Batch, int]:
    """Write what the store takes of envelopes behind `after`; the batch, and its number of rows.

    Raises `StoreError` when the store takes nothing at all, `MissingError` as a fold does.
    """
    sieve = _Sieve(ledger, after, batch)
    made = sieve.made()
    return made, ledger.write(made)


class _Sieve:
    def __init__(self, ledger: Ledger, after: int, batch: Sequence[Stored]) -> None:
        self._ledger = ledger
        self._after = after
        self._batch = batch
        self._kept: set[_Place] = set()
        self._refused: dict[_Place, str] = {}

    def made(self) -> Batch:
        """Sort the events, and fold what is left of them. Raises `StoreError`."""
        why = self._refusal(())
        if why:
            raise StoreError(why)
        self._sort(_places(self._batch))
        return self._folded(self._kept, self._refused)

    def _sort(self, events: Sequence[_Place]) -> None:
        """Keep these, or set aside those of them that are refused."""
        why = self._refusal(events)
        if not why:
            self._kept.update(events)
        elif len(events) == 1:
            self._refused[events[0]] = why
        else:
            half = len(events) // 2
            self._sort(events[:half])
            self._sort(events[half:])

    def _refusal(self, events: Sequence[_Place]) -> str:
        """Say why the store does not take these on top of those kept; empty when it does."""
        try:
            folded = self._folded(self._kept | set(events), {})
            self._ledger.write(folded, rehearsed=True)
        except (FoldError, RefusedError) as error:
            return str(error).partition("\n")[0][:_REASON_MAX]
        return ""

    def _folded(self, kept: set[_Place], refused: dict[_Place, str]) -> Batch:
        fold = Fold(self._ledger.remember(), self._after)
        left_out: dict[int, dict[int, str]] = {}
        for sequence, position in _places(self._batch):
            if (sequence, position) not in kept:
                why = refused.get((sequence, position), PASSED_OVER)
                left_out.setdefault(sequence, {})[position] = why
        for stored in self._batch:
            take(fold, stored, _told_before, left_out.get(stored.sequence, {}))
        return fold.batch()


def _places(batch: Sequence[Stored]) -> list[_Place]:
    places = []
    for stored in batch:
        try:
            read = envelope.decode_envelope(stored.body)
        except msgspec.DecodeError:
            continue
        places += [(stored.sequence, position) for position in range(len(read.events))]
    return places


def _told_before(sequence: int, error: str) -> None:
    """Say nothing of an envelope that is none: whoever reads the log says so."""

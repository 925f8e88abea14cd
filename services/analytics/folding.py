"""Envelopes as they are read, folded in order: for the projector, and for a backup's copy."""

import gc
from collections.abc import Callable, Iterable

import msgspec

from contracts import envelope
from runtime.eventlog import Stored
from services.analytics.domain.fold import Batch, Fold
from services.analytics.domain.standing import gap

_BATCH_BYTES = 8_000_000
"""Some 20,000 events, 13,000 rows: a batch costs 60 ms before its first row."""
_BATCH_ENVELOPES = 4_000


class MissingError(Exception):
    """A piece of the log is missing; the message names it."""


def enough(envelopes: int, size: int) -> bool:
    """Tell whether so many envelopes, of so many bytes, are a batch."""
    return size >= _BATCH_BYTES or envelopes >= _BATCH_ENVELOPES


def folded(fold: Fold, batch: Iterable[Stored], unreadable: Callable[[int, str], None]) -> Batch:
    """Fold envelopes that follow one another; tell of those that are none, and pass over them.

    Raises `MissingError` when one does not follow.
    """
    for stored in batch:
        missing = gap(fold.sequence, stored.sequence)
        if missing:
            raise MissingError(missing)
        try:
            read = envelope.decode(stored.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            unreadable(stored.sequence, str(error))
            fold.skip(stored.sequence)
        else:
            fold.take(stored.sequence, stored.subject, read)
    return fold.batch()


def spare_the_collector() -> None:
    """Look for cycles seldom: a batch makes 100,000 objects and no cycle among them.

    The default thresholds cost a fifth of the projection's speed.
    """
    gc.set_threshold(100_000, 20, 20)

"""Envelopes as they are read, folded in order: for the projector, and for a backup's copy.

Theory of operation. Each envelope takes one of five ways, and the first that fits:

    its sequence does not follow        `MissingError`: nothing is folded past a gap
    it cannot be read, or its number
    or time are none that a row holds   set aside whole, as unreadable
    its number was there already        set aside whole, as a stray (ADR 10)
    some of its events fit no row       those are set aside, the others folded
    it folds                            and if not, against all foresight: `FoldError`

A fold moves with every envelope, and only forward. What was thrown out of it halfway leaves it
between two envelopes: it is not to be used any more, and another is made from what the store has.

What is ugly: that an event fits is told here, and that the store takes its row is told there.
What only the store knows is found out by `sifting`, in halves. And numbers are noted for the
stray of tomorrow alone: of those that are missing nothing is said, since no sequence is.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from contracts import envelope
from runtime.eventlog import Stored
from services.analytics.domain.fold import RowBatch, RowFold
from services.analytics.domain.standing import sequence_gap
from services.analytics.fitness import INTEGER_MAX, event_misfit, moment_misfit, number_misfit

_BATCH_BYTES = 8_000_000
"""Some 20,000 events, 13,000 rows: a batch costs 60 ms before its first row."""
_BATCH_ENVELOPES = 4_000
NUMBERS_WITHIN = 4_000
"""Envelopes before the checkpoint that are looked through when a file, made by an older version,
does not say its subjects' numbers. A subject that has none there begins with its next one."""
_NOTHING: Mapping[int, str] = {}


class MissingError(Exception):
    """A piece of the log is missing; the message names it."""


class FoldError(Exception):
    """An event that no fold takes: nobody foresaw it. The fold is not to be used any more."""


def is_full_batch(envelopes: int, size: int) -> bool:
    """Tell whether so many envelopes, of so many bytes, are a batch."""
    return size >= _BATCH_BYTES or envelopes >= _BATCH_ENVELOPES


def split_batch(batch: Iterable[Stored]) -> Iterator[list[Stored]]:
    """Cut what arrived at once into batches that are not too big."""
    piece: list[Stored] = []
    size = 0
    for stored in batch:
        piece.append(stored)
        size += len(stored.body)
        if is_full_batch(len(piece), size):
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def fold_batch(
    fold: RowFold, batch: Iterable[Stored], unreadable: Callable[[int, str], None]
) -> RowBatch:
    """Fold envelopes that follow one another; tell of those that are none or strays, set aside.

    Raises `MissingError` when one does not follow, `FoldError` for what cannot be folded.
    """
    for stored in batch:
        fold_stored(fold, stored, unreadable)
    return fold.next_batch()


def fold_stored(
    fold: RowFold,
    stored: Stored,
    unreadable: Callable[[int, str], None],
    aside: Mapping[int, str] = _NOTHING,
) -> None:
    """Fold one envelope, without the events that do not fit a row or that `aside` names.

    A stray is judged as the pool judges it (ADR 10): by its number alone, and not folded. Of
    numbers that are missing nothing is said here: no sequence is, and the audit names them.
    Raises `MissingError` when it does not follow, `FoldError` when it cannot be folded.
    """
    missing = sequence_gap(fold.sequence, stored.sequence)
    if missing:
        raise MissingError(missing)
    # Before anything of it is noted: an unreadable number must not become the subject's last.
    try:
        read = envelope.decode_envelope(stored.body)
        why = number_misfit(read.number)
    except msgspec.DecodeError as error:
        why = str(error)
    if not why:
        if stray := envelope.repeat_break(fold.last_number(stored.subject), read):
            unreadable(stored.sequence, stray)
            fold.skip_stray(stored.sequence, stored.time, stray)
            return
        fold.note_number(stored.subject, read.number)
        why = moment_misfit(read.time)
    if why:
        unreadable(stored.sequence, why)
        fold.skip_unreadable(stored.sequence, stored.time, why)
        return
    unfitting = {
        place: why for place, event in enumerate(read.events) if (why := event_misfit(event))
    }
    try:
        fold.fold_envelope(
            stored.sequence, stored.subject, read, {**aside, **unfitting} or _NOTHING
        )
    except Exception as error:  # whatever it is, it is of this envelope
        raise FoldError(f"{type(error).__name__}: {error}") from error


def recover_numbers(fold: RowFold, batch: Iterable[Stored]) -> None:
    """Take in the numbers of envelopes that were folded before, and nothing else of them."""
    for stored in batch:
        try:
            number = envelope.decode_envelope(stored.body).number
        except msgspec.DecodeError:
            continue
        if fold.last_number(stored.subject) < number <= INTEGER_MAX:
            fold.note_number(stored.subject, number)


def spare_the_collector() -> None:
    """Look for cycles seldom: a batch makes 100,000 objects and no cycle among them.

    The default thresholds cost a fifth of the projection's speed.
    """
    gc.set_threshold(100_000, 20, 20)

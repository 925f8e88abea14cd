"""Follows the log into the store: each event lands once, whatever is killed.

Theory of operation. A round goes on behind the checkpoint, and is a pipeline of which every part
works on another batch:

    log -> _read_log -> arrived -> _fold_batches -> folded -> _write_batches -> the file
                                   (some thread)              (the one of the store)
           _watch_stream beside them: is it still the stream of which the file is?

The checkpoint stands in the transaction of its rows, so what was read and not committed is read
again. A round ends by an error, and `run` begins the next:

    a batch that does not fold, or that the file refuses  it is sifted, then a new round at once
    another life of the stream, or a shorter one          the file is emptied, or refused a moment
                                                          later for what is missing
    the log or the file does not answer                   again after a while
    DuckDB gave up on the open file (`LostError`)         out of `run`: `app` opens it anew

What is ugly: the fold is ahead of the file by what is in the queue and under way, so it is good for
nothing once a batch fails: `_SiftedError` is no error, but the way to throw it away with
everything built on it. And the part that folds waits for ever behind its first failure, so that
the batches before it are still written; only the end of the round ends it.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import msgspec

from runtime.eventlog import EventLog, LogUnavailableError, Stored
from runtime.process.lifecycle import until_stopped
from runtime.process.logs import Log
from services.analytics.domain.fold import RowBatch, RowFold
from services.analytics.domain.standing import LogCheckpoint, resume_point
from services.analytics.folding import (
    NUMBERS_WITHIN,
    FoldError,
    MissingError,
    fold_batch,
    is_full_batch,
    recover_numbers,
    split_batch,
)
from services.analytics.freshness import Freshness
from services.analytics.metrics import Metrics
from services.analytics.sifting import sift_batch
from services.analytics.store import LedgerWriter, LostError, RowsRefusedError, StoreError

_LINGER_S = 0.5
_WATCH_EVERY_S = 2.0
_AGAIN_S = 1.0
_EVERYTHING = "evt.>"
_BROKEN_OFF = "that was broken off before its end"
_Result = TypeVar("_Result")
_Arrivals = asyncio.Queue[list[Stored]]


class _Folded(msgspec.Struct, frozen=True):
    """What is to be written next."""

    stored: list[Stored]
    batch: RowBatch


class _Unfoldable(msgspec.Struct, frozen=True):
    """What is to be sifted next, and why: no fold takes it whole."""

    stored: list[Stored]
    trouble: str


_FoldQueue = asyncio.Queue[_Folded | _Unfoldable]


class _SiftedError(Exception):
    """A batch was sifted, so that the fold is no longer what the store has."""


class _StreamChangedError(Exception):
    """The stream no longer continues what is projected."""


class Projector:
    """One follower of the log, with the store's only writer thread."""

    def __init__(self, log: EventLog, ledger: LedgerWriter, metrics: Metrics, logger: Log) -> None:
        """Nothing is read before `run`."""
        self.freshness = Freshness()
        self._log = log
        self._ledger = ledger
        self._metrics = metrics
        self._logger = logger
        self._created = ""
        """Which life of the stream this round projects."""
        self._thread = ThreadPoolExecutor(1, "ledger")

    @property
    def checkpoint(self) -> int:
        """The sequence up to which the file has the log."""
        return self.freshness.checkpoint

    async def run(self) -> None:
        """Project for ever; trouble is logged, told by `freshness`, and tried again.

        Raises `LostError` when the file must be opened again, or put aside.
        """
        while True:
            try:
                await self._project_stream()
            except _SiftedError:
                continue
            except LogUnavailableError as error:
                self._note_trouble(f"the event log cannot be reached: {error}")
            except (_StreamChangedError, MissingError) as error:
                self._note_trouble(str(error))
            except LostError:
                raise
            except StoreError as error:
                self._metrics.failures.inc()
                self._note_trouble(f"the store cannot be written: {error}")
            await asyncio.sleep(_AGAIN_S)

    async def close(self) -> None:
        """Wait for the batch that is being written."""
        await asyncio.to_thread(self._thread.shutdown)

    def _note_trouble(self, why: str) -> None:
        if self.freshness.trouble != why:  # once, though it is tried again every second
            self._logger.warning("not_projecting", reason=why, checkpoint=self.checkpoint)
        self.freshness.trouble = why

    async def _project_stream(self) -> None:
        """Project until the stream changes, a batch fails, or the log is out of reach."""
        fold = await self._choose_resume_point()
        arrived = _Arrivals(2)
        folded = _FoldQueue(1)
        await until_stopped(
            asyncio.Event(),
            self._read_log(arrived),
            self._watch_stream(),
            self._fold_batches(fold, arrived, folded),
            self._write_batches(folded),
        )

    async def _choose_resume_point(self) -> RowFold:
        """Compare checkpoint and stream; rebuild or refuse. Raises `MissingError`."""
        state = await self._log.stream_state()
        progress = await self._in_thread(self._ledger.read_progress)
        point = resume_point(
            LogCheckpoint(progress.stream_created, progress.sequence) if progress else None,
            created=state.created,
            first_sequence=state.first_sequence,
            last_sequence=state.last_sequence,
        )
        self.freshness.begin_round(state.last_sequence)
        if progress is not None and not point.rebuild:
            broken_off = progress.sequence < progress.anew_to
            self.freshness.resume_rebuild(_BROKEN_OFF if broken_off else None)
            # Before anything is refused: what is missing is missing behind here.
            self.freshness.resume_at(progress.sequence)
            self._show_progress()
        if point.missing:
            raise MissingError(point.missing)
        if point.rebuild:
            tell = self._logger.warning if progress else self._logger.info
            tell("rebuilding", reason=point.rebuild, upto=state.last_sequence)
            self._metrics.rebuilds.inc()
            self.freshness.begin_rebuild(point.rebuild)
            upto = state.last_sequence
            await self._in_thread(lambda: self._ledger.begin_anew(state.created, upto))
        remembered = await self._in_thread(self._ledger.read_remembered)
        fold = RowFold(remembered, point.after)
        if not remembered.numbers and state.first_sequence <= point.after:
            start = max(0, point.after - NUMBERS_WITHIN)
            async for batch in self._log.read_range(_EVERYTHING, start, point.after):
                recover_numbers(fold, batch)
        self._created = state.created
        self.freshness.resume_at(point.after)
        self._show_progress()
        self._logger.info("projecting", checkpoint=point.after, upto=state.last_sequence)
        self.freshness.clear_if_current()
        return fold

    async def _read_log(self, arrived: _Arrivals) -> None:
        async for batch in self._log.follow_from([_EVERYTHING], self.checkpoint):
            self.freshness.note_arrival(batch[-1].sequence + batch[-1].pending)
            for piece in split_batch(batch):
                await arrived.put(piece)

    async def _watch_stream(self) -> None:
        """Look whether this is still the stream that is being projected."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            if self._ledger.fault is not None:
                raise self._ledger.fault
            # Of before the question: while it is asked the checkpoint may pass what it answers.
            checkpoint = self.checkpoint
            try:
                state = await self._log.stream_state()
            except LogUnavailableError:
                self.freshness.note_unreachable()
                continue
            self.freshness.note_stream_end(state.last_sequence)
            if state.created != self._created or state.last_sequence < checkpoint:
                raise _StreamChangedError("the log is another one, or went backwards")

    async def _fold_batches(self, fold: RowFold, arrived: _Arrivals, folded: _FoldQueue) -> None:
        """Fold one batch while the one before it is written; the first that fails is the last."""
        while True:
            stored = await _next_envelopes(arrived)
            try:
                batch = await asyncio.to_thread(fold_batch, fold, stored, self._log_set_aside)
            except FoldError as error:
                await folded.put(_Unfoldable(stored, str(error)))
                await asyncio.Event().wait()
            else:
                await folded.put(_Folded(stored, batch))

    async def _write_batches(self, folded: _FoldQueue) -> None:
        """Write what was folded; a batch that is refused is sifted, and ends this."""
        while True:
            item = await folded.get()
            if isinstance(item, _Unfoldable):
                await self._sift_batch(item.stored, item.trouble)
                raise _SiftedError
            assert item.batch.sequence == item.stored[-1].sequence, "it ends where they do"
            started = time.perf_counter()
            try:
                rows = await self._in_thread(partial(self._ledger.write_batch, item.batch))
            except RowsRefusedError as error:
                await self._sift_batch(item.stored, str(error))
                raise _SiftedError from None
            self._metrics.count_batch(item.batch, rows, time.perf_counter() - started)
            self.freshness.note_batch(item.batch.sequence)
            self._show_progress()

    async def _sift_batch(self, stored: list[Stored], why: str) -> None:
        """Write what the store takes of a refused batch. Raises `StoreError` for none of it."""
        upto = stored[-1].sequence
        self._logger.error("batch_refused", after=self.checkpoint, upto=upto, reason=why)
        self._metrics.failures.inc()
        started = time.perf_counter()
        sifted = await self._in_thread(partial(sift_batch, self._ledger, self.checkpoint, stored))
        seconds = time.perf_counter() - started
        self._metrics.count_batch(sifted.batch, sifted.rows, seconds)
        set_aside = sifted.batch.set_aside
        self._logger.warning("sifted", upto=upto, set_aside=set_aside, seconds=seconds)
        self.freshness.note_batch(sifted.batch.sequence)
        self._show_progress()

    def _log_set_aside(self, sequence: int, error: str) -> None:
        self._logger.warning("envelope_set_aside", sequence=sequence, reason=error)

    def _show_progress(self) -> None:
        self._metrics.checkpoint.set(self.checkpoint)
        self._metrics.lag.set(self.freshness.lag)

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _next_envelopes(arrived: _Arrivals) -> list[Stored]:
    """Take envelopes until there are enough, or the first has waited long enough."""
    batch = list(await arrived.get())
    size = sum(len(stored.body) for stored in batch)
    deadline = asyncio.get_running_loop().time() + _LINGER_S
    while not is_full_batch(len(batch), size):
        try:
            async with asyncio.timeout_at(deadline):
                more = await arrived.get()
        except TimeoutError:
            break
        batch += more
        size += sum(len(stored.body) for stored in more)
    return batch

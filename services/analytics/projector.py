"""Follows the log into the store: each event lands once, whatever is killed.

The checkpoint stands in the transaction of its rows, and the reader starts from it; what was
read but not committed is read again. When a batch fails, the fold is thrown away with it and
made again from what the store has. A batch whose rows are refused is sifted: what the store does
not take of it is set aside by name, and the projection goes on.
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
from services.analytics.domain.standing import resume_point
from services.analytics.folding import (
    NUMBERS_WITHIN,
    FoldError,
    MissingError,
    fold_batch,
    is_full_batch,
    recover_numbers,
    split_batch,
)
from services.analytics.metrics import Metrics
from services.analytics.sifting import sift_batch
from services.analytics.store import LedgerWriter, LostError, RowsRefusedError, StoreError

_LINGER_S = 0.5
_WATCH_EVERY_S = 2.0
_AGAIN_S = 1.0
_LAG_MAX = 20_000
"""Messages behind which the answers are too old to be called ready."""
_STILL_S = 30.0
"""After which answers that were owed a batch meanwhile are no longer called current."""
_EVERYTHING = "evt.>"
_BROKEN_OFF = "that was broken off before its end"
_Result = TypeVar("_Result")
_Arrivals = asyncio.Queue[list[Stored]]


class _FoldedBatch(msgspec.Struct):
    """What is to be written next."""

    stored: list[Stored]
    batch: RowBatch | None
    """What the envelopes fold to; None when they do not, and why is in `trouble`."""
    trouble: str = ""


class _SiftedError(Exception):
    """A batch was sifted, so that the fold is no longer what the store has."""


class _StreamChangedError(Exception):
    """The stream no longer continues what is projected."""


class Projector:
    """One follower of the log, with the store's only writer thread."""

    def __init__(self, log: EventLog, ledger: LedgerWriter, metrics: Metrics, logger: Log) -> None:
        """Nothing is read before `run`."""
        self.checkpoint = 0
        self._log = log
        self._ledger = ledger
        self._metrics = metrics
        self._logger = logger
        self._last = 0
        """The greatest sequence known to be in the log."""
        self._target = 0
        self._trouble = "starting"
        self._rebuilding = "the log has not been read yet"
        self._reachable = True
        self._created = ""
        self._owed_since: float | None = None
        """Since when nothing was projected though there is something to; None when there is not."""
        self._thread = ThreadPoolExecutor(1, "ledger")

    @property
    def lag(self) -> int:
        """Messages known to be in the log and not yet in the store."""
        return self.messages_behind(self.checkpoint)

    def messages_behind(self, sequence: int) -> int:
        """Count the messages known to be in the log behind this one."""
        return max(0, self._last - sequence)

    @property
    def rebuild_reason(self) -> str | None:
        """Say why figures would be too small, and how far they are; None when they are whole."""
        if not self._rebuilding:
            return None
        share = f" ({self.checkpoint / self._target:.0%})" if self._target else ""
        return (
            f"the figures are being made anew: at log sequence {self.checkpoint} of"
            f" {self._target}{share}; {self._rebuilding}"
        )

    def unready_reason(self) -> str:
        """Say why answers are not to be trusted as current; empty when they are."""
        if self._trouble:
            return self._trouble
        if not self._reachable:
            return "the event log cannot be reached"
        if self.checkpoint < self._target or self.lag > _LAG_MAX:
            return f"catching up: at log sequence {self.checkpoint} of {self._last}"
        if self._owed_since is not None and time.monotonic() - self._owed_since > _STILL_S:
            return f"standing still at log sequence {self.checkpoint} of {self._last}"
        return ""

    async def run(self) -> None:
        """Project for ever; trouble is logged, told by `unready_reason`, and tried again.

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
        if self._trouble != why:
            self._logger.warning("not_projecting", reason=why, checkpoint=self.checkpoint)
        self._trouble = why

    async def _project_stream(self) -> None:
        """Project until the stream changes, a batch fails, or the log is out of reach."""
        fold = await self._choose_resume_point()
        arrived = _Arrivals(2)
        folded: asyncio.Queue[_FoldedBatch] = asyncio.Queue(1)
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
            (progress.stream_created, progress.sequence) if progress else None,
            created=state.created,
            first_sequence=state.first_sequence,
            last_sequence=state.last_sequence,
        )
        self._last = self._target = state.last_sequence
        if progress is not None and not point.rebuild:
            self._rebuilding = _BROKEN_OFF if progress.sequence < progress.anew_to else ""
            self._set_checkpoint(progress.sequence)
        if point.missing:
            raise MissingError(point.missing)
        if point.rebuild:
            tell = self._logger.warning if progress else self._logger.info
            tell("rebuilding", reason=point.rebuild, upto=state.last_sequence)
            self._metrics.rebuilds.inc()
            self._trouble = f"rebuilding: {point.rebuild}"
            self._rebuilding = point.rebuild
            self.checkpoint = 0
            await self._in_thread(lambda: self._ledger.begin_anew(state.created, self._target))
        remembered = await self._in_thread(self._ledger.read_remembered)
        fold = RowFold(remembered, point.after)
        if not remembered.numbers and state.first_sequence <= point.after:
            start = max(0, point.after - NUMBERS_WITHIN)
            async for batch in self._log.read_range(_EVERYTHING, start, point.after):
                recover_numbers(fold, batch)
        self._created = state.created
        self._set_checkpoint(point.after)
        self._logger.info("projecting", checkpoint=point.after, upto=state.last_sequence)
        if self.checkpoint >= self._target:
            self._trouble = ""
        return fold

    async def _read_log(self, arrived: _Arrivals) -> None:
        async for batch in self._log.follow_from([_EVERYTHING], self.checkpoint):
            self._last = max(self._last, batch[-1].sequence + batch[-1].pending)
            for piece in split_batch(batch):
                await arrived.put(piece)

    async def _watch_stream(self) -> None:
        """Look whether this is still the stream that is being projected."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            if self._ledger.fault is not None:
                raise self._ledger.fault
            checkpoint = self.checkpoint
            try:
                state = await self._log.stream_state()
            except LogUnavailableError:
                self._reachable = False
                continue
            self._reachable = True
            self._last = max(self.checkpoint, state.last_sequence)
            if self.lag and self._owed_since is None:
                self._owed_since = time.monotonic()
            if state.created != self._created or state.last_sequence < checkpoint:
                raise _StreamChangedError("the log is another one, or went backwards")

    async def _fold_batches(
        self, fold: RowFold, arrived: _Arrivals, folded: "asyncio.Queue[_FoldedBatch]"
    ) -> None:
        """Fold one batch while the one before it is written; the first that fails is the last."""
        while True:
            stored = await _next_envelopes(arrived)
            try:
                batch = await asyncio.to_thread(fold_batch, fold, stored, self._log_set_aside)
            except FoldError as error:
                await folded.put(_FoldedBatch(stored, None, str(error)))
                await asyncio.Event().wait()
            else:
                await folded.put(_FoldedBatch(stored, batch))

    async def _write_batches(self, folded: "asyncio.Queue[_FoldedBatch]") -> None:
        """Write what was folded; a batch that is refused is sifted, and ends this."""
        while True:
            item = await folded.get()
            batch = item.batch
            if batch is None:
                await self._sift_batch(item.stored, item.trouble)
                raise _SiftedError
            started = time.perf_counter()
            try:
                rows = await self._in_thread(partial(self._ledger.write_batch, batch))
            except RowsRefusedError as error:
                await self._sift_batch(item.stored, str(error))
                raise _SiftedError from None
            self._metrics.count_batch(batch, rows, time.perf_counter() - started)
            self._set_checkpoint(batch.sequence)
            self._trouble = ""

    async def _sift_batch(self, stored: list[Stored], why: str) -> None:
        """Write what the store takes of a refused batch. Raises `StoreError` for none of it."""
        upto = stored[-1].sequence
        self._logger.error("batch_refused", after=self.checkpoint, upto=upto, reason=why)
        self._metrics.failures.inc()
        started = time.perf_counter()
        batch, rows = await self._in_thread(
            partial(sift_batch, self._ledger, self.checkpoint, stored)
        )
        seconds = time.perf_counter() - started
        self._metrics.count_batch(batch, rows, seconds)
        self._logger.warning("sifted", upto=upto, set_aside=batch.set_aside, seconds=seconds)
        self._set_checkpoint(batch.sequence)
        self._trouble = ""

    def _log_set_aside(self, sequence: int, error: str) -> None:
        self._logger.warning("envelope_set_aside", sequence=sequence, reason=error)

    def _set_checkpoint(self, sequence: int) -> None:
        self.checkpoint = sequence
        if sequence >= self._target:
            self._rebuilding = ""
        self._last = max(self._last, sequence)
        self._owed_since = time.monotonic() if self.lag else None
        self._metrics.checkpoint.set(sequence)
        self._metrics.lag.set(self.lag)

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

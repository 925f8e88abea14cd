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
from services.analytics.domain.fold import Batch, Fold
from services.analytics.domain.standing import standing
from services.analytics.folding import (
    NUMBERS_WITHIN,
    FoldError,
    MissingError,
    enough,
    folded,
    numbered,
    pieces,
)
from services.analytics.metrics import Metrics
from services.analytics.sifting import sifted
from services.analytics.store import Ledger, LostError, RefusedError, StoreError

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


class _Made(msgspec.Struct):
    """What is to be written next."""

    stored: list[Stored]
    batch: Batch | None
    """What the envelopes fold to; None when they do not, and why is in `trouble`."""
    trouble: str = ""


class _SiftedError(Exception):
    """A batch was sifted, so that the fold is no longer what the store has."""


class _StreamChangedError(Exception):
    """The stream no longer continues what is projected."""


class Projector:
    """One follower of the log, with the store's only writer thread."""

    def __init__(self, log: EventLog, ledger: Ledger, metrics: Metrics, logger: Log) -> None:
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
        return self.behind(self.checkpoint)

    def behind(self, sequence: int) -> int:
        """Count the messages known to be in the log behind this one."""
        return max(0, self._last - sequence)

    @property
    def rebuilding(self) -> str:
        """Say why figures would be too small, and how far they are; empty when they are whole."""
        if not self._rebuilding:
            return ""
        share = f" ({self.checkpoint / self._target:.0%})" if self._target else ""
        return (
            f"the figures are being made anew: at log sequence {self.checkpoint} of"
            f" {self._target}{share}; {self._rebuilding}"
        )

    def readiness(self) -> str:
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
        """Project for ever; trouble is logged, told by `readiness`, and tried again.

        Raises `LostError` when the file must be opened again, or put aside.
        """
        while True:
            try:
                await self._project()
            except _SiftedError:
                continue
            except LogUnavailableError as error:
                self._stuck(f"the event log cannot be reached: {error}")
            except (_StreamChangedError, MissingError) as error:
                self._stuck(str(error))
            except LostError:
                raise
            except StoreError as error:
                self._metrics.failures.inc()
                self._stuck(f"the store cannot be written: {error}")
            await asyncio.sleep(_AGAIN_S)

    async def close(self) -> None:
        """Wait for the batch that is being written."""
        await asyncio.to_thread(self._thread.shutdown)

    def _stuck(self, why: str) -> None:
        if self._trouble != why:
            self._logger.warning("not_projecting", reason=why, checkpoint=self.checkpoint)
        self._trouble = why

    async def _project(self) -> None:
        """Project until the stream changes, a batch fails, or the log is out of reach."""
        fold = await self._take_stand()
        arrived: asyncio.Queue[list[Stored]] = asyncio.Queue(2)
        made: asyncio.Queue[_Made] = asyncio.Queue(1)
        await until_stopped(
            asyncio.Event(),
            self._read(arrived),
            self._watch(),
            self._fold_batches(fold, arrived, made),
            self._write_batches(made),
        )

    async def _take_stand(self) -> Fold:
        """Compare checkpoint and stream; rebuild or refuse. Raises `MissingError`."""
        state = await self._log.stream_state()
        known = await self._in_thread(self._ledger.progress)
        found = standing(
            (known.stream_created, known.sequence) if known else None,
            created=state.created,
            first_sequence=state.first_sequence,
            last_sequence=state.last_sequence,
        )
        self._last = self._target = state.last_sequence
        if known is not None and not found.rebuild:
            self._rebuilding = _BROKEN_OFF if known.sequence < known.anew_to else ""
            self._saw_checkpoint(known.sequence)
        if found.missing:
            raise MissingError(found.missing)
        if found.rebuild:
            tell = self._logger.warning if known else self._logger.info
            tell("rebuilding", reason=found.rebuild, upto=state.last_sequence)
            self._metrics.rebuilds.inc()
            self._trouble = f"rebuilding: {found.rebuild}"
            self._rebuilding = found.rebuild
            self.checkpoint = 0
            await self._in_thread(lambda: self._ledger.begin(state.created, state.last_sequence))
        remembered = await self._in_thread(self._ledger.remember)
        fold = Fold(remembered, found.after)
        if not remembered.numbers and state.first_sequence <= found.after:
            begin = max(0, found.after - NUMBERS_WITHIN)
            async for batch in self._log.read_range(_EVERYTHING, begin, found.after):
                numbered(fold, batch)
        self._created = state.created
        self._saw_checkpoint(found.after)
        self._logger.info("projecting", checkpoint=found.after, upto=state.last_sequence)
        if self.checkpoint >= self._target:
            self._trouble = ""
        return fold

    async def _read(self, arrived: "asyncio.Queue[list[Stored]]") -> None:
        async for batch in self._log.follow_from([_EVERYTHING], self.checkpoint):
            self._last = max(self._last, batch[-1].sequence + batch[-1].pending)
            for piece in pieces(batch):
                await arrived.put(piece)

    async def _watch(self) -> None:
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
        self, fold: Fold, arrived: "asyncio.Queue[list[Stored]]", made: "asyncio.Queue[_Made]"
    ) -> None:
        """Fold one batch while the one before it is written; the first that fails is the last."""
        while True:
            stored = await _gathered(arrived)
            try:
                batch = await asyncio.to_thread(folded, fold, stored, self._unreadable)
            except FoldError as error:
                await made.put(_Made(stored, None, str(error)))
                await asyncio.Event().wait()
            else:
                await made.put(_Made(stored, batch))

    async def _write_batches(self, made: "asyncio.Queue[_Made]") -> None:
        while True:
            next_one = await made.get()
            batch = next_one.batch
            if batch is None:
                await self._sift(next_one.stored, next_one.trouble)
                raise _SiftedError
            started = time.perf_counter()
            try:
                rows = await self._in_thread(partial(self._ledger.write, batch))
            except RefusedError as error:
                await self._sift(next_one.stored, str(error))
                raise _SiftedError from None
            self._metrics.wrote(batch, rows, time.perf_counter() - started)
            self._saw_checkpoint(batch.sequence)
            self._trouble = ""

    async def _sift(self, stored: list[Stored], why: str) -> None:
        """Write what the store takes of a refused batch. Raises `StoreError` for none of it."""
        upto = stored[-1].sequence
        self._logger.error("batch_refused", after=self.checkpoint, upto=upto, reason=why)
        self._metrics.failures.inc()
        started = time.perf_counter()
        batch, rows = await self._in_thread(partial(sifted, self._ledger, self.checkpoint, stored))
        seconds = time.perf_counter() - started
        self._metrics.wrote(batch, rows, seconds)
        self._logger.warning("sifted", upto=upto, set_aside=batch.set_aside, seconds=seconds)
        self._saw_checkpoint(batch.sequence)
        self._trouble = ""

    def _unreadable(self, sequence: int, error: str) -> None:
        self._logger.warning("envelope_set_aside", sequence=sequence, reason=error)

    def _saw_checkpoint(self, sequence: int) -> None:
        self.checkpoint = sequence
        if sequence >= self._target:
            self._rebuilding = ""
        self._last = max(self._last, sequence)
        self._owed_since = time.monotonic() if self.lag else None
        self._metrics.checkpoint.set(sequence)
        self._metrics.lag.set(self.lag)

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _gathered(arrived: "asyncio.Queue[list[Stored]]") -> list[Stored]:
    """Take envelopes until there are enough, or the first has waited long enough."""
    batch = list(await arrived.get())
    size = sum(len(stored.body) for stored in batch)
    deadline = asyncio.get_running_loop().time() + _LINGER_S
    while not enough(len(batch), size):
        try:
            async with asyncio.timeout_at(deadline):
                more = await arrived.get()
        except TimeoutError:
            break
        batch += more
        size += sum(len(stored.body) for stored in more)
    return batch

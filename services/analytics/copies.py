"""The projections in a file beside the running one: made for a backup, bound to a restored log.

Whoever reads the log from its beginning anyway has a `Copy` hear it: what comes of it stands at
exactly the sequence where the reading ended, and the running file is not touched. A `ReturnedCopy`
is asked as analytics would be, and goes on behind its checkpoint in another life of the
stream, once somebody has proved that this one continues the same log.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.analytics import NamedQuery, Rows
from contracts.base import Failed
from runtime.eventlog import Stored
from services.analytics.domain.fold import RowFold
from services.analytics.domain.standing import sequence_gap
from services.analytics.folding import (
    FoldError,
    MissingError,
    fold_batch,
    is_full_batch,
    spare_the_collector,
)
from services.analytics.queries import Catalogue
from services.analytics.sifting import sift_batch
from services.analytics.store import (
    Database,
    LedgerWriter,
    QuestionError,
    Readers,
    RowsRefusedError,
    StoreError,
)

_ROWS_MAX = 10_000
_TIMEOUT_S = 600.0
"""Of a question to a returned copy: nobody else waits for it."""


class Copy:
    """A file that is being projected."""

    def __init__(
        self, path: Path, memory_bytes: int, *, stream_created: str, first_sequence: int
    ) -> None:
        """Make the file. Raises `StoreError`."""
        self.missing = sequence_gap(0, max(first_sequence, 1))
        """What the log lacks, so that it cannot be projected; None if nothing."""
        self.failed: str | None = None
        """Why DuckDB could not write it; None if it could."""
        self._database = Database(path, memory_bytes)
        self._ledger = LedgerWriter(self._database)
        self._ledger.begin_anew(stream_created)
        self._fold = RowFold()
        self._waiting: list[Stored] = []
        self._size = 0
        self._thread = ThreadPoolExecutor(1, "copy")
        self._writing: asyncio.Future[None] | None = None
        spare_the_collector()

    async def hear_envelope(self, stored: Stored) -> None:
        """Take the next envelope; in vain when `missing` or `failed` says why."""
        if self.missing or self.failed:
            return
        self._waiting.append(stored)
        self._size += len(stored.body)
        if is_full_batch(len(self._waiting), self._size):
            await self._hand_over()

    async def write_rest(self) -> None:
        """Write what was heard, all of it into the one file."""
        await self._hand_over()
        await self._await_writing()
        try:
            await asyncio.to_thread(self._database.force_checkpoint)
        except StoreError as error:
            self.failed = self.failed or str(error)

    async def close(self) -> None:
        """Let go of the file, finished or not."""
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._database.close)

    async def _hand_over(self) -> None:
        """Have a batch written while the next one arrives; of two, the first is waited for."""
        await self._await_writing()
        assert self._writing is None, "one batch is written at a time"
        batch, self._waiting, self._size = self._waiting, [], 0
        if batch and not self.missing and not self.failed:
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(self._thread, self._write_batch, batch)

    async def _await_writing(self) -> None:
        if self._writing is not None:
            await self._writing
            self._writing = None

    def _write_batch(self, batch: list[Stored]) -> None:
        after = self._fold.sequence
        try:
            try:
                self._ledger.write_batch(fold_batch(self._fold, batch, _ignore_envelope))
            except (FoldError, RowsRefusedError):
                sifted = sift_batch(self._ledger, after, batch)
                # The old fold has what the file does not: it is made anew from the file.
                self._fold = RowFold(self._ledger.read_remembered(), sifted.batch.sequence)
        except MissingError as error:
            self.missing = str(error)
        except StoreError as error:
            self.failed = str(error)


class ReturnedCopy:
    """A file that came back."""

    def __init__(self, path: Path, memory_bytes: int) -> None:
        """Open it. Raises `StoreError` when this version cannot."""
        self._database = Database(path, memory_bytes)
        self._ledger = LedgerWriter(self._database)
        self._readers = Readers(self._database, lambda: datetime.now(UTC), _TIMEOUT_S)
        self._catalogue = Catalogue()

    @property
    def sequence(self) -> int:
        """How far the log is in it; -1 when it does not say."""
        progress = self._ledger.read_progress()
        return progress.sequence if progress else -1

    async def ask_query(self, name: str, **parameters: Any) -> Rows:
        """Answer a named query, as analytics would. Raises `QuestionError`."""
        question = self._catalogue.as_question(NamedQuery(name=name, parameters=parameters))
        if isinstance(question, Failed):
            raise QuestionError(question.message)
        result = await asyncio.to_thread(
            self._readers.ask_rows, question.sql, _ROWS_MAX, question.parameters
        )
        return Rows(
            columns=result.columns,
            rows=result.rows,
            truncated=result.truncated,
            sequence=result.sequence,
        )

    def bind_stream(self, stream_created: str) -> None:
        """Say which life of the stream it goes on with. Raises `StoreError`."""
        self._ledger.bind_stream(stream_created)
        self._database.force_checkpoint()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _ignore_envelope(sequence: int, error: str) -> None:
    """Say nothing of an envelope that is none: whoever proves the log names it."""

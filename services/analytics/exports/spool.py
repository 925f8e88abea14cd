"""The files of exports: a bounded number, each written once, read in parts, soon forgotten."""

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pyarrow as pa

from contracts.analytics import (
    DropExport,
    ExportDropped,
    ExportPart,
    ExportStarted,
    FetchExport,
    FileFormat,
    StartExport,
)
from contracts.base import Failed
from runtime.process.logs import Log
from runtime.texts import as_quoted
from services.analytics.exports import files
from services.analytics.queries import Catalogue, StoreQuestion
from services.analytics.store import QuestionError, Readers

_WRITING_MAX = 2
_FILES_MAX = 8
_PART_BYTES = 256 * 1024
"""A reader of 5 kB/s asks often enough not to be forgotten."""
_FORGOTTEN_S = 60.0


class ExportBounds(msgspec.Struct, frozen=True):
    """How great an export may be, and how long its question may take."""

    rows_max: int
    bytes_max: int
    timeout_s: float


class _File(msgspec.Struct):
    """One export; `failed` or `size` once it is written."""

    path: Path
    asked_at: float
    size: int | None = None
    failed: Failed | None = None
    rows: int = 0
    truncated: bool = False
    sequence: int = 0


class _TooLongError(Exception):
    """The file outgrew its bound."""


class ExportSpool:
    """Every export there is; any thread may ask."""

    def __init__(
        self,
        folder: Path,
        readers: Readers,
        catalogue: Catalogue,
        bounds: ExportBounds,
        logger: Log,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with an empty folder: what an earlier life left there belongs to nobody."""
        self.bounds = bounds
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        self._folder = folder
        self._readers = readers
        self._catalogue = catalogue
        self._logger = logger
        self._monotonic = monotonic
        self._files: dict[str, _File] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_WRITING_MAX, "export")

    def answer_command(
        self, command: StartExport | FetchExport | DropExport
    ) -> ExportStarted | ExportPart | ExportDropped | Failed:
        """Start, fetch or drop a file; those that nobody asks for any more go first."""
        self.forget_idle()
        if isinstance(command, StartExport):
            return self._start_export(command)
        if isinstance(command, FetchExport):
            return self._fetch_part(command)
        return self._drop_export(command)

    def forget_idle(self) -> None:
        """Drop what nobody has asked for in a while."""
        before = self._monotonic() - _FORGOTTEN_S
        with self._lock:
            idle = [
                name
                for name, file in self._files.items()
                if file.asked_at < before and (file.size is not None or file.failed is not None)
            ]
        for name in idle:
            self._logger.info("export_forgotten", export_id=name)
            self._drop_export(DropExport(export_id=name))

    def close(self) -> None:
        """Wait for what is being written, and leave nothing behind."""
        self._threads.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start_export(self, wanted: StartExport) -> ExportStarted | Failed:
        question = self._catalogue.as_question(wanted.question)
        if isinstance(question, Failed):
            return question
        name = secrets.token_hex(8)
        file = _File(self._folder / f"{name}.{wanted.format}", self._monotonic())
        with self._lock:
            if len(self._files) >= _FILES_MAX:
                message = f"{_FILES_MAX} exports are under way already; try again soon"
                return Failed(code="ledger_unavailable", message=message)
            self._files[name] = file
        self._threads.submit(self._write_export, name, file, question, wanted.format)
        return ExportStarted(export_id=name)

    def _fetch_part(self, wanted: FetchExport) -> ExportPart | Failed:
        """Read one part of a file; an empty one while it is being written."""
        with self._lock:
            file = self._files.get(wanted.export_id)
            if file is None:
                message = (
                    f"there is no export {as_quoted(wanted.export_id)}: it was dropped or forgotten"
                )
                return Failed(code="not_found", message=message)
            file.asked_at = self._monotonic()
        if file.failed is not None or file.size is None:
            return file.failed or ExportPart()
        try:
            with file.path.open("rb") as opened:
                opened.seek(wanted.offset)
                content = opened.read(_PART_BYTES)
        except OSError as error:
            return Failed(code="internal", message=f"the export cannot be read: {error.strerror}")
        return ExportPart(
            content=content,
            size=file.size,
            rows=file.rows,
            truncated=file.truncated,
            sequence=file.sequence,
        )

    def _drop_export(self, wanted: DropExport) -> ExportDropped:
        with self._lock:
            file = self._files.pop(wanted.export_id, None)
        if file is not None:
            file.path.unlink(missing_ok=True)
        return ExportDropped()

    def _write_export(
        self, name: str, file: _File, question: StoreQuestion, form: FileFormat
    ) -> None:
        """Write a file from its first row to its last; in a thread of the spool's."""
        bounds = self.bounds
        rows_max = min(bounds.rows_max, files.XLSX_ROWS_MAX) if form == "xlsx" else bounds.rows_max
        try:
            with self._readers.open_stream(
                question.sql, bounds.timeout_s, question.parameters
            ) as stream:
                batches = self._within_bounds(name, file, stream.batches, rows_max)
                files.write_file(form, file.path, stream.schema, batches)
                file.sequence = stream.sequence
            size = file.path.stat().st_size
        except QuestionError as error:
            file.failed = Failed(code="bad_request", message=str(error))
        except _TooLongError:
            message = f"the file grows over {bounds.bytes_max} bytes: ask for less"
            file.failed = Failed(code="bad_request", message=message)
        except Exception as error:  # whoever waits for the file must hear of it
            self._logger.exception("export_failed", export_id=name)
            file.failed = Failed(code="internal", message=type(error).__name__)
        else:
            # Last: who reads without the lock takes a file that has a size for whole.
            file.size = size
            self._logger.info("export_written", export_id=name, bytes=size, rows=file.rows)
        # Dropped while it was written: nobody else would remove what has just been finished.
        with self._lock:
            dropped = name not in self._files
        if dropped or file.failed is not None:
            file.path.unlink(missing_ok=True)

    def _within_bounds(
        self, name: str, file: _File, batches: Iterable[pa.RecordBatch], rows_max: int
    ) -> Iterator[pa.RecordBatch]:
        """Let batches through up to the bounds, and as long as somebody wants them."""
        for batch in batches:
            room = rows_max - file.rows
            if len(batch) > room:
                file.truncated = True
                batch = batch.slice(0, room)  # noqa: PLW2901 (the cut batch is the batch)
            file.rows += len(batch)
            assert file.rows <= rows_max
            if len(batch):
                yield batch
            grown = file.path.stat().st_size if file.path.exists() else 0
            if grown > self.bounds.bytes_max or name not in self._files:
                raise _TooLongError
            if file.truncated:
                return

"""Strangers' SQL: when the file is copied, which child answers, one question at a time.

A copy is made on a question, when something was committed since the last one and that is older
than two seconds and than ten times what copying took: so copies cost ingest a tenth of its time
at the most. Before it, the child lets go of the old one: two files lie on the disk, never three.
"""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from runtime.clock import Clock
from runtime.process.logs import Log
from services.analytics.metrics import Metrics
from services.analytics.reading.statement import OutOfMemoryError, QueryResult, QuestionError
from services.analytics.sandbox.process import DeadlineError, EndedError, SqlChild
from services.analytics.sandbox.words import OpenCopy, SqlAnswer, SqlQuestion
from services.analytics.store import Database, StoreError

_COPY = "copy.duckdb"
_COPY_AGE_MIN_S = 2.0
_COPY_AGE_FACTOR = 10
_OPEN_TIMEOUT_S = 15.0
"""A cold start takes 0.2 s, with 64 MB of write-ahead log about one."""
_IDLE_S = 300.0
_FREE_MIN = 256 * 10**6
"""Disk that a copy leaves free: the log and the projections need it more."""


class UnavailableError(Exception):
    """SQL cannot be answered now, whatever the question; the message says why."""


class SqlBounds(msgspec.Struct, frozen=True):
    """How long a question may take, and how great an address space its process may have."""

    timeout_s: float
    memory_bytes: int


class _Copy(msgspec.Struct, frozen=True):
    """A copy of the file: after how many commits, made when, in what time."""

    commits: int
    made_at: float
    took_s: float


class Sandbox:
    """The one place where strangers' SQL is run; one thread asks, any may close."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        clock: Clock,
        bounds: SqlBounds,
        metrics: Metrics,
        logger: Log,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with an empty folder: what an earlier life left there serves nobody."""
        self.bounds = bounds
        self._database = database
        self._folder = folder
        self._path = folder / _COPY
        self._clock = clock
        self._metrics = metrics
        self._logger = logger
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._copy: _Copy | None = None
        self._child: SqlChild | None = None
        self._closed = False
        self._asked_at = monotonic()
        shutil.rmtree(folder, ignore_errors=True)

    def ask_statement(self, query: str, rows_max: int, bytes_max: int) -> QueryResult:
        """Answer one SELECT, with at most `rows_max` rows, and `bytes_max` of them as JSON.

        The rows stay JSON as the child wrote it: in this process they never become objects.

        Raises `QuestionError`, and `UnavailableError` when no question can be answered.
        """
        with self._lock:
            bounds = self.bounds
            child = self._ready_child(bounds)
            self._asked_at = self._monotonic()
            question = SqlQuestion(query, self._clock(), rows_max, bytes_max)
            try:
                answer, rows = child.ask_child(question, bounds.timeout_s)
            except DeadlineError:
                self._end_child("time")
                raise QuestionError(_time_message(bounds)) from None
            except EndedError as error:
                self._end_child("ended")
                if self._closed:
                    raise UnavailableError(_STOPPING) from None
                raise QuestionError(_end_message(bounds, str(error))) from None
            if answer.out_of_memory:
                # What is left of the address space is in pieces: the next one gets another.
                self._end_child("memory")
                raise OutOfMemoryError(_memory_message(bounds, answer.error.partition("\n")[0]))
        self._database.note_damage(answer.error)
        return _as_answer(answer, rows)

    def release_idle(self) -> None:
        """Let child and copy go when nobody has asked for five minutes."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._monotonic() - self._asked_at > _IDLE_S:
                self._drop_all()
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the child, also amid a question, and leave no copy behind."""
        # Without the lock, which a question holds as long as it takes.
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()
        with self._lock:
            self._drop_all()

    def _ready_child(self, bounds: SqlBounds) -> SqlChild:
        """Find the child with a copy that is new enough. Raises `UnavailableError`."""
        assert self._lock.locked(), "one question at a time"
        child = self._child
        if child is not None and not (child.alive and child.memory_bytes == bounds.memory_bytes):
            self._end_child("")
            child = None
        if child is not None and self._copy is not None and not self._is_stale(self._copy):
            return child
        if child is None:
            child = self._start_child(bounds)
        else:
            self._command_child(child, OpenCopy())
        if self._copy is None or self._is_stale(self._copy):
            # None while it is made: what fails halfway is no copy of before either.
            self._copy = None
            self._copy = self._make_copy()
        self._command_child(child, OpenCopy(str(self._path)))
        return child

    def _is_stale(self, copy: _Copy) -> bool:
        age = self._monotonic() - copy.made_at
        old = age > max(_COPY_AGE_MIN_S, _COPY_AGE_FACTOR * copy.took_s)
        return old and copy.commits != self._database.commits

    def _make_copy(self) -> _Copy:
        """Copy the file. Raises `UnavailableError`."""
        self._clear_files()
        started = self._monotonic()
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            size = self._database.file_size()
            free = shutil.disk_usage(self._folder).free
            if free < size + _FREE_MIN:
                raise UnavailableError(
                    f"SQL is asked of a copy, which needs {(size + _FREE_MIN) / 1e9:.2f} GB of"
                    f" disk; {free / 1e9:.2f} GB are free"
                )
            commits = self._database.copy_file(self._path)
        except (OSError, StoreError) as error:
            self._clear_files()
            raise UnavailableError(f"the file cannot be copied for SQL: {error}") from None
        ended = self._monotonic()
        self._metrics.sql_copy_seconds.observe(ended - started)
        return _Copy(commits, ended, ended - started)

    def _clear_files(self, name: str = _COPY) -> None:
        """Remove the copy, its log and what was spilled beside it, or one of them."""
        for path in self._folder.glob(f"{name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _start_child(self, bounds: SqlBounds) -> SqlChild:
        if self._closed:
            raise UnavailableError(_STOPPING)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._child = SqlChild(bounds.memory_bytes, self._folder / "stderr")
        except OSError as error:
            raise UnavailableError(f"the process for SQL cannot be started: {error}") from None
        if self._closed:  # while it was made: who closes has not seen it
            raise UnavailableError(_STOPPING)
        return self._child

    def _command_child(self, child: SqlChild, command: OpenCopy) -> None:
        """Have the child open or close a copy. Raises `UnavailableError`."""
        try:
            answer, _ = child.ask_child(command, _OPEN_TIMEOUT_S)
            why = answer.error
        except DeadlineError:
            why = f"it took more than {_OPEN_TIMEOUT_S:g} s"
        except EndedError as error:
            why = f"its process ended {error}"
        if why:
            self._database.note_damage(why)
            self._end_child("ended")
            self._logger.warning("sql_not_opened", reason=why)
            raise UnavailableError(
                f"the copy for SQL cannot be opened: {why} ([analytics] sql_memory ="
                f" {_size_text(child.memory_bytes)})"
            )

    def _end_child(self, why: str) -> None:
        """Take leave of the child; the copy stays for the next one."""
        if self._child is not None:
            self._child.end_process()
            self._child = None
            self._clear_files(f"{_COPY}.tmp")
        if why:
            self._metrics.sql_killed.labels(why).inc()

    def _drop_all(self) -> None:
        assert self._lock.locked(), "nobody asks what is being dropped"
        self._end_child("")
        self._copy = None
        shutil.rmtree(self._folder, ignore_errors=True)


_STOPPING = "analytics is stopping"


def _as_answer(answer: SqlAnswer, rows: bytes) -> QueryResult:
    if answer.error:
        raise QuestionError(answer.error)
    return QueryResult(
        columns=answer.columns,
        rows=[msgspec.Raw(line) for line in rows.split(b"\n")] if rows else [],
        truncated=answer.truncated,
        sequence=answer.sequence,
    )


def _time_message(bounds: SqlBounds) -> str:
    return (
        f"interrupted after {bounds.timeout_s:g} s: expected a question that takes less"
        " ([analytics] sql_timeout)"
    )


def _memory_message(bounds: SqlBounds, how: str) -> str:
    return (
        f"out of memory: expected a question that needs less than {_size_text(bounds.memory_bytes)}"
        f" ([analytics] sql_memory), of which DuckDB may take half: {how}"
    )


def _end_message(bounds: SqlBounds, how: str) -> str:
    return (
        f"its process ended {how}, as a rule for want of memory: expected a question that needs"
        f" less than {_size_text(bounds.memory_bytes)} ([analytics] sql_memory)"
    )


def _size_text(size: int) -> str:
    return f"{size / 1e9:g} GB"

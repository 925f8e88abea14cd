"""Questions of ours: on a locked-down cursor, read only, bounded in time, memory and rows."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb

from runtime.clock import Clock
from services.analytics.reading.statement import (
    OutOfMemoryError,
    QueryResult,
    QuestionError,
    Stream,
    open_select,
)
from services.analytics.reading.values import rows_of
from services.analytics.store.database import Database


class Readers:
    """Asks the database; every question has a cursor of its own, so any thread may ask.

    For questions of ours alone: `interrupt` does not stop every function, and DuckDB's bound of
    memory not every value. A stranger's go to the sandbox.
    """

    def __init__(self, database: Database, clock: Clock, timeout_s: float) -> None:
        """Interrupt a question after `timeout_s`."""
        self.timeout_s = timeout_s
        self._database = database
        self._clock = clock

    def ask_rows(
        self, query: str, rows_max: int, parameters: Mapping[str, Any] | None = None
    ) -> QueryResult:
        """Answer one SELECT, with at most `rows_max` rows. Raises `QuestionError`."""
        with self.open_stream(query, self.timeout_s, parameters) as stream:
            rows: list[list[Any]] = []
            for batch in stream.batches:
                rows += rows_of(batch)
                if len(rows) > rows_max:
                    break
        return QueryResult(
            columns=list(stream.schema.names),
            rows=rows[:rows_max],
            truncated=len(rows) > rows_max,
            sequence=stream.sequence,
        )

    @contextmanager
    def open_stream(
        self, query: str, timeout_s: float, parameters: Mapping[str, Any] | None = None
    ) -> Iterator[Stream]:
        """Open one SELECT as a stream, for so long at most. Raises `QuestionError`."""
        cursor = self._database.cursor()
        bell = threading.Timer(timeout_s, cursor.interrupt)
        bell.start()
        try:
            with open_select(cursor, query, self._clock(), parameters) as stream:
                yield stream
        except duckdb.InterruptException:
            raise QuestionError(
                f"interrupted after {timeout_s:g} s: expected a question that takes less"
            ) from None
        except QuestionError as error:
            self._database.note_damage(str(error))
            if not isinstance(error, OutOfMemoryError):
                raise
            raise QuestionError(
                "out of memory: expected a question that needs less than [analytics] memory"
                f" ({self._database.memory_bytes / 1e9:g} GB): {str(error).partition(chr(10))[0]}"
            ) from None
        finally:
            bell.cancel()
            cursor.close()

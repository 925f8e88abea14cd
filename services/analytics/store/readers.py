"""Questions: one SELECT on a locked-down cursor, read only, bounded in time, memory and rows.

What each bound stops (trap 30): `extract_statements` a second statement, the statement's type
everything that is no SELECT, the read-only transaction a SELECT that writes, the locked
configuration files, attachments, extensions and settings, `interrupt` endless work.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from runtime.clock import Clock
from services.analytics.store.database import Database

_ROWS_AT_ONCE = 1024
_EXACT_MAX = 2**53


class QuestionError(Exception):
    """A question that is refused or failed; the message says why, for whoever asked."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, true at log sequence `sequence`; rows are safe for JSON."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    sequence: int


class Stream(msgspec.Struct, frozen=True):
    """An answer being read, batch by batch; true at log sequence `sequence`."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    sequence: int


class Readers:
    """Asks the database; every question has a cursor of its own, so any thread may ask."""

    def __init__(self, database: Database, clock: Clock, timeout_s: float) -> None:
        """Interrupt a question after `timeout_s`."""
        self.timeout_s = timeout_s
        self._database = database
        self._clock = clock

    def ask(self, query: str, rows_max: int, parameters: Mapping[str, Any] | None = None) -> Found:
        """Answer one SELECT, with at most `rows_max` rows. Raises `QuestionError`."""
        with self.opened(query, self.timeout_s, parameters) as stream:
            rows: list[list[Any]] = []
            for batch in stream.batches:
                rows += rows_of(batch)
                if len(rows) > rows_max:
                    break
        return Found(
            columns=list(stream.schema.names),
            rows=rows[:rows_max],
            truncated=len(rows) > rows_max,
            sequence=stream.sequence,
        )

    @contextmanager
    def opened(
        self, query: str, timeout_s: float, parameters: Mapping[str, Any] | None = None
    ) -> Iterator[Stream]:
        """Open one SELECT as a stream, for so long at most. Raises `QuestionError`."""
        cursor = self._database.cursor()
        bell = threading.Timer(timeout_s, cursor.interrupt)
        try:
            _check(cursor, query)
            cursor.execute("set variable now = ?::timestamp", [self._clock().replace(tzinfo=None)])
            bell.start()
            with _read_only(cursor):
                yield from _streamed(cursor, query, parameters)
        except duckdb.InterruptException:
            raise QuestionError(
                f"interrupted after {timeout_s:g} s: expected a question that takes less"
            ) from None
        except (duckdb.Error, pa.ArrowException, ValueError, OverflowError) as error:
            # The last two: an instant that Python's calendar does not reach.
            raise QuestionError(str(error)) from None
        finally:
            bell.cancel()
            cursor.close()


def _check(cursor: duckdb.DuckDBPyConnection, query: str) -> None:
    """Refuse all but exactly one statement that selects."""
    statements = cursor.extract_statements(query)
    if len(statements) != 1:
        raise QuestionError(f"expected exactly one SELECT statement, got {len(statements)}")
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        raise QuestionError(f"expected a SELECT statement, got {kind.name}")


@contextmanager
def _read_only(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    cursor.execute("begin transaction read only")
    try:
        yield
    finally:
        cursor.execute("rollback")


def _streamed(
    cursor: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None
) -> Iterator[Stream]:
    checkpoint = cursor.execute("from ledger.progress select sequence").fetchall()
    relation = cursor.sql(query, params=dict(parameters)) if parameters else cursor.sql(query)
    reader = relation.to_arrow_reader(_ROWS_AT_ONCE)
    try:
        yield Stream(reader.schema, reader, checkpoint[0][0] if checkpoint else 0)
    finally:
        reader.close()


def rows_of(batch: pa.RecordBatch) -> list[list[Any]]:
    """Turn a batch into rows of values safe for JSON."""
    columns = [[safe(value) for value in column.to_pylist()] for column in batch.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def safe(value: Any) -> Any:
    """Turn a value of DuckDB into one that JSON can carry.

    Instants, dates and times are ISO 8601, instants in UTC with `Z`; whole decimals are
    integers, others floats, those too great for either are text; intervals are ISO 8601
    durations; bytes are hexadecimal; NaN and infinities are null.
    """
    for kinds, made in _SAFE:
        if isinstance(value, kinds):
            return made(value)
    return str(value)


def _instant(value: datetime) -> str:
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def _duration(value: Any) -> str:
    return f"P{value.months}M{value.days}DT{value.nanoseconds / 1e9:g}S"


def _number(value: float | Decimal) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Decimal) and value != value.to_integral_value():
        return float(value)
    whole = int(value)
    return whole if abs(whole) <= _EXACT_MAX else str(whole)


_SAFE: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((type(None), bool, str), lambda value: value),
    ((int, float, Decimal), _number),
    ((datetime,), _instant),
    ((date, time), lambda value: value.isoformat()),
    ((pa.MonthDayNano,), _duration),
    ((bytes, bytearray), lambda value: value.hex()),
    ((dict,), lambda value: {str(key): safe(inner) for key, inner in value.items()}),
    ((list, tuple), lambda value: [safe(inner) for inner in value]),
)
"""The first that fits decides: a bool is an int, a datetime is a date."""

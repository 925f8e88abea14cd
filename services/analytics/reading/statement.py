"""One SELECT on a locked-down connection, read only, as a stream of Arrow.

What each bound stops: `extract_statements` a second statement, the statement's type
everything that is no SELECT, the read-only transaction a SELECT that writes, the locked
configuration files, attachments, extensions and settings. Time and memory are bounded by
whoever asks: a question of ours by `interrupt`, one of a stranger's in a process of its own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from services.analytics.reading.exacttext import as_exact_text

LOCKS = (
    "set enable_external_access = false",
    "set autoinstall_known_extensions = false",
    "set autoload_known_extensions = false",
    "set python_enable_replacements = false",
    "set allow_community_extensions = false",
    "set global TimeZone = 'UTC'",
    "set lock_configuration = true",
)
"""What is done to every file before anybody asks it; the last one locks the others."""
_ROWS_AT_ONCE = 1024
_OUT_OF_MEMORY = re.compile(r"out of memory|bad.alloc", re.IGNORECASE)
TOO_DEEP = "expected lists, structs and maps at most 60 deep in one another: cast them to text"
_TOO_DEEP = "Recursion level"
"""How Arrow says it: 64 are its bound."""
_INTERRUPTED = "INTERRUPT Error"
"""How DuckDB says it through an Arrow stream, which knows no errors but its own."""


class QuestionError(Exception):
    """A question that is refused or failed; the message says why, for whoever asked."""


class OutOfMemoryError(QuestionError):
    """A question that needs more memory than it may have."""


class QueryResult(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, true at log sequence `sequence`; rows are safe for JSON."""

    columns: list[str]
    rows: list[Any]
    """Each a list of values; of strangers' SQL each is JSON already (`msgspec.Raw`)."""
    truncated: bool
    sequence: int


class Stream(msgspec.Struct, frozen=True):
    """An answer being read, batch by batch; true at log sequence `sequence`."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    sequence: int


@contextmanager
def open_select(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    now: datetime,
    parameters: Mapping[str, Any] | None = None,
    *,
    as_text: bool = False,
) -> Iterator[Stream]:
    """Open one SELECT as a stream; the variable `now` is `now`, in UTC.

    `as_text`: what Arrow does not carry as DuckDB means it comes as text.

    Raises `QuestionError` for whatever DuckDB refuses but an interruption, which is the caller's.
    """
    try:
        _check_select(connection, query)
        connection.execute("set variable now = ?::timestamp", [now.replace(tzinfo=None)])
        with _read_only_transaction(connection):
            yield from _open_stream(connection, query, parameters, as_text=as_text)
    except duckdb.InterruptException:
        raise
    except (duckdb.OutOfMemoryException, pa.ArrowMemoryError, MemoryError) as error:
        raise OutOfMemoryError(str(error)) from None
    except RecursionError:
        raise QuestionError(TOO_DEEP) from None
    except (duckdb.Error, pa.ArrowException, ValueError, OverflowError) as error:
        # The last two: an instant that Python's calendar does not reach.
        if _TOO_DEEP in str(error):
            raise QuestionError(TOO_DEEP) from None
        kind = OutOfMemoryError if _OUT_OF_MEMORY.search(str(error)) else QuestionError
        raise kind(str(error)) from None


def _check_select(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Refuse all but exactly one statement that selects."""
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        raise QuestionError(f"expected exactly one SELECT statement, got {len(statements)}")
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        raise QuestionError(f"expected a SELECT statement, got {kind.name}")


@contextmanager
def _read_only_transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin transaction read only")
    try:
        yield
    finally:
        connection.execute("rollback")


def _open_stream(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Mapping[str, Any] | None,
    *,
    as_text: bool,
) -> Iterator[Stream]:
    checkpoint = connection.execute("from ledger.progress select sequence").fetchall()
    asked = connection.sql(query, params=dict(parameters)) if parameters else connection.sql(query)
    reader = (as_exact_text(asked) if as_text else asked).to_arrow_reader(_ROWS_AT_ONCE)
    try:
        yield Stream(reader.schema, _read_batches(reader), checkpoint[0][0] if checkpoint else 0)
    finally:
        reader.close()


def _read_batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Read on; what fails amid the stream is an `OSError` to Arrow, which is no disk's fault."""
    try:
        yield from reader
    except OSError as error:
        if str(error).startswith(_INTERRUPTED):
            raise duckdb.InterruptException(str(error)) from None
        raise duckdb.OperationalError(str(error)) from None

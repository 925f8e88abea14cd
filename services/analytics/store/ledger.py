"""The writer: rows, rollups and checkpoint of a batch in one transaction, through Arrow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args, get_type_hints

import duckdb
import msgspec
import pyarrow as pa

from services.analytics import sql
from services.analytics.domain.fold import Remembered, RowBatch
from services.analytics.domain.leases import DOUBTFUL_FOR_US
from services.analytics.domain.refusals import REPORTED_FOR_S
from services.analytics.domain.rows import (
    ConfigRow,
    KeyRow,
    LeaseRow,
    Moment,
    Row,
    ServerRow,
    SessionRow,
)
from services.analytics.domain.tables import ADDED, ROLLUPS, TABLES, Columns
from services.analytics.store.database import Database
from services.analytics.store.faults import LostError, RowsRefusedError

_Some = TypeVar("_Some", bound=Row)
_KEYS = {
    "leases": "lease_id",
    "open_leases": "lease_id",
    "sessions": "session_id",
    "servers": "server_id",
    "keys": "key_id",
    "config": "key",
}
"""Tables whose rows may be replaced, and by what."""
_CHANGED_BY = {
    "changed": ("leases", "open_leases", "refusals", "calls_refused", "peaks"),
    "usage_by_day": ("leases", "open_leases"),
    "session_activity": ("leases", "open_leases"),
    "server_days": ("attempts",),
    "days": ("leases", "open_leases", "refusals", "calls_refused", "peaks"),
    "unknown_tags": ("unknown_tags",),
}
"""The statements of `sql/rollups` in order, and what a batch must have to make them needful."""
_REPORTED = f"""
select name, epoch_us(ts) from (
    select request_id || '.' || number as name, ts from ledger.refusals where count = 1
    union all
    select concat_ws(' ', gateway_id, key_id, service_type, code, epoch_us(since)), ts
    from ledger.calls_refused where count > 0
)
where ts >= (
    select max(ts) from (
        from ledger.refusals select ts
        union all from ledger.calls_refused select ts
    )
) - interval {REPORTED_FOR_S} second
order by ts
"""  # noqa: S608
"""What was refused lately, by the names that the fold gives it."""
_ARROW = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    Moment: pa.timestamp("us"),
}


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The checkpoint: how far which life of the stream is in the file."""

    stream_created: str
    sequence: int
    events: int
    anew_to: int
    """How far a projection that began anew must come before its figures are whole."""


class LedgerWriter:
    """The one writer of the file."""

    def __init__(self, database: Database) -> None:
        """Write through the database's own connection."""
        self._database = database
        self._connection = database.writer
        self._shown: dict[str, pa.Table] = {}
        self._rollups = {source.name: source.sql for source in sql.sources_of("rollups")}

    @property
    def fault(self) -> LostError | None:
        """Why the file must be opened again, or put aside; None while it serves."""
        return self._database.fault

    def read_progress(self) -> Progress | None:
        """Read the checkpoint; None before the first batch. Raises `StoreError`."""
        query = "from ledger.progress select stream_created, sequence, events, anew_to"
        with self._reading_errors():
            rows = self._connection.execute(query).fetchall()
        for created, sequence, events, anew_to in rows:
            return Progress(
                stream_created=created, sequence=sequence, events=events, anew_to=anew_to
            )
        return None

    def begin_anew(self, stream_created: str, upto: int = 0) -> None:
        """Empty every table and start at the beginning of this life of the stream.

        Until it has the log `upto` there, its figures are too small.
        """
        with _Transaction(self._database):
            for table in {*TABLES, *ROLLUPS, "progress", "chains"} - {"peaks"}:
                self._connection.execute(f"delete from ledger.{table}")  # noqa: S608
            self._connection.execute(
                "insert into ledger.progress values (?, 0, 0, 0, ?, ?)",
                [stream_created, _utc_now(), upto],
            )

    def bind_stream(self, stream_created: str) -> None:
        """Keep every row, and say that this life of the stream has them: it was restored."""
        with _Transaction(self._database):
            self._connection.execute(
                "update ledger.progress set stream_created = ?", [stream_created]
            )

    def write_batch(self, batch: RowBatch, *, rehearsed: bool = False) -> int:
        """Write a batch with its checkpoint, all or nothing; return the number of rows.

        One that is only rehearsed is taken back at the end. Raises `RowsRefusedError` when the file
        does not take its rows, `StoreError` when it can take none.
        """
        batch_tables, gone = _batch_tables(batch)
        self._show_tables(batch_tables, gone)
        with _Transaction(self._database, keep=not rehearsed):
            # First: they take away what the rows that go have added, so those must still be there.
            for rollup, tables in _CHANGED_BY.items():
                if batch_tables.keys() & set(tables):
                    self._roll_up(rollup)
            for table in gone:
                self._connection.execute(
                    f"delete from ledger.{table}"  # noqa: S608
                    f" where {_KEYS[table]} in (from gone_{table})"
                )
            # What is in `ADDED` has no rows of its own: the rollups have taken it in above.
            for table in batch_tables.keys() - ADDED.keys():
                self._connection.execute(f"insert into ledger.{table} by name from batch_{table}")
            if batch.numbers:
                self._connection.executemany(
                    "insert or replace into ledger.chains values (?, ?)", [*batch.numbers.items()]
                )
            self._connection.execute(
                "update ledger.progress set sequence = ?, envelopes = envelopes + ?,"
                " events = events + ?, written_at = ?",
                [batch.sequence, batch.envelopes, batch.events, _utc_now()],
            )
        return sum(table.num_rows for table in batch_tables.values())

    def read_remembered(self) -> Remembered:
        """Read back what a fold must know to go on from the checkpoint. Raises `StoreError`."""
        with self._reading_errors():
            return self._read_tables()

    @contextmanager
    def _reading_errors(self) -> Iterator[None]:
        """Read from the file; whatever keeps it from answering is of the file."""
        try:
            yield
        except duckdb.Error as error:
            raise self._database.note_failure(error) from None

    def _read_tables(self) -> Remembered:
        """Read the tables that a fold remembers."""
        newest = "(select max(ended_at) from ledger.leases)"
        doubtful = (
            "where outcome in ('unknown', 'expired') and correction <> 'reconciled'"
            f" and ended_at >= {newest} - to_microseconds({DOUBTFUL_FOR_US}) order by ended_at"
        )
        return Remembered(
            open_leases=self._read_rows("open_leases", LeaseRow),
            doubtful=self._read_rows("leases", LeaseRow, doubtful),
            sessions=self._read_rows("sessions", SessionRow),
            servers=self._read_rows("servers", ServerRow),
            keys=self._read_rows("keys", KeyRow),
            config=self._read_rows("config", ConfigRow),
            numbers=dict(
                self._connection.execute("from ledger.chains select subject, number").fetchall()
            ),
            reported=self._connection.execute(_REPORTED).fetchall(),
        )

    def _roll_up(self, rollup: str) -> None:
        try:
            self._connection.execute(self._rollups[rollup])
        except duckdb.Error as error:
            raise self._database.write_failure(error, f"{rollup}.sql: ") from error

    def _show_tables(self, tables: dict[str, pa.Table], gone: dict[str, pa.Table]) -> None:
        """Let SQL see a batch: `batch_<table>` and `gone_<table>`, empty where it has none."""
        views = {f"batch_{name}": tables.get(name, empty) for name, empty in _EMPTY.items()}
        views |= {f"gone_{name}": gone.get(name, _NONE_GONE) for name in _KEYS}
        for name, view in views.items():
            # Registering costs a millisecond, and most tables are empty in most batches.
            if self._shown.get(name) is not view:
                self._connection.register(name, view)
                self._shown[name] = view

    def _read_rows(self, table: str, kind: type[_Some], where: str = "") -> list[_Some]:
        names = ", ".join(_select_terms(kind))
        result = self._connection.execute(f"select {names} from ledger.{table} {where}")  # noqa: S608
        fields = kind.__struct_fields__
        return [kind(**dict(zip(fields, row, strict=True))) for row in result.fetchall()]


class _Transaction:
    """`begin`, then `commit`, or `rollback` when something was raised or nothing is to be kept.

    What DuckDB raises becomes a `RowsRefusedError` when it is of the rows, else a `StoreError`.
    """

    def __init__(self, database: Database, *, keep: bool = True) -> None:
        self._database = database
        self._connection = database.writer
        self._keep = keep

    def __enter__(self) -> None:
        try:
            self._connection.execute("begin")
        except duckdb.Error as failure:
            raise self._database.note_failure(failure) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        try:
            with self._database.committing():
                self._connection.execute("commit" if kind is None and self._keep else "rollback")
        except duckdb.Error as failure:
            raise self._database.write_failure(failure) from error
        if isinstance(error, duckdb.Error):
            raise self._database.write_failure(error) from error


def _plain_types(kind: type[Row]) -> dict[str, Any]:
    """Each field's plain type: `Moment | None` is a Moment."""
    hints = get_type_hints(kind)
    return {name: next(iter(get_args(hints[name])), hints[name]) for name in kind.__struct_fields__}


def _batch_tables(batch: RowBatch) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
    """Make the tables of a batch, and of what is gone. Raises `RowsRefusedError`."""
    try:
        tables = {name: _arrow_table(name, values) for name, values in batch.tables.items()}
        gone = {name: _key_table(keys) for name, keys in batch.gone.items()}
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise RowsRefusedError(str(error)) from None
    return tables, gone


_SCHEMAS = {
    kind: {name: _ARROW[plain] for name, plain in _plain_types(kind).items()}
    for kind in TABLES.values()
}


def _arrow_table(table: str, values: Columns) -> pa.Table:
    schema = _SCHEMAS[TABLES[table]]
    return pa.table({name: pa.array(column, schema[name]) for name, column in values.items()})


def _key_table(keys: Sequence[str]) -> pa.Table:
    return pa.table({"key": pa.array(keys, pa.string())})


_NONE_GONE = _key_table([])
_EMPTY = {
    table: _arrow_table(table, dict.fromkeys(kind.__struct_fields__, ()))
    for table, kind in TABLES.items()
}


def _select_terms(kind: type[Row]) -> list[str]:
    """Select each column as the row has it: microseconds, and days as text."""
    selected = []
    for name, plain in _plain_types(kind).items():
        if plain is Moment:
            selected.append(f"epoch_us({name})")
        elif name.endswith("day"):
            selected.append(f"{name}::varchar")
        else:
            selected.append(name)
    return selected


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)

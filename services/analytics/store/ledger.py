"""The writer: rows, rollups and checkpoint of a batch in one transaction, through Arrow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args, get_type_hints

import duckdb
import msgspec
import pyarrow as pa

from services.analytics import sql
from services.analytics.domain.fold import Batch, Remembered
from services.analytics.domain.leases import DOUBTFUL_FOR_US
from services.analytics.domain.refusals import TOLD_KEPT_S
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
from services.analytics.store.faults import LostError, RefusedError

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
_TOLD = f"""
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
) - interval {TOLD_KEPT_S} second
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


class Ledger:
    """The one writer of the file."""

    def __init__(self, database: Database) -> None:
        """Write through the database's own connection."""
        self._database = database
        self._connection = database.writer
        self._shown: dict[str, pa.Table] = {}
        self._rollups = {source.name: source.sql for source in sql.folder("rollups")}

    @property
    def fault(self) -> LostError | None:
        """Why the file must be opened again, or put aside; None while it serves."""
        return self._database.fault

    def progress(self) -> Progress | None:
        """Read the checkpoint; None before the first batch. Raises `StoreError`."""
        query = "from ledger.progress select stream_created, sequence, events, anew_to"
        with self._asked():
            found = self._connection.execute(query).fetchall()
        for created, sequence, events, anew_to in found:
            return Progress(
                stream_created=created, sequence=sequence, events=events, anew_to=anew_to
            )
        return None

    def begin(self, stream_created: str, upto: int = 0) -> None:
        """Empty every table and start at the beginning of this life of the stream.

        Until it has the log `upto` there, its figures are too small.
        """
        with _Transaction(self._database):
            for table in {*TABLES, *ROLLUPS, "progress", "chains"} - {"peaks"}:
                self._connection.execute(f"delete from ledger.{table}")  # noqa: S608
            self._connection.execute(
                "insert into ledger.progress values (?, 0, 0, 0, ?, ?)",
                [stream_created, _now(), upto],
            )

    def bind(self, stream_created: str) -> None:
        """Keep every row, and say that this life of the stream has them: it was restored."""
        with _Transaction(self._database):
            self._connection.execute(
                "update ledger.progress set stream_created = ?", [stream_created]
            )

    def write(self, batch: Batch, *, rehearsed: bool = False) -> int:
        """Write a batch with its checkpoint, all or nothing; return the number of rows.

        One that is only rehearsed is taken back at the end. Raises `RefusedError` when the file
        does not take its rows, `StoreError` when it can take none.
        """
        made, gone = _made(batch)
        self._show(made, gone)
        with _Transaction(self._database, keep=not rehearsed):
            for rollup, tables in _CHANGED_BY.items():
                if made.keys() & set(tables):
                    self._roll_up(rollup)
            for table in gone:
                self._connection.execute(
                    f"delete from ledger.{table}"  # noqa: S608
                    f" where {_KEYS[table]} in (from gone_{table})"
                )
            for table in made.keys() - ADDED.keys():
                self._connection.execute(f"insert into ledger.{table} by name from batch_{table}")
            if batch.numbers:
                self._connection.executemany(
                    "insert or replace into ledger.chains values (?, ?)", [*batch.numbers.items()]
                )
            self._connection.execute(
                "update ledger.progress set sequence = ?, envelopes = envelopes + ?,"
                " events = events + ?, written_at = ?",
                [batch.sequence, batch.envelopes, batch.events, _now()],
            )
        return sum(table.num_rows for table in made.values())

    def remember(self) -> Remembered:
        """Read back what a fold must know to go on from the checkpoint. Raises `StoreError`."""
        with self._asked():
            return self._remembered()

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Read from the file; whatever keeps it from answering is of the file."""
        try:
            yield
        except duckdb.Error as error:
            raise self._database.failed(error) from None

    def _remembered(self) -> Remembered:
        newest = "(select max(ended_at) from ledger.leases)"
        doubtful = (
            "where outcome in ('unknown', 'expired') and correction <> 'reconciled'"
            f" and ended_at >= {newest} - to_microseconds({DOUBTFUL_FOR_US}) order by ended_at"
        )
        return Remembered(
            open_leases=self._rows("open_leases", LeaseRow),
            doubtful=self._rows("leases", LeaseRow, doubtful),
            sessions=self._rows("sessions", SessionRow),
            servers=self._rows("servers", ServerRow),
            keys=self._rows("keys", KeyRow),
            config=self._rows("config", ConfigRow),
            numbers=dict(
                self._connection.execute("from ledger.chains select subject, number").fetchall()
            ),
            told=self._connection.execute(_TOLD).fetchall(),
        )

    def _roll_up(self, rollup: str) -> None:
        try:
            self._connection.execute(self._rollups[rollup])
        except duckdb.Error as error:
            raise self._database.unwritten(error, f"{rollup}.sql: ") from error

    def _show(self, made: dict[str, pa.Table], gone: dict[str, pa.Table]) -> None:
        """Let SQL see a batch: `batch_<table>` and `gone_<table>`, empty where it has none."""
        views = {f"batch_{name}": made.get(name, empty) for name, empty in _EMPTY.items()}
        views |= {f"gone_{name}": gone.get(name, _NONE_GONE) for name in _KEYS}
        for name, view in views.items():
            # Registering costs a millisecond, and most tables are empty in most batches.
            if self._shown.get(name) is not view:
                self._connection.register(name, view)
                self._shown[name] = view

    def _rows(self, table: str, kind: type[_Some], where: str = "") -> list[_Some]:
        names = ", ".join(_read_back(kind))
        found = self._connection.execute(f"select {names} from ledger.{table} {where}")  # noqa: S608
        fields = kind.__struct_fields__
        return [kind(**dict(zip(fields, row, strict=True))) for row in found.fetchall()]


class _Transaction:
    """`begin`, then `commit`, or `rollback` when something was raised or nothing is to be kept.

    What DuckDB raises becomes a `RefusedError` when it is of the rows, else a `StoreError`.
    """

    def __init__(self, database: Database, *, keep: bool = True) -> None:
        self._database = database
        self._connection = database.writer
        self._keep = keep

    def __enter__(self) -> None:
        try:
            self._connection.execute("begin")
        except duckdb.Error as failure:
            raise self._database.failed(failure) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        try:
            with self._database.committing():
                self._connection.execute("commit" if kind is None and self._keep else "rollback")
        except duckdb.Error as failure:
            raise self._database.unwritten(failure) from error
        if isinstance(error, duckdb.Error):
            raise self._database.unwritten(error) from error


def _types(kind: type[Row]) -> dict[str, Any]:
    """Each field's plain type: `Moment | None` is a Moment."""
    hints = get_type_hints(kind)
    return {name: next(iter(get_args(hints[name])), hints[name]) for name in kind.__struct_fields__}


def _made(batch: Batch) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
    """Make the tables of a batch, and of what is gone. Raises `RefusedError`."""
    try:
        made = {name: _arrow(name, values) for name, values in batch.tables.items()}
        gone = {name: _gone(keys) for name, keys in batch.gone.items()}
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise RefusedError(str(error)) from None
    return made, gone


_SCHEMAS = {
    kind: {name: _ARROW[plain] for name, plain in _types(kind).items()} for kind in TABLES.values()
}


def _arrow(table: str, values: Columns) -> pa.Table:
    schema = _SCHEMAS[TABLES[table]]
    return pa.table({name: pa.array(column, schema[name]) for name, column in values.items()})


def _gone(keys: Sequence[str]) -> pa.Table:
    return pa.table({"key": pa.array(keys, pa.string())})


_NONE_GONE = _gone([])
_EMPTY = {
    table: _arrow(table, dict.fromkeys(kind.__struct_fields__, ()))
    for table, kind in TABLES.items()
}


def _read_back(kind: type[Row]) -> list[str]:
    """Select each column as the row has it: microseconds, and days as text."""
    selected = []
    for name, plain in _types(kind).items():
        if plain is Moment:
            selected.append(f"epoch_us({name})")
        elif name.endswith("day"):
            selected.append(f"{name}::varchar")
        else:
            selected.append(name)
    return selected


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)

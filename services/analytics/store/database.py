"""Open the file: migrations once each and forward only, views anew, then lock the doors."""

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import duckdb

from services.analytics import sql
from services.analytics.domain.tables import ROLLUPS, TABLES
from services.analytics.reading.statement import LOCKS
from services.analytics.sql import Source
from services.analytics.store.faults import (
    OF_ROWS,
    LostError,
    RowsRefusedError,
    StoreError,
    opening_fault,
    reading_damage,
    working_fault,
)

_CHECKPOINTS = "set checkpoint_threshold = '64MB'"
_TABLES = sorted({*TABLES, *ROLLUPS, "progress", "chains"} - {"peaks"})


class Database:
    """The open file; `writer` belongs to one thread, every reader takes a `cursor` of its own."""

    def __init__(self, path: Path, memory_bytes: int) -> None:
        """Open or make the file, migrate, and lock it down.

        Raises `DamagedError` when it is none of ours any more, else `StoreError`.
        """
        self.memory_bytes = memory_bytes
        self.fault: LostError | None = None
        """Why the file must be opened again, or put aside; None while it serves."""
        self.commits = 0
        """How often something was committed since."""
        self._path = path
        self._log = path.with_name(f"{path.name}.wal")
        try:
            self._root = duckdb.connect(
                path,
                config={
                    "memory_limit": f"{memory_bytes}B",
                    "max_temp_directory_size": f"{memory_bytes}B",
                    # Else a file of another kind has DuckDB fetch what reads it.
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                },
            )
        except duckdb.Error as error:
            raise opening_fault(error) from None
        self._lock = threading.Lock()
        self._settling = threading.Lock()
        try:
            self.migrated = _apply_migrations(self._root)
            _make_macros(self._root)
            self.set_aside = _make_views(self._root) | _make_today(self._root)
            """Views that could not be made, and why."""
            for statement in (_CHECKPOINTS, *LOCKS):
                self._root.execute(statement)
            for table in _TABLES:
                self._root.execute(f"from ledger.{table} limit 0")
        except duckdb.Error as error:
            self._root.close()
            raise opening_fault(error) from None
        except BaseException:
            self._root.close()
            raise
        self.writer = self.cursor()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Open another connection to the file, as locked down as all."""
        with self._lock:
            return self._root.cursor()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Commit in here: nothing else writes what the file and its write-ahead log hold."""
        with self._settling:
            self.commits += 1
            yield

    def file_size(self) -> int:
        """Bytes of the file and its write-ahead log."""
        return sum(path.stat().st_size for path in (self._path, self._log) if path.exists())

    def copy_file(self, path: Path) -> int:
        """Copy the file and its write-ahead log, for another process; return `commits` of it.

        A commit waits meanwhile, and with it the checkpoint that comes of one: no byte that the
        copy must have is written until it has them all. A process of its own copies: DuckDB's lock
        of the file is lost when this one closes it a second time (fcntl(2)), and another could
        write it then. Raises `OSError`.
        """
        with self._settling:
            _copy_apart(self._path, path)
            if self._log.exists():
                _copy_apart(self._log, path.with_name(f"{path.name}.wal"))
            return self.commits

    def force_checkpoint(self) -> None:
        """Have everything in the one file, for whoever copies it. Raises `StoreError`."""
        try:
            with self.committing():
                self.writer.execute("force checkpoint")
        except duckdb.Error as error:
            raise self.note_failure(error) from None

    def note_failure(self, error: duckdb.Error) -> StoreError:
        """Name what the file does not do, and remember it when it will do nothing more."""
        named = working_fault(error)
        if isinstance(named, LostError):
            self.fault = self.fault or named
        return named

    def note_damage(self, message: str) -> None:
        """Remember damage, if a question failed by it, here or in a copy of the file."""
        self.fault = self.fault or reading_damage(message)

    def write_failure(self, error: duckdb.Error, where: str = "") -> StoreError:
        """Tell what the file cannot do at all from what it does not take of a batch."""
        kind = RowsRefusedError if isinstance(error, OF_ROWS) else type(self.note_failure(error))
        return kind(f"{where}{error}")

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        with self._settling, suppress(duckdb.Error):  # one that is lost is folded no more
            self.writer.close()
            self._root.close()


def _copy_apart(source: Path, target: Path) -> None:
    """Copy a file in a process of its own. Raises `OSError`."""
    words = ["cp", "--", str(source), str(target)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise OSError(done.stderr.strip() or f"cp ended with {done.returncode}")


def _apply_migrations(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Apply the schema files not yet recorded, each with its record in one transaction."""
    connection.execute("create schema if not exists ledger")
    connection.execute(
        "create table if not exists ledger.migrations"
        " (name varchar primary key, applied_at timestamp)"
    )
    done = {name for (name,) in connection.execute("from ledger.migrations select name").fetchall()}
    migrations = sql.sources_of("schema")
    later = sorted(done - {source.name for source in migrations})
    if later:
        raise StoreError(
            f"the file was written by a later version (it has {', '.join(later)});"
            " use that version, or remove the file: it is rebuilt from the log"
        )
    missing = [source for source in migrations if source.name not in done]
    for source in missing:
        try:
            connection.execute("begin")
            connection.execute(source.sql)
            connection.execute(
                "insert into ledger.migrations values (?, now() at time zone 'UTC')", [source.name]
            )
            connection.execute("commit")
        except duckdb.Error as error:
            kind = type(opening_fault(error))
            raise kind(f"{source.name}.sql: {error}") from None
    return [source.name for source in missing]


def _make_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every macro anew. Raises `StoreError`."""
    for source in sql.sources_of("macros"):
        try:
            connection.execute(f'create or replace macro "{source.name}" {source.sql}')
        except duckdb.Error as error:
            raise StoreError(f"{source.name}.sql: {error}") from None


def _make_views(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Make every view anew, those it stands on before it, and drop those without a file.

    One that DuckDB does not take is left out, and so are those that stand on it: the reasons.
    """
    views = {source.name: source for source in sql.sources_of("views")}
    order = _dependency_order(views)
    existing = "select view_name from duckdb_views() where schema_name = 'main' and not internal"
    there = connection.execute(existing).fetchall()
    refused: dict[str, str] = {}
    while True:
        connection.execute("begin")
        for (name,) in there:
            connection.execute(f'drop view "{name}"')
        for name in order:
            try:
                connection.execute(f'create view "{name}" as {views[name].sql}')
            except duckdb.Error as error:
                refused[name] = str(error)
                break
        else:
            connection.execute("commit")
            return refused
        connection.execute("rollback")
        order.remove(name)


def _dependency_order(views: dict[str, Source]) -> list[str]:
    """Put each view behind those it stands on; in a circle none can be."""
    stands_on = {
        name: _selected_names(source) & views.keys() - {name} for name, source in views.items()
    }
    try:
        return list(TopologicalSorter(stands_on).static_order())
    except CycleError:
        return sorted(views)


def _make_today(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Let `current_date` and `today()` be the quota day, as in every view, whatever the zone.

    Without the view that they stand on they are DuckDB's own, and that is told.
    """
    refused = {}
    for name in ("current_date", "today"):
        macro = f'create or replace macro main."{name}"() as (select day from main.today)'  # noqa: S608
        try:
            connection.execute(macro)
        except duckdb.Error as error:
            refused[name] = str(error)
    return refused


def _selected_names(source: Source) -> set[str]:
    """What a statement selects from, but for the tables of a named schema."""
    return set(re.findall(r"\b(?:from|join)\s+(\w+)\b(?!\.)", source.sql))

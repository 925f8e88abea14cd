"""Open the file: migrations once each and forward only, views anew, then lock the doors."""

import re
import threading
from graphlib import TopologicalSorter
from pathlib import Path

import duckdb

from services.analytics import sql
from services.analytics.sql import Source

_LOCKS = (
    "set checkpoint_threshold = '64MB'",
    "set enable_external_access = false",
    "set autoinstall_known_extensions = false",
    "set autoload_known_extensions = false",
    "set python_enable_replacements = false",
    "set allow_community_extensions = false",
    "set global TimeZone = 'UTC'",
    "set lock_configuration = true",
)


class StoreError(Exception):
    """The file cannot be used: another process has it, or a later version wrote it."""


class Database:
    """The open file; `writer` belongs to one thread, every reader takes a `cursor` of its own."""

    def __init__(self, path: Path, memory_bytes: int) -> None:
        """Open or make the file, migrate, and lock it down. Raises `StoreError`."""
        try:
            self._root = duckdb.connect(
                path,
                config={
                    "memory_limit": f"{memory_bytes}B",
                    "max_temp_directory_size": f"{memory_bytes}B",
                },
            )
        except (duckdb.IOException, duckdb.SerializationException) as error:
            raise StoreError(f"{path}: {error}") from None
        self._lock = threading.Lock()
        try:
            self.migrated = _migrate(self._root)
            _make_views(self._root)
            _make_today(self._root)
            for statement in _LOCKS:
                self._root.execute(statement)
        except BaseException:
            self._root.close()
            raise
        self.writer = self.cursor()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Open another connection to the file, as locked down as all."""
        with self._lock:
            return self._root.cursor()

    def settle(self) -> None:
        """Have everything in the one file, for whoever copies it. Raises `StoreError`."""
        try:
            self.writer.execute("force checkpoint")
        except duckdb.Error as error:
            raise StoreError(str(error)) from None

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        self.writer.close()
        self._root.close()


def _migrate(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Apply the schema files not yet recorded, each with its record in one transaction."""
    connection.execute("create schema if not exists ledger")
    connection.execute(
        "create table if not exists ledger.migrations"
        " (name varchar primary key, applied_at timestamp)"
    )
    done = {name for (name,) in connection.execute("from ledger.migrations select name").fetchall()}
    known = sql.folder("schema")
    later = sorted(done - {source.name for source in known})
    if later:
        raise StoreError(
            f"the file was written by a later version (it has {', '.join(later)});"
            " use that version, or remove the file: it is rebuilt from the log"
        )
    missing = [source for source in known if source.name not in done]
    for source in missing:
        connection.execute("begin")
        connection.execute(source.sql)
        connection.execute(
            "insert into ledger.migrations values (?, now() at time zone 'UTC')", [source.name]
        )
        connection.execute("commit")
    return [source.name for source in missing]


def _make_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every view anew, those it stands on before it, and drop those without a file."""
    views = {source.name: source for source in sql.folder("views")}
    connection.execute("begin")
    found = "select view_name from duckdb_views() where schema_name = 'main' and not internal"
    for (name,) in connection.execute(found).fetchall():
        connection.execute(f'drop view "{name}"')
    stands_on = {name: _sources(source) & views.keys() - {name} for name, source in views.items()}
    for name in TopologicalSorter(stands_on).static_order():
        connection.execute(f'create view "{name}" as {views[name].sql}')
    connection.execute("commit")


def _make_today(connection: duckdb.DuckDBPyConnection) -> None:
    """Let `current_date` and `today()` be the quota day, as in every view, whatever the zone."""
    for name in ("current_date", "today"):
        macro = f'create or replace macro main."{name}"() as (select day from main.today)'  # noqa: S608
        connection.execute(macro)


def _sources(source: Source) -> set[str]:
    """What a statement selects from, but for the tables of a named schema."""
    return set(re.findall(r"\b(?:from|join)\s+(\w+)\b(?!\.)", source.sql))

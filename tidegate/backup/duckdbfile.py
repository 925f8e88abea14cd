"""DuckDB's file as a part of a backup: projected while the log is proved, held against it, put in.

The file can always be made again from a log that is whole, so nothing that is wrong with it
costs a backup its log (ADR 20).
"""

import asyncio
import fcntl
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from runtime.environment import Environment, Home
from runtime.eventlog import StreamState
from runtime.settings import SettingsError
from services.analytics.copies import Copy, ReturnedCopy
from services.analytics.settings import AnalyticsSection, Settings
from services.analytics.store import QuestionError, StoreError
from tidegate.backup import bundle
from tidegate.backup.bundle import Bundle
from tidegate.configuration import settings_loader
from tidegate.console.errors import CommandError
from tidegate.ledger import projections
from tidegate.ledger.trial import Trial

_FOLDER = "restoring-duckdb"
_WITHOUT = "; --without-duckdb restores the rest, and analytics makes it anew from the log"


def duckdb_memory(environment: Environment) -> int:
    """What DuckDB may hold; a configuration that is refused is no reason to have no backup."""
    try:
        return settings_loader(environment, Settings)().analytics.memory
    except SettingsError:
        return AnalyticsSection().memory


@asynccontextmanager
async def copy_of_log(
    path: Path, memory_bytes: int, state: StreamState, first: int
) -> AsyncIterator[Copy]:
    """Make a copy that hears the log from `first`; it is finished when the reading is.

    Without a log that is whole, or when DuckDB failed, no file is left. Raises `StoreError` when
    it cannot even be begun.
    """
    copy = Copy(path, memory_bytes, stream_created=state.created, first_sequence=first)
    try:
        yield copy
        await copy.write_rest()
    finally:
        await copy.close()
    if copy.missing or copy.failed:
        await asyncio.to_thread(path.unlink)


def analytics_home(environment: Environment, homes: Path | None) -> Home:
    """Find where analytics looks for its file: here, or in its own home of several.

    Raises `SettingsError` when it has none there.
    """
    if homes is None:
        return environment.home
    if not (homes / "analytics").is_dir():
        raise SettingsError(
            f"--homes: expected a folder with the home of analytics in it, {homes} has none"
        )
    return Home(homes / "analytics")


@contextmanager
def unpack_file(taken: Bundle, place: Home) -> Iterator[Path | None]:
    """Write the file into a folder of its own on the disk it is for, gone at the end.

    None when the backup has no such part.
    """
    if bundle.DUCKDB not in taken.part_names():
        yield None
        return
    folder = place.path / _FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    path = folder / bundle.DUCKDB
    try:
        path.touch(mode=0o600)
        with taken.open_part(bundle.DUCKDB) as source, path.open("wb") as file:
            shutil.copyfileobj(source, file)
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def in_the_way(place: Home) -> list[Path]:
    """Name the file that a home has already. Raises `CommandError` when somebody has it open."""
    log = place.duckdb.with_name(place.duckdb.name + ".wal")
    existing = [path for path in (place.duckdb, log) if path.exists()]
    if place.duckdb in existing:
        with place.duckdb.open("rb+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CommandError(
                    f"{place.duckdb}: a process has it open; stop analytics first"
                ) from None
    return existing


@contextmanager
def open_file(path: Path, memory_bytes: int, sequence: int) -> Iterator[ReturnedCopy]:
    """Open a file that is said to stand at `sequence`.

    Raises `CommandError` when this version cannot read it, or it stands elsewhere.
    """
    try:
        file = ReturnedCopy(path, memory_bytes)
    except StoreError as error:
        raise CommandError(f"{bundle.DUCKDB}: {error}{_WITHOUT}") from None
    try:
        if file.sequence != sequence:
            raise CommandError(
                f"{bundle.DUCKDB} stands at sequence {file.sequence} of the log, the backup at"
                f" {sequence}{_WITHOUT}"
            )
        yield file
    finally:
        file.close()


async def compare_totals(file: ReturnedCopy, trial: Trial) -> None:
    """Hold its totals against those of a trial that has heard its log.

    Raises `CommandError` with the first difference.
    """
    heard = len(trial.findings)
    try:
        totals = await projections.read_totals(file.ask_query)
        await projections.check_totals(file.ask_query, trial, totals)
    except QuestionError as error:
        raise CommandError(f"{bundle.DUCKDB} cannot be asked: {error}{_WITHOUT}") from None
    if differences := trial.findings[heard:]:
        first, *others = differences
        raise CommandError(
            f"{bundle.DUCKDB} is not what the log says: session {first.about}: {first.message}"
            f" ({len(others)} more){_WITHOUT}"
        )

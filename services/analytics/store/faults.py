"""What DuckDB raises of its file, sorted by what helps; a damaged one is put aside by name.

StoreError            the file cannot be used as it is: another process has it, the disk is full
├─ RowsRefusedError   it can be used, but not with these rows in it
└─ LostError          DuckDB gave up on the open file: it is to be opened again
   └─ DamagedError    the file is not what was written: it is put aside, and made anew from the log
"""

import re
from datetime import datetime
from pathlib import Path

import duckdb

PUT_ASIDE = ".damaged-"
"""Stands between the name of a file that was put aside and when that was."""
OF_ROWS = (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException)
"""What DuckDB raises of the values it is given; all else is of itself, its file or its memory."""
_KEPT_MAX = 3
"""Files that were put aside and are kept: the newest."""
_NOT_THE_FILE = re.compile(
    r"Conflicting lock|No space left|Too many open files|Cannot allocate|Read-only file system"
    r"|database file with version number",
    re.IGNORECASE,
)
"""Why an intact file is not opened: somebody has it, there is no room, a later DuckDB wrote it."""
_DAMAGE = re.compile(
    r"Corrupt (database|WAL) file|data may be corrupt|Could not read enough bytes"
    r"|not a valid DuckDB database file"
)
_READ_DAMAGE = re.compile(
    r"(IO Error: )?Corrupt database file: computed checksum \d+ does not match stored checksum"
)


class StoreError(Exception):
    """The file cannot be used: another process has it, or a later version wrote it."""


class RowsRefusedError(StoreError):
    """The file can be used, but not with these rows in it."""


class LostError(StoreError):
    """DuckDB does nothing more with the open file; opened again, it may."""


class DamagedError(LostError):
    """The file is damaged, or is none of ours; whatever is in it, the log has it too."""


def opening_fault(error: duckdb.Error) -> StoreError:
    """Name what keeps a file from being opened: damage, unless something else is known."""
    intact = isinstance(error, duckdb.OutOfMemoryException) or _NOT_THE_FILE.search(str(error))
    return StoreError(str(error)) if intact else DamagedError(str(error))


def working_fault(error: duckdb.Error) -> StoreError:
    """Name what an open file does not do."""
    text = str(error)
    if _NOT_THE_FILE.search(text):
        return StoreError(text)
    if _DAMAGE.search(text):
        return DamagedError(text)
    if isinstance(error, duckdb.FatalException) or "database has been invalidated" in text:
        return LostError(text)
    return StoreError(text)


def reading_damage(message: str) -> DamagedError | None:
    """Find the damage in what a question failed by; its own words are no proof of any."""
    return DamagedError(message) if _READ_DAMAGE.match(message) else None


def put_file_aside(path: Path, now: datetime) -> Path:
    """Give a damaged file, and its write-ahead log, other names; return the file's.

    Only the newest three are kept. Raises `StoreError` when that cannot be done.
    """
    aside = path.with_name(f"{path.name}{PUT_ASIDE}{now:%Y%m%dT%H%M%S.%fZ}")
    log = path.with_name(f"{path.name}.wal")
    try:
        # The log first: without it the file is as damaged, and a new one must not find it.
        if log.exists():
            log.rename(aside.with_name(f"{aside.name}.wal"))
        path.rename(aside)
        for old in files_aside(path)[:-_KEPT_MAX]:
            if old.is_file():
                old.unlink()
                old.with_name(f"{old.name}.wal").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} is damaged and cannot be put aside: {error}") from None
    return aside


def put_file_back(path: Path, aside: Path) -> None:
    """Have what was put aside stand in the place of what was made anew. Raises `StoreError`."""
    try:
        for ending in (".wal", ""):
            new, old = (file.with_name(f"{file.name}{ending}") for file in (path, aside))
            new.unlink(missing_ok=True)
            if old.exists() or old.is_symlink():
                old.rename(new)
    except OSError as error:
        raise StoreError(f"{aside} cannot be put back: {error}") from None


def files_aside(path: Path) -> list[Path]:
    """List what was put aside of a file, the oldest first, without write-ahead logs."""
    candidates = path.parent.glob(f"{path.name}{PUT_ASIDE}*")
    return sorted(aside for aside in candidates if aside.suffix != ".wal")

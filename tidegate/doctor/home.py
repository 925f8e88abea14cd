"""What lies on this machine: configuration, home, keys, disk."""

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runtime.credentials import credentials_in, report_good
from runtime.environment import Environment
from runtime.nats.streams import free_bytes
from runtime.settings import SettingsError
from services.analytics.store.faults import there
from tidegate.configuration import CREDENTIALS, TOKEN, files, load
from tidegate.doctor.findings import Finding, fine, note, unchecked, wrong
from tidegate.stack.home.files import KEYS, PASSWORDS, VARIABLE_OF, restored

_OTHERS = 0o077
_FREE_MIN = 256 * 10**6
_RECENT = timedelta(days=1)
_GB = 10**9


def looked_at(found: Environment) -> Iterator[Finding]:
    """Look at everything that needs no NATS."""
    yield from _configuration(found)
    yield from _home(found)
    yield from _keys(found)
    yield from _disk(found)
    yield from _copy(found)
    yield from _damaged(found)


def _configuration(found: Environment) -> Iterator[Finding]:
    area = "configuration"
    try:
        read = load(found)
    except SettingsError as error:
        yield wrong(area, "configuration_wrong", str(error))
        return
    yield fine(area, str(found.config) if found.config else "the defaults")
    there = files(found, read)
    if CREDENTIALS in there:
        yield _credentials(there[CREDENTIALS], read.services)
    if TOKEN in there and not there[TOKEN].is_file():
        yield unchecked("sessions", f"{there[TOKEN]}: the hook's token is not there")


def _credentials(path: Path, services: Collection[str]) -> Finding:
    """Read the provisioner's file as the pool does."""
    try:
        lines = list(credentials_in(path.read_bytes(), services))
    except OSError as error:
        return unchecked("sessions", f"{path}: cannot be read from here ({error.strerror})")
    refused = report_good(lines)
    if refused:
        return wrong("sessions", "credentials_refused", f"{path}, {refused}")
    return fine("sessions", f"{path}: {len(lines)} credentials")


def _home(found: Environment) -> Iterator[Finding]:
    area, path = "home", found.home.path
    if not path.is_dir():
        yield wrong(area, "home_missing", f"{path} is not there")
        return
    if path.stat().st_mode & _OTHERS:
        yield wrong(area, "home_mode", f"{path} can be entered by others")
    else:
        yield fine(area, str(path))
    if (mark := restored(found.home)) is None:
        return
    told = f"goes on from a backup of {mark.taken_at:%Y-%m-%d %H:%M} UTC, sequence {mark.sequence}"
    if datetime.now(UTC) - mark.restored_at < _RECENT:
        yield note(area, "restored_recently", f"{told}: what was granted after it is not in it")
    else:
        yield fine(area, told)


def _keys(found: Environment) -> Iterator[Finding]:
    if not found.home.path.is_dir():
        return
    absent = []
    for name in (*KEYS, *PASSWORDS):
        variable = VARIABLE_OF.get(name, "")
        if variable and (os.environ.get(variable) or os.environ.get(f"{variable}_FILE")):
            yield fine("keys", f"{name}: given by {variable}")
            continue
        path = found.home.path / name
        if path.exists():
            yield _mode(path)
        else:
            absent.append(name)
    # A container holds the secrets of one service: then the others are nobody's loss.
    alone = len(absent) == len(KEYS) + len(PASSWORDS)
    for name in absent:
        other = alone or name in PASSWORDS or (found.nats_url is not None)
        message = f"{name} is not in {found.home.path}"
        yield unchecked("keys", message) if other else wrong("keys", "key_missing", message)


def _mode(path: Path) -> Finding:
    mode = path.stat().st_mode & 0o777
    if mode & _OTHERS:
        return wrong("keys", "key_mode", f"{path}: mode {mode:04o}, expected 0600")
    return fine("keys", f"{path.name}: mode {mode:04o}")


def _disk(found: Environment) -> Iterator[Finding]:
    path = found.home.path
    if not path.is_dir():
        return
    free = free_bytes(path)
    if free < _FREE_MIN:
        yield wrong("disk", "disk_full", f"{free / _GB:.2f} GB are free under {path}")
        return
    yield fine("disk", f"{free / _GB:.1f} GB are free, the home takes {_taken(path) / _GB:.2f} GB")


def _copy(found: Environment) -> Iterator[Finding]:
    """Look for room for the copy that SQL is asked of; one that is there gives way to the next."""
    file = found.home.duckdb
    if not file.exists():
        return
    size = _taken(file) + _taken(file.with_name(f"{file.name}.wal"))
    free = free_bytes(found.home.path) + _taken(found.home.sql)
    if free < size + _FREE_MIN:
        message = (
            f"SQL is asked of a copy of {file.name}, for which {(size + _FREE_MIN) / _GB:.2f} GB"
            f" must be free; {free / _GB:.2f} GB are"
        )
        yield wrong("disk", "sql_disk_small", message)
    else:
        yield fine("disk", f"there is room for a copy of {file.name} ({size / _GB:.2f} GB)")


def _damaged(found: Environment) -> Iterator[Finding]:
    """Look for what analytics put aside because it was damaged."""
    aside = there(found.home.duckdb)
    if aside:
        names = ", ".join(path.name for path in aside)
        message = f"{found.home.duckdb.name} was damaged, and was made anew: {names}"
        yield note("analytics", "analytics_damaged", message)


def _taken(path: Path) -> int:
    """Add up a file, or what lies in a folder; a file may go while it is counted."""
    taken = 0
    for file in (path, *path.rglob("*")):
        with suppress(OSError):
            taken += file.lstat().st_size
    return taken

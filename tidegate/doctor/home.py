"""What lies on this machine: configuration, home, keys, disk."""

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runtime.credentials import credentials_fault, credentials_in
from runtime.environment import Environment
from runtime.nats.streams import free_bytes
from runtime.process.findings import DoctorFinding, fine, note, unchecked, wrong
from runtime.secrets import EXPECTED_KEY, master_keys, strange_keys
from runtime.settings import SettingsError
from runtime.texts import count_phrase
from services.analytics.store.faults import files_aside
from services.balancer.settings import unnameable_servers
from tidegate.configuration import CREDENTIALS, TOKEN, load_configuration, named_files
from tidegate.stack.home.files import KEYS, MASTER_KEY, PASSWORDS, VARIABLE_OF, restore_mark

_OTHERS = 0o077
_FREE_MIN = 256 * 10**6
_RECENT = timedelta(days=1)
_GB = 10**9


def home_findings(environment: Environment) -> Iterator[DoctorFinding]:
    """Look at everything that needs no NATS."""
    yield from _configuration_findings(environment)
    yield from _folder_findings(environment)
    yield from _key_findings(environment)
    yield from _disk_findings(environment)
    yield from _copy_findings(environment)
    yield from _damage_findings(environment)


def _configuration_findings(environment: Environment) -> Iterator[DoctorFinding]:
    """Read the configuration, and look for the files that it names."""
    area = "configuration"
    try:
        read = load_configuration(environment)
    except SettingsError as error:
        yield wrong(area, "configuration_wrong", str(error))
        return
    yield fine(area, str(environment.config) if environment.config else "the defaults")
    if odd := unnameable_servers(read.servers):
        yield note(area, "server_id_unnameable", odd)
    there = named_files(environment, read)
    if CREDENTIALS in there:
        yield _credentials_finding(environment, there[CREDENTIALS], read.services)
    if TOKEN in there and not there[TOKEN].is_file():
        yield _absent_finding(environment, f"{there[TOKEN]}: the hook's token is not there")


def _credentials_finding(
    environment: Environment, path: Path, services: Collection[str]
) -> DoctorFinding:
    """Read the provisioner's file as the pool does."""
    try:
        lines = list(credentials_in(path.read_bytes(), services))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        message = f"{path}: the credentials are not there ({error.strerror})"
        return _absent_finding(environment, message)
    except OSError as error:
        return unchecked("sessions", f"{path}: cannot be read from here ({error.strerror})")
    fault = credentials_fault(lines)
    if fault:
        return wrong("sessions", "credentials_refused", f"{path}, {fault}")
    return fine("sessions", f"{path}: {count_phrase(len(lines), 'credential')}")


def _absent_finding(environment: Environment, message: str) -> DoctorFinding:
    """Judge that a file which the configuration names is not here.

    In a container, whose home has no keys, the path is that of another one: the pool's.
    """
    if environment.home.master_key.exists():
        return wrong("sessions", "provisioner_file_missing", message)
    return unchecked("sessions", message)


def _folder_findings(environment: Environment) -> Iterator[DoctorFinding]:
    """Look at the folder: whether it is there, whose it is, whether it was restored."""
    area, path = "home", environment.home.path
    if not path.is_dir():
        yield wrong(area, "home_missing", f"{path} is not there")
        return
    if path.stat().st_mode & _OTHERS:
        yield wrong(area, "home_mode", f"{path} can be entered by others")
    else:
        yield fine(area, str(path))
    if (mark := restore_mark(environment.home)) is None:
        return
    origin = (
        f"goes on from a backup of {mark.taken_at:%Y-%m-%d %H:%M} UTC, sequence {mark.sequence}"
    )
    if datetime.now(UTC) - mark.restored_at < _RECENT:
        yield note(area, "restored_recently", f"{origin}: what was granted after it is not in it")
    else:
        yield fine(area, origin)


def _key_findings(environment: Environment) -> Iterator[DoctorFinding]:
    """Look for every key and password of the home, and who may read it."""
    if not environment.home.path.is_dir():
        return
    absent = []
    for name in (*KEYS, *PASSWORDS):
        variable = VARIABLE_OF.get(name, "")
        if variable and (os.environ.get(variable) or os.environ.get(f"{variable}_FILE")):
            yield fine("keys", f"{name}: given by {variable}")
            continue
        path = environment.home.path / name
        if path.exists():
            yield _mode_finding(path)
            yield from _text_findings(name, path)
        else:
            absent.append(name)
    # A container holds the secrets of one service: then the others are nobody's loss.
    alone = len(absent) == len(KEYS) + len(PASSWORDS)
    for name in absent:
        other = alone or name in PASSWORDS or (environment.nats_url is not None)
        message = f"{name} is not in {environment.home.path}"
        yield unchecked("keys", message) if other else wrong("keys", "key_missing", message)


def _text_findings(name: str, path: Path) -> Iterator[DoctorFinding]:
    """Look into a key's file: whether there is a key, and a master key that Tidegate made."""
    with suppress(OSError, UnicodeError):  # whose mode is wrong, that is told already
        text = path.read_text()
        keys = master_keys(text) if name == MASTER_KEY else text.split()
        if not keys:
            yield wrong("keys", "key_empty", f"{path}: expected a key, there is none in it")
        if name != MASTER_KEY:
            return
        for place in strange_keys(text).values():
            message = f"{place} of {path} was not made by Tidegate: {EXPECTED_KEY}"
            if len(keys) == 1:
                yield note("keys", "master_key_chosen", message)
            else:
                yield wrong("keys", "master_key_stray", message)


def _mode_finding(path: Path) -> DoctorFinding:
    mode = path.stat().st_mode & 0o777
    if mode & _OTHERS:
        return wrong("keys", "key_mode", f"{path}: mode {mode:04o}, expected 0600")
    return fine("keys", f"{path.name}: mode {mode:04o}")


def _disk_findings(environment: Environment) -> Iterator[DoctorFinding]:
    path = environment.home.path
    if not path.is_dir():
        return
    free = free_bytes(path)
    if free < _FREE_MIN:
        yield wrong("disk", "disk_full", f"{free / _GB:.2f} GB are free under {path}")
        return
    yield fine(
        "disk", f"{free / _GB:.1f} GB are free, the home takes {_bytes_taken(path) / _GB:.2f} GB"
    )


def _copy_findings(environment: Environment) -> Iterator[DoctorFinding]:
    """Look for room for the copy that SQL is asked of; one that is there gives way to the next."""
    file = environment.home.duckdb
    if not file.exists():
        return
    size = _bytes_taken(file) + _bytes_taken(file.with_name(f"{file.name}.wal"))
    free = free_bytes(environment.home.path) + _bytes_taken(environment.home.sql)
    if free < size + _FREE_MIN:
        message = (
            f"SQL is asked of a copy of {file.name}, for which {(size + _FREE_MIN) / _GB:.2f} GB"
            f" must be free; {free / _GB:.2f} GB are"
        )
        yield wrong("disk", "sql_disk_small", message)
    else:
        yield fine("disk", f"there is room for a copy of {file.name} ({size / _GB:.2f} GB)")


def _damage_findings(environment: Environment) -> Iterator[DoctorFinding]:
    """Look for what analytics put aside because it was damaged."""
    aside = files_aside(environment.home.duckdb)
    if aside:
        names = ", ".join(path.name for path in aside)
        message = f"{environment.home.duckdb.name} was damaged, and was made anew: {names}"
        yield note("analytics", "analytics_damaged", message)


def _bytes_taken(path: Path) -> int:
    """Add up a file, or what lies in a folder; a file may go while it is counted."""
    taken = 0
    for file in (path, *path.rglob("*")):
        with suppress(OSError):
            taken += file.lstat().st_size
    return taken

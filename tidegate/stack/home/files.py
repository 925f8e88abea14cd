"""The files of a home that are nowhere else: what a backup keeps, and a restore puts back."""

import fcntl
import os
from datetime import datetime
from pathlib import Path

import msgspec

from contracts.subjects import USERS
from runtime.environment import Home

MASTER_KEY = "secrets/master.key"
KEYS = (MASTER_KEY, "secrets/identity.key", "operator.key", "client.key")
"""Without the first, no credential opens; with another second, sessions get other ids."""
PASSWORDS = tuple(f"secrets/{user}.nats" for user in USERS)
"""Of the NATS that was; one that is there keeps its own."""
DEMO_SERVERS = "demo-servers.json"
KEPT = (*KEYS, *PASSWORDS, DEMO_SERVERS)
VARIABLE_OF = {
    MASTER_KEY: "TIDEGATE_SECRET_KEY",
    "secrets/identity.key": "TIDEGATE_IDENTITY_KEY",
    **{f"secrets/{user}.nats": f"TIDEGATE_{user.upper()}_NATS_PASSWORD" for user in USERS},
}
"""Where a process looks before the home."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """From which backup a home goes on."""

    taken_at: datetime
    restored_at: datetime
    sequence: int
    """The last envelope that the backup has; what was granted behind it is not in this log."""


def restore_mark(home: Home) -> Restored | None:
    """Tell from which backup this home goes on; None when from none."""
    try:
        return msgspec.json.decode(home.restored.read_bytes(), type=Restored)
    except (OSError, msgspec.DecodeError):
        return None


def used_configuration(home: Home) -> Path | None:
    """Tell which configuration file the last `up` ran with; None when with none."""
    try:
        return Path(home.config_used.read_text().strip())
    except OSError:
        return None


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all; on return it is on the disk."""
    _write_beside(path, content).replace(path)
    _sync_folder(path.parent)


def write_absent(path: Path, content: bytes) -> bool:
    """Do the same, unless something is there; false when it is, and stays.

    Of two that would write at once the second finds what the first has written: no key takes the
    place of one that somebody may have begun to use.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if path.exists():
            return False
        write_private(path, content)
    finally:
        os.close(folder)
    return True


def rewrite_private(path: Path, content: bytes) -> None:
    """Write a file anew for those who may read it now, whole or not at all, as above."""
    like = path.stat()
    partial = _write_beside(path, content)
    own = partial.stat()
    if (like.st_uid, like.st_gid) != (own.st_uid, own.st_gid):
        os.chown(partial, like.st_uid, like.st_gid)
    partial.chmod(like.st_mode & 0o777)
    partial.replace(path)
    _sync_folder(path.parent)


def _write_beside(path: Path, content: bytes) -> Path:
    """Write beside where it is to be, until the disk has it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(path.suffix + ".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return partial


def _sync_folder(folder: Path) -> None:
    """Have the disk know the name as well: what follows may leave nothing to go back to."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

"""The files of a home that are nowhere else: what a backup keeps, and a restore puts back."""

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
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_whole(path, content)


def rewrite_private(path: Path, content: bytes) -> None:
    """Write a file anew for those who may read it now, whole or not at all, as above."""
    _write_whole(path, content, path.stat())


def _write_whole(path: Path, content: bytes, like: os.stat_result | None = None) -> None:
    """Write beside the file, and put that in its place once the disk has it."""
    partial = path.with_suffix(path.suffix + ".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if like is not None:
        own = partial.stat()
        if (like.st_uid, like.st_gid) != (own.st_uid, own.st_gid):
            os.chown(partial, like.st_uid, like.st_gid)
        partial.chmod(like.st_mode & 0o777)
    partial.replace(path)
    # The name as well: what follows may leave nothing to go back to.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""The files of a home that are nowhere else: what a backup keeps, and a restore puts back."""

from datetime import datetime
from pathlib import Path

import msgspec

from contracts.subjects import USERS
from runtime.environment import Home

KEYS = ("secrets/master.key", "secrets/identity.key", "operator.key", "client.key")
"""Without the first, no credential opens; with another second, sessions get other ids."""
PASSWORDS = tuple(f"secrets/{user}.nats" for user in USERS)
"""Of the NATS that was; one that is there keeps its own."""
DEMO_SERVERS = "demo-servers.json"
KEPT = (*KEYS, *PASSWORDS, DEMO_SERVERS)
VARIABLE_OF = {
    "secrets/master.key": "TIDEGATE_SECRET_KEY",
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
    """Write a file that only its owner reads, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(path.suffix + ".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_bytes(content)
    partial.replace(path)

"""Make one snapshot: `python -m services.pool.snapshots <bytes of memory>`.

A pool process starts it. It ends with 0 when it made one, with `NOTHING_NEW` when there was none to
make, with `MEMORY_SHORT` when its memory did not suffice, and with 1 for any other reason, which it
logs.
"""

import asyncio
import sys

from runtime.environment import read_environment
from runtime.eventlog import LogUnavailableError
from runtime.leadership import BrokenLogError
from runtime.process import lifecycle, logs
from runtime.settings import SettingsError
from services.pool.snapshots.bucket import SnapshotsUnavailableError
from services.pool.snapshots.making import (
    MEMORY_SHORT,
    NOTHING_NEW,
    UnfitError,
    bound_process,
    make_snapshot,
)

_EXPECTED = (
    BrokenLogError,
    LogUnavailableError,
    SettingsError,
    SnapshotsUnavailableError,
    UnfitError,
)


async def _make(stop: asyncio.Event) -> None:
    """Make it, or be told to stop: half of one is none."""
    logger = logs.configure_logs("snapshotter")
    making = make_snapshot(read_environment(), logger)
    try:
        kept = await lifecycle.unless_stopped(stop, making)
    except _EXPECTED as error:
        logger.error("snapshot_not_made", reason=str(error))  # noqa: TRY400 (the reason says all)
        raise SystemExit(1) from None
    if kept is None:
        raise SystemExit(NOTHING_NEW)


def main() -> None:
    """Make one within so much memory."""
    bound_process(int(sys.argv[1]))
    try:
        lifecycle.run(_make)
    except MemoryError:
        # Nothing is logged: whatever that needs may not be there.
        raise SystemExit(MEMORY_SHORT) from None


if __name__ == "__main__":
    main()

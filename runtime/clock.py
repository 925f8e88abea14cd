"""The wall clock of this process; tests may shift it, in a home made for tests only."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

Clock = Callable[[], datetime]
"""Now, aware, in UTC."""

_LOOK_EVERY_S = 0.1


def system_clock() -> datetime:
    """Tell the machine's time, aware and in UTC; it may be set back at any moment."""
    return datetime.fromtimestamp(time.time(), UTC)


def make_clock(offset_file: Path | None = None) -> Clock:
    """Make the clock of this process: the machine's, plus the seconds in `offset_file` if any.

    The file is looked at again every 0.1 s; an absent or empty one is an offset of zero.
    """
    if offset_file is None:
        return system_clock
    looked_at = float("-inf")
    offset = timedelta()

    def shifted_now() -> datetime:
        nonlocal looked_at, offset
        # The time is asked many times a request; the file changes once a test.
        if time.monotonic() - looked_at >= _LOOK_EVERY_S:
            looked_at = time.monotonic()
            text = offset_file.read_text().strip() if offset_file.exists() else ""
            offset = timedelta(seconds=float(text or 0))
        return system_clock() + offset

    return shifted_now

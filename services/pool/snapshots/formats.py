"""The formats that snapshots have had, and how an older one is read.

The state as it was decoded, without types, goes from each to the next. Those before the third do
not say at which server and on which path calls succeeded, which is what failures are compared with:
they are passed over, and the log is folded from its beginning once.
"""

from collections.abc import Callable
from typing import Any

FORMAT = 3


class UnreadableSnapshotError(Exception):
    """The bytes are no snapshot that this version reads; the message says why."""


Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: dict[int, Upcaster] = {}
"""From the format that is named to the next one."""


def upcaster_of(format_: int) -> Upcaster:
    """Find the way from a format to the next. Raises `UnreadableSnapshotError` without one."""
    upcaster = UPCASTERS.get(format_)
    if upcaster is None:
        raise UnreadableSnapshotError(f"no way leads from format {format_} to {FORMAT}")
    return upcaster

"""The formats that snapshots have had, and how an older one is read.

The state as it was decoded, without types, goes from each to the next.
"""

from collections.abc import Callable
from typing import Any

FORMAT = 2
_OF_ACCOUNT = frozenset({"limits", "quota_timezone", "days"})


class UnreadableSnapshotError(Exception):
    """The bytes are no snapshot that this version reads; the message says why."""


def _with_accounts(plain: dict[str, Any]) -> dict[str, Any]:
    """Give each session an account of its own, which was a part of it."""
    sessions = [
        {name: value for name, value in session.items() if name not in _OF_ACCOUNT}
        | {"account": {name: session[name] for name in _OF_ACCOUNT}}
        for session in plain["sessions"]
    ]
    return {**plain, "sessions": sessions}


UPCASTERS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _with_accounts}
"""From the format that is named to the next one."""

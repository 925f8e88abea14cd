"""What of the events just journalled is worth a line in this process's own log: sessions lost.

`up` shows these lines to whoever watches (`tidegate/stack/screen/words.py`). What operators did
themselves has none here, for they may do it to ten thousand sessions at once.
"""

from collections.abc import Iterable

import msgspec

from contracts.pool import (
    CredentialsRefused,
    PoolEvent,
    QuotaObserved,
    SessionChanged,
    SessionRecovered,
    SessionStatus,
    SessionSuspected,
)
from runtime.process.logs import Log

_REMARKED = frozenset(
    {SessionSuspected, SessionRecovered, SessionChanged, QuotaObserved, CredentialsRefused}
)
_OWN = frozenset({"", "pool"})
"""By whom an event is that no operator brought about."""


def log_remarkable(logger: Log, events: Iterable[PoolEvent]) -> None:
    """Log those events that say what became of a session, and of whose word."""
    for event in events:
        # Nearly all are of leases, and the writer waits: no more than one look at each.
        if type(event) in _REMARKED and _is_remarkable(event):
            logger.info("journalled", **msgspec.to_builtins(event))


def _is_remarkable(event: PoolEvent) -> bool:
    """Tell whether it says so of a session, and no operator had it so."""
    match event:
        case SessionRecovered(by=by) | SessionChanged(by=by, status=SessionStatus.DISABLED):
            return by in _OWN
        case _:
            return not isinstance(event, SessionChanged)

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

_OWN = frozenset({"", "pool"})
"""By whom an event is that no operator brought about."""


def log_remarkable(logger: Log, events: Iterable[PoolEvent]) -> None:
    """Log those events that say what became of a session, and of whose word."""
    for event in events:
        match event:
            case SessionSuspected() | CredentialsRefused() | QuotaObserved():
                logger.info("journalled", **msgspec.to_builtins(event))
            case SessionRecovered(by=by) | SessionChanged(by=by, status=SessionStatus.DISABLED):
                if by in _OWN:
                    logger.info("journalled", **msgspec.to_builtins(event))
            case _:
                pass

"""What a client owes the gateway, and when it has owed it too long, pure.

A client owes its upload while that is waited for, and to take what waits for it. It may be slow:
1 KB/s, averaged over half a minute in which anything moved at all, and something within
`send_timeout`. A head and the next request have times of their own. What a server is slow with,
an event stream for example, is no debt of the client's.

Time comes in as monotonic seconds, and is only looked at by the sweep: nothing here costs a chunk.
"""

from enum import StrEnum

import msgspec

HEAD_S = 30.0
"""How long a head may take, the first one from the connection's beginning on."""
IDLE_S = 75.0
"""How long a connection may wait for its next request."""
LINGER_S = 10.0
"""How long a client is listened to whose connection is at its end."""
WINDOW_S = 30.0
BYTES_PER_S_MIN = 1000


class Due(StrEnum):
    """What is owed at this moment."""

    NOTHING = "nothing"
    HEAD = "head"
    NEXT = "next request"
    UPLOAD = "upload"
    TAKING = "taking"
    LINGERING = "closing its side"
    LEAVING = "nothing any more"
    """It has closed altogether."""


_WITHIN_S = {Due.HEAD: HEAD_S, Due.NEXT: IDLE_S, Due.LINGERING: LINGER_S, Due.LEAVING: 0.0}
CLOSED = frozenset({Due.HEAD, Due.NEXT, Due.LINGERING})
"""Debts whose client is owed nothing itself."""
BLAMELESS = frozenset({Due.LINGERING, Due.LEAVING})
"""What is no slowness of a client's."""


class Debt(msgspec.Struct):
    """One debt as the sweeps saw it; `moved` counts bytes."""

    due: Due
    since_s: float
    """When the debt, or the half minute that is being averaged, began."""
    moved_before: int
    moved: int
    moved_at_s: float
    key: int
    """Which head or request it is of: another one is another debt."""


def carry_debt(debt: Debt | None, due: Due, key: int, moved: int, now_s: float) -> Debt | None:
    """Carry a debt on, or begin another; None when nothing is owed."""
    if due is Due.NOTHING:
        return None
    if debt is None or debt.due is not due or debt.key != key:
        return Debt(due, now_s, moved, moved, now_s, key)
    if moved != debt.moved:
        debt.moved, debt.moved_at_s = moved, now_s
    return debt


def is_overdue(debt: Debt, send_timeout_s: float, now_s: float) -> bool:
    """Tell whether the client has had time enough; a new half minute begins where one ended."""
    within_s = _WITHIN_S.get(debt.due)
    passed_s = now_s - debt.since_s
    if within_s is not None:
        return passed_s >= within_s
    if now_s - debt.moved_at_s >= send_timeout_s:
        return True
    if passed_s < WINDOW_S:
        return False
    moved = debt.moved - debt.moved_before
    if 0 < moved < BYTES_PER_S_MIN * passed_s:
        return True
    debt.since_s, debt.moved_before = now_s, debt.moved
    return False

"""What a client owes the gateway, and when it has owed it too long, pure.

A client owes its upload while that is waited for, and to take what waits for it. It may be slow:
1 KB/s, averaged over half a minute in which anything moved at all, and something within
`send_timeout`. A head and the next request have times of their own. What a server is slow with,
an event stream for example, is no debt of the client's.

Time comes in as monotonic seconds, and is only looked at by the sweep: nothing here costs a chunk.
"""

from enum import StrEnum

import msgspec
from msgspec.structs import replace

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


class Owed(msgspec.Struct, frozen=True):
    """What a client owes at this moment."""

    due: Due
    key: int = 0
    """Which head or request it is of: another one is another debt."""
    moved: int = 0
    """Bytes that have gone its way, or come, since the connection began."""


class Debt(msgspec.Struct, frozen=True):
    """One debt as the sweeps saw it; `moved` counts bytes."""

    due: Due
    since_s: float
    """When the debt, or the half minute that is being averaged, began."""
    moved_before: int
    moved: int
    moved_at_s: float
    key: int
    """As in `Owed`."""


def carry_debt(debt: Debt | None, owed: Owed, now_s: float) -> Debt | None:
    """Carry a debt on, or begin another; None when nothing is owed."""
    if owed.due is Due.NOTHING:
        return None
    if debt is None or debt.due is not owed.due or debt.key != owed.key:
        return Debt(owed.due, now_s, owed.moved, owed.moved, now_s, owed.key)
    if owed.moved != debt.moved:
        return replace(debt, moved=owed.moved, moved_at_s=now_s)
    return debt


def is_overdue(debt: Debt, send_timeout_s: float, now_s: float) -> bool:
    """Tell whether the client has had time enough."""
    within_s = _WITHIN_S.get(debt.due)
    passed_s = now_s - debt.since_s
    if within_s is not None:
        return passed_s >= within_s
    if now_s - debt.moved_at_s >= send_timeout_s:
        return True
    # A half minute in which nothing moved says nothing of a rate: that is `send_timeout`'s.
    return passed_s >= WINDOW_S and 0 < debt.moved - debt.moved_before < BYTES_PER_S_MIN * passed_s


def next_window(debt: Debt, now_s: float) -> Debt:
    """Begin another half minute where one that was fast enough has ended."""
    if debt.due in _WITHIN_S or now_s - debt.since_s < WINDOW_S:
        return debt
    return replace(debt, since_s=now_s, moved_before=debt.moved)

"""Sessions of one kind, ordered by the units they have left; equals wait their turn.

What stands on a shelf is a group: those sessions of one account that are of this kind. They have
the same units left, so that a grant moves one group or two, however many share the account; whose
turn it is among them is the group's. An account has groups on several shelves if its sessions are
of several kinds, and one of them alone counts for it.

Why not a heap: a group moves on every grant and every end, and a request for several units,
or one that avoids sessions, must look below the top. Levels of insertion-ordered maps do all of
it in constant time; only a level that appears or vanishes costs a bisection.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Container
from enum import IntEnum

import msgspec

from contracts.base import ServiceType, SessionId
from services.pool.domain.quota import Zone


class ShelfKind(IntEnum):
    """What may be done with the sessions on a shelf."""

    FREE = 0
    RESTING = 1
    """Cooling, or holding as many leases as it may: countable, not to be granted now."""
    TRIAL = 2
    """Suspect for long enough: one call may clear it. Not countable."""
    DOUBTFUL = 3
    """As free ones, but tried after all of them: failures speak against them."""
    DRAINING = 4
    """Granted to nobody, and not countable; but what it has left is not used up."""
    SUSPECT = 5
    """As draining ones: suspect, and not to be tried yet, or just being tried."""


COUNTABLE = frozenset({ShelfKind.FREE, ShelfKind.DOUBTFUL, ShelfKind.RESTING})
"""Whose units the pool has left today."""
SUSPECTS = frozenset({ShelfKind.TRIAL, ShelfKind.SUSPECT})
WITHHELD = SUSPECTS | {ShelfKind.DRAINING}
GRANTABLE = frozenset({ShelfKind.FREE, ShelfKind.DOUBTFUL, ShelfKind.TRIAL})
TRIALS_FIRST = (ShelfKind.TRIAL, ShelfKind.FREE, ShelfKind.DOUBTFUL)
NO_TRIALS = (ShelfKind.FREE, ShelfKind.DOUBTFUL)
TRIALS_LAST = (ShelfKind.FREE, ShelfKind.DOUBTFUL, ShelfKind.TRIAL)
"""The order in which kinds of shelves are tried."""


class Group(msgspec.Struct, eq=False):
    """Those sessions of one account that are of one kind."""

    kind: ShelfKind
    members: tuple[SessionId, ...]
    """Whose turn is next comes first."""
    placed: "dict[ServiceType, Placing]"
    counts: bool = False
    """Whether it counts for its account, where units and accounts are counted."""


class Shelf:
    """Groups with units left of one service type, in one zone, of one kind and rarity."""

    __slots__ = ("accounts", "kind", "levels", "rarity", "tops", "units", "zone")

    def __init__(self, kind: ShelfKind, zone: Zone, rarity: int) -> None:
        self.kind = kind
        self.zone = zone
        self.rarity = rarity
        self.accounts = 0
        """How many accounts count here, by a group of theirs."""
        self.units = 0
        """Sum of what these have left."""
        self.levels: dict[int, OrderedDict[Group, None]] = {}
        self.tops: list[int] = []
        """The levels that have groups, ascending."""

    def put_group(self, group: Group, left: int) -> "Placing":
        """Add a group with `left` units, behind its equals."""
        level = self.levels.get(left)
        if level is None:
            level = self.levels[left] = OrderedDict()
            self.tops.insert(bisect_left(self.tops, left), left)
        level[group] = None
        if group.counts:
            self.accounts += 1
            self.units += left
        return Placing(self, left, group.counts)

    def take_group(self, group: Group, placing: "Placing") -> None:
        """Remove a group that was put so."""
        left = placing.left
        level = self.levels[left]
        del level[group]
        if placing.counted:
            self.accounts -= 1
            self.units -= left
        if not level:
            del self.levels[left]
            del self.tops[bisect_left(self.tops, left)]
            assert self.tops or self.units == self.accounts == 0

    def first_session(self, units: int, avoid: Container[SessionId]) -> SessionId | None:
        """Find the least used session with at least `units` left that is not in `avoid`.

        Looks at those to be avoided, and one more.
        """
        for left in reversed(self.tops):
            if left < units:
                return None
            for group in self.levels[left]:
                for session_id in group.members:
                    if session_id not in avoid:
                        return session_id
        return None


class Placing(msgspec.Struct, frozen=True):
    """Where a group stands: on this shelf, put there with so many units left."""

    shelf: Shelf
    left: int
    counted: bool

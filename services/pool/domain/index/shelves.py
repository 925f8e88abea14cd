"""Sessions of one kind, ordered by the units they have left; equals wait their turn.

Why not a heap: a session moves on every grant and every end, and a request for several units,
or one that avoids sessions, must look below the top. Levels of insertion-ordered maps do all of
it in constant time; only a level that appears or vanishes costs a bisection.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Container
from enum import IntEnum

import msgspec

from contracts.base import SessionId
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


COUNTABLE = frozenset({ShelfKind.FREE, ShelfKind.DOUBTFUL, ShelfKind.RESTING})
"""Whose units the pool has left today."""
GRANTABLE = frozenset({ShelfKind.FREE, ShelfKind.DOUBTFUL, ShelfKind.TRIAL})
TRIALS_FIRST = (ShelfKind.TRIAL, ShelfKind.FREE, ShelfKind.DOUBTFUL)
NO_TRIALS = (ShelfKind.FREE, ShelfKind.DOUBTFUL)
TRIALS_LAST = (ShelfKind.FREE, ShelfKind.DOUBTFUL, ShelfKind.TRIAL)
"""The order in which kinds of shelves are tried."""


class Shelf:
    """Sessions with units left of one service type, in one zone, of one kind and rarity."""

    __slots__ = ("kind", "levels", "rarity", "tops", "units", "zone")

    def __init__(self, kind: ShelfKind, zone: Zone, rarity: int) -> None:
        self.kind = kind
        self.zone = zone
        self.rarity = rarity
        self.units = 0
        """Sum of what its sessions have left."""
        self.levels: dict[int, OrderedDict[SessionId, None]] = {}
        self.tops: list[int] = []
        """The levels that have sessions, ascending."""

    def __len__(self) -> int:
        """Count its sessions; its levels are as few as a daily limit."""
        return sum(map(len, self.levels.values()))

    def put_session(self, session_id: SessionId, left: int) -> None:
        """Add a session with `left` units, behind its equals."""
        level = self.levels.get(left)
        if level is None:
            level = self.levels[left] = OrderedDict()
            self.tops.insert(bisect_left(self.tops, left), left)
        level[session_id] = None
        self.units += left

    def take_session(self, session_id: SessionId, left: int) -> None:
        """Remove a session that was put with `left` units."""
        level = self.levels[left]
        del level[session_id]
        self.units -= left
        if not level:
            del self.levels[left]
            del self.tops[bisect_left(self.tops, left)]
            assert self.tops or self.units == 0

    def first_session(self, units: int, avoid: Container[SessionId]) -> SessionId | None:
        """Find the least used session with at least `units` left that is not in `avoid`.

        Looks at those to be avoided, and one more.
        """
        for left in reversed(self.tops):
            if left < units:
                return None
            for session_id in self.levels[left]:
                if session_id not in avoid:
                    return session_id
        return None


class Placing(msgspec.Struct, frozen=True):
    """Where a session stands: on this shelf, put there with so many units left."""

    shelf: Shelf
    left: int

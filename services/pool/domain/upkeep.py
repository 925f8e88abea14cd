"""What the fold remembers of how the pool is kept filled: a function of the events alone."""

from collections import deque
from datetime import datetime, timedelta

import msgspec

from contracts.base import ServiceType, SessionId
from contracts.pool import GrowthHeld

RECENTLY = timedelta(hours=1)
"""How long a service type counts as asked for, and a session as new."""
REMADE = frozenset({"generated", "http"})
"""Origins of sessions that a provisioner can make again; what it makes may cost something."""
PROVISIONER = "provisioner"
"""Who adds what a provisioner made."""

LOGINS_REFUSED = "logins_refused"
NEW_ONES_BAD = "new_ones_bad"
DAY_USED_UP = "day_used_up"
HELD = {
    LOGINS_REFUSED: "no session is added while every login is refused",
    NEW_ONES_BAD: "no session is added while most of the last hour's are suspect or disabled",
    DAY_USED_UP: "no session is added any more today: max_size were",
}
"""What is told of growth that is held, by reason."""


class Joined(msgspec.Struct, frozen=True):
    """A session was added, or added again."""

    session_id: SessionId
    at: datetime


class Bought(msgspec.Struct, frozen=True):
    """How many sessions provisioners made on one day."""

    day: str = ""
    """By the log's time, in UTC."""
    count: int = 0


class Upkeep(msgspec.Struct, eq=False):
    """When what was asked for, who joined lately, and whether growth is held."""

    asked_at: dict[ServiceType, datetime] = {}
    """By service type, to within a minute: moved by each call would cost every one of them."""
    joined: deque[Joined] = msgspec.field(default_factory=deque)
    """Those of the last hour, in order; older ones go with the next that joins."""
    bought: Bought = Bought()
    held: GrowthHeld | None = None

    def held_message(self) -> str:
        """Say why growth is held; empty when it is not."""
        return HELD.get(self.held.reason, self.held.reason) if self.held is not None else ""

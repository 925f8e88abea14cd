"""What deciding yields, and the one way in which a decision becomes state."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from contracts.pool import PoolEvent, UsageRecorded
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.state import Pool


class Decision(msgspec.Struct):
    """Events already taken into the state, and the answer to send once they are in the log.

    With `held_until` there is no answer yet: the same command is to be decided again then.
    Its events, the end of the lease before it, stand all the same.
    """

    events: list[PoolEvent]
    answer: Any = None
    held_until: datetime | None = None


class Draft(msgspec.Struct):
    """A decision as it is drawn up: the pool it is about, its one moment, its events so far."""

    pool: Pool
    now: datetime
    events: list[PoolEvent] = []

    def emit(self, event: PoolEvent) -> None:
        """Decide for `event`: it joins the others, and the pool takes it in."""
        pool = self.pool
        noted = len(pool.violations)
        self.events.append(event)
        evolve(pool, event, self.now, pool.sequence + 1)
        # A usage tells what a gateway did, right or wrong. All else is our own doing: a grant above
        # the limit or a second end stops here, before it can reach the log.
        assert len(pool.violations) == noted or type(event) is UsageRecorded, pool.violations[-1]

    def sessions_of(self, *kinds: type[Any], but: Collection[str] = ()) -> list[str]:
        """Name the sessions that events of these kinds are about, `but` those."""
        of_kinds = (event for event in self.events if isinstance(event, kinds))
        named = (str(getattr(event, "session_id", "")) for event in of_kinds)
        return [session_id for session_id in named if session_id not in but]

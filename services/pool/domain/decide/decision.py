"""What deciding yields, and the one way in which a decision becomes state."""

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

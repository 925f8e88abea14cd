"""What deciding yields, and the one way in which a decision becomes state."""

from datetime import datetime
from typing import Any

import msgspec

from contracts.pool import PoolEvent
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


def emit(state: Pool, events: list[PoolEvent], event: PoolEvent, now: datetime) -> None:
    """Decide for `event`: it joins the batch, and the state takes it in."""
    events.append(event)
    evolve(state, event, now, state.sequence + 1)

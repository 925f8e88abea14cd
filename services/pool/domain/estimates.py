"""When those who wait for a lease may have it, as far as can be told."""

from datetime import datetime

from contracts.base import ServiceType
from contracts.pool import Waiting
from services.pool.domain.leading.line import Wait
from services.pool.domain.state import Pool

_ENDS_MIN = 10
"""Of so many ends of a type it can be told how fast they come."""


def told_of(state: Pool, wait: Wait, now: datetime) -> Waiting:
    """Say where a request stands, and how long it will take as far as can be told."""
    position = state.line.position_of(wait, now)
    return Waiting(position=position, eta_s=_eta_s(state, wait, position, now))


def hope_at(state: Pool, service_type: ServiceType, units: int, now: datetime) -> datetime | None:
    """Tell the first known moment at which such a lease may come free; None: there is none.

    While a session has units that are not reserved, any exchange that ends makes one free, and
    that may be at any moment.
    """
    index = state.index_at(now)
    if state.growing:
        return now
    moments = [index.next_waking(), index.guard_ends_at()]
    if index.has_units(service_type, units):
        if state.opened:
            return now
    else:
        moments += [index.deadlines.earliest_of(service_type), index.next_reset()]
    return min((moment for moment in moments if moment is not None), default=None)


def _eta_s(state: Pool, wait: Wait, position: int, now: datetime) -> float | None:
    """Tell how long until its grant: by how fast exchanges end, or when units come back."""
    service_type = wait.requested.service_type
    index = state.index_at(now)
    if index.has_units(service_type, wait.requested.units):
        ends = state.line.recent_ends.get(service_type)
        if ends is None or len(ends) < _ENDS_MIN:
            return None
        spent_s = (now - ends[0]).total_seconds()
        return round((position + 1) * max(spent_s, 0.001) / len(ends), 3)
    back = (index.deadlines.earliest_of(service_type), index.next_reset())
    soonest = min((moment for moment in back if moment is not None), default=None)
    return None if soonest is None else round(max(0.0, (soonest - now).total_seconds()), 3)

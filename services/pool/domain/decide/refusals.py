"""No lease: why, for how long, and how much of it the log is told.

Refusals are journalled one by one up to a budget per second. Past it, equal ones (key, type,
reason) are counted and journalled as one when their second is over, by whatever is decided
next. The counts belong to the leader: a failover loses at most those of its last second.
"""

from datetime import datetime, timedelta

import msgspec

from contracts.pool import (
    LeaseRefused,
    PoolEvent,
    Refusal,
    Refused,
    SessionRequested,
    SessionStatus,
)
from services.pool.domain.decide.decision import emit
from services.pool.domain.index.choice import Index
from services.pool.domain.state import Pool

REFUSALS_PER_SECOND = 100
_RETRY_S_MIN, _RETRY_S_MAX = 1.0, 30.0
_SECOND = timedelta(seconds=1)
MESSAGES = {
    Refusal.UNKNOWN_SERVICE: "there is no such service type",
    Refusal.TOO_MANY_UNITS: "expected at least 1 unit and at most the daily limit",
    Refusal.QUOTA_EXHAUSTED: "no session has an unreserved unit today",
    Refusal.CREDENTIALS_EXHAUSTED: "every session is disabled or suspect",
    Refusal.SATURATED: "all sessions are busy, cooling, or still being made",
}


def why_none(
    state: Pool, index: Index, requested: SessionRequested, now: datetime
) -> tuple[Refusal, float]:
    """Say why no session will do, and after how many seconds asking again may help.

    0 seconds: nobody knows; a pool without sessions that gets none has nothing to wait for.
    """
    standing = state.standing
    barred = standing[SessionStatus.DISABLED] + standing[SessionStatus.SUSPECT]
    if state.growing or not (state.size or state.barren):
        return Refusal.SATURATED, _RETRY_S_MIN
    if not state.size:
        return Refusal.QUOTA_EXHAUSTED, 0.0
    if barred == state.size:
        return Refusal.CREDENTIALS_EXHAUSTED, _seconds(now, index.next_waking())
    if index.has_units(requested.service_type, requested.units):
        freed = index.deadlines.first()
        soonest = min(_seconds(now, freed, index.next_waking()), _RETRY_S_MAX)
        return Refusal.SATURATED, max(soonest, _RETRY_S_MIN)
    # Reserved units may come back with an end, at the latest by the first deadline.
    deadline = index.deadlines.earliest(requested.service_type)
    soonest = _seconds(now, deadline, index.next_reset())
    return Refusal.QUOTA_EXHAUSTED, max(soonest, _RETRY_S_MIN)


def refuse(
    state: Pool,
    events: list[PoolEvent],
    requested: SessionRequested,
    reason: Refusal,
    retry_after_s: float,
    now: datetime,
) -> Refused:
    """Answer a refusal, and journal it or count it."""
    event = LeaseRefused(
        request_id=requested.request_id,
        number=requested.number,
        service_type=requested.service_type,
        key_id=requested.key_id,
        reason=reason,
        retry_after_s=retry_after_s,
    )
    refusals = state.refusals
    if refusals.second is None or now >= refusals.second + _SECOND:
        state.change(refusals, "second", now.replace(microsecond=0))
        state.change(refusals, "journalled", 0)
    if refusals.journalled < REFUSALS_PER_SECOND:
        state.change(refusals, "journalled", refusals.journalled + 1)
        emit(state, events, requested, now)
        emit(state, events, event, now)
    else:
        key = (requested.key_id, requested.service_type, reason)
        first = refusals.counted.get(key)
        count = 1 if first is None else first.count + 1
        state.put(refusals.counted, key, msgspec.structs.replace(first or event, count=count))
    return Refused(reason=reason, retry_after_s=retry_after_s, message=MESSAGES[reason])


def tell_counted(state: Pool, events: list[PoolEvent], now: datetime) -> None:
    """Journal what was only counted, once its second is over."""
    due = counted_due(state)
    if due is not None and now >= due:
        for event in state.refusals.counted.values():
            emit(state, events, event, now)
        state.change(state.refusals, "counted", {})


def counted_due(state: Pool) -> datetime | None:
    """Tell when the second of the counted refusals is over; None when there are none."""
    if not state.refusals.counted or state.refusals.second is None:
        return None
    return state.refusals.second + _SECOND


def _seconds(now: datetime, *instants: datetime | None) -> float:
    """Seconds from `now` to the first of the instants known; 0 when none is."""
    soonest = min((instant for instant in instants if instant is not None), default=now)
    return max(0.0, (soonest - now).total_seconds())

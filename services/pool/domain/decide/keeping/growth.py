"""How many sessions the pool wants: the smallest size, a step more where a type runs short.

A **place** is held by every session that is neither retired nor disabled; `min_size` and `max_size`
count places. A service type runs short when it was asked for in the last hour and fewer than
`refresh_threshold` of the sessions have a unit of it left: of those that are countable, and of
suspects that have one.

What a provisioner makes may cost something, and an outage must not buy credentials. So growth is
held, and the log told, while every login is refused, while most of those that joined in the last
hour are suspect or disabled, and once `max_size` were made on one day. A file buys nothing: what an
operator wrote there is added whenever there is a place.
"""

from datetime import UTC, datetime, time, timedelta
from math import ceil

import msgspec

from contracts.base import ServiceType, SessionId
from contracts.pool import AddSession, Done, GrowthHeld, GrowthResumed, SessionStatus
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.records import Session
from services.pool.domain.state import Pool
from services.pool.domain.upkeep import DAY_USED_UP, LOGINS_REFUSED, NEW_ONES_BAD, RECENTLY

LOGIN_EXPIRED = "login_expired"
"""Why the pool itself disables a session."""
_SIZE_MAX = 10**9
"""A log may hold any number; a pool has fewer sessions."""


class Growth(msgspec.Struct, frozen=True):
    """How many sessions are lacking, and why none is asked for."""

    wanted: int
    """As many as the provisioner is to be asked for; more than `max_size` never hold places."""
    hold: GrowthHeld | None = None


def growth_of(state: Pool, now: datetime) -> Growth:
    """Tell how many sessions to ask for at `now`; with a hold, how many it would have been."""
    wanted = sessions_wanted(state, now)
    if not wanted:
        return Growth(0)
    if (hold := _growth_hold(state, wanted, now)) is not None:
        return Growth(wanted, hold)
    return Growth(min(wanted, _makable_today(state, now)))


def sessions_wanted(state: Pool, now: datetime) -> int:
    """Tell how many sessions are lacking, and have places, whatever may hold growth."""
    free = free_places(state)
    lacking = min(state.policy.min_size, state.policy.max_size) - state.places
    if free and lacking < (step := _growth_step(state)):
        short = any(_runs_short(state, name, now) for name in state.upkeep.asked_at)
        lacking = step if short else lacking
    return min(max(0, lacking), free)


def has_session(state: Pool, session_id: SessionId) -> bool:
    """Whether there is such a session, and it was not removed."""
    session = state.sessions.get(session_id)
    return session is not None and session.status is not SessionStatus.RETIRED


def place_objection(state: Pool, item: AddSession) -> str | None:
    """Say why a session has no place in the pool; None when it has, or there is one for it."""
    if has_session(state, item.session_id) or free_places(state):
        return None
    return (
        f"max_size: expected at most {state.policy.max_size} sessions, neither retired nor"
        f" disabled, and there are {state.places}"
    )


def free_places(state: Pool) -> int:
    """Count the places that may still be taken."""
    return max(0, state.policy.max_size - state.places)


def may_grow(state: Pool, now: datetime) -> bool:
    """Whether whoever is refused now may find new sessions in a moment."""
    upkeep = state.upkeep
    return not state.provisioner_empty and upkeep.held is None and sessions_wanted(state, now) > 0


def decide_growth(state: Pool, exempt: bool, now: datetime) -> Decision:  # noqa: FBT001 (an item)
    """Journal that growth is held, or that it is not any more; what is so already is no event.

    `exempt`: what adds sessions now buys none.
    """
    draft = Draft(state, now)
    state.drop_due(now)
    before = state.upkeep.held
    hold = None if exempt else growth_of(state, now).hold
    if hold is not None and (before is None or before.reason != hold.reason):
        draft.emit(hold)
    elif hold is None and before is not None:
        draft.emit(GrowthResumed(reason=before.reason))
    return Decision(draft.events, Done())


def _growth_step(state: Pool) -> int:
    """Tell how many are asked for at once where a type runs short; 0: it makes no difference."""
    share = refresh_share(state)
    return max(1, ceil(min(state.policy.min_size, _SIZE_MAX) * share)) if share else 0


def _runs_short(state: Pool, service_type: ServiceType, now: datetime) -> bool:
    """Whether a type was asked for lately, and too few of the countable have a unit of it left."""
    if now - state.upkeep.asked_at[service_type] >= RECENTLY:
        return False
    if state.policy.daily_limits.get(service_type, 0) <= 0:
        return False
    index = state.index_at(now)
    countable, having = index.accounts_active, index.accounts_having(service_type)
    if not countable:
        return True
    # A suspect's units are not used up: whether its login or a server is at fault shows first.
    suspects = index.suspects_having(service_type)
    return having + suspects < refresh_share(state) * (countable + suspects)


def refresh_share(state: Pool) -> float:
    """Tell the share of the countable sessions below which a service type runs short."""
    return min(max(state.policy.refresh_threshold, 0.0), 1.0)


def _growth_hold(state: Pool, wanted: int, now: datetime) -> GrowthHeld | None:
    """Say what holds growth now; None when nothing does."""
    if _is_every_login_refused(state):
        return GrowthHeld(reason=LOGINS_REFUSED, wanted=wanted)
    if _are_new_ones_bad(state, now):
        return GrowthHeld(reason=NEW_ONES_BAD, wanted=wanted)
    if not _makable_today(state, now):
        return GrowthHeld(reason=DAY_USED_UP, wanted=wanted, until=_day_end(now))
    return None


def _is_every_login_refused(state: Pool) -> bool:
    """Whether nothing can be granted because of what logins were answered.

    The log tells so also where others are used up (`tell_refused_logins`). Those that an operator
    disabled, every one, are none of it.
    """
    standing = state.standing
    if state.evidence.refused_at is not None:
        return True
    barred = standing[SessionStatus.DISABLED] + standing[SessionStatus.SUSPECT]
    if not barred or barred != state.size:
        return False
    return bool(standing[SessionStatus.SUSPECT]) or any(
        session.status is SessionStatus.DISABLED and session.reason == LOGIN_EXPIRED
        for session in state.sessions.values()
    )


def _are_new_ones_bad(state: Pool, now: datetime) -> bool:
    """Whether more than half of those that joined lately, and are here, are of no use."""
    names = {joined.session_id for joined in state.upkeep.joined if now - joined.at < RECENTLY}
    here = [
        session
        for session in map(state.sessions.get, names)
        if session is not None and session.status is not SessionStatus.RETIRED
    ]
    return 2 * sum(map(_is_bad, here)) > len(here)


def _is_bad(session: Session) -> bool:
    return session.lasting_status() in (SessionStatus.SUSPECT, SessionStatus.DISABLED)


def _makable_today(state: Pool, now: datetime) -> int:
    """Count the sessions that provisioners may still make on this day."""
    bought = state.upkeep.bought
    count = bought.count if bought.day == now.date().isoformat() else 0
    return max(0, state.policy.max_size - count)


def _day_end(now: datetime) -> datetime | None:
    """Tell when the next day begins, in UTC; None at the end of the calendar."""
    try:
        return datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    except OverflowError:
        return None

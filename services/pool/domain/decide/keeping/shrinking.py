"""Which sessions the pool lets go again: those that were not used for long, and can be made anew.

A session is **stale** when it was neither added nor leased for `stale_threshold`. One that a
provisioner can make again retires; any other is only shown as stale. None does that holds an open
or uncertain lease, or whose place `min_size` needs, or without which less than twice the
`refresh_threshold` of the sessions had a unit left of some service type: growth would come for it.

After 16 days a retired session keeps what identifies it, and no more: as long as counts are kept.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from contracts.base import SessionId
from contracts.pool import SessionRetired, SessionsForgotten, SessionStatus
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.decide.keeping.growth import refresh_share
from services.pool.domain.quota import KEPT_DAYS, is_stale
from services.pool.domain.state import Pool
from services.pool.domain.upkeep import REMADE

SWEPT_MAX = 100
"""Sessions that retire in one sweep."""
_POOL = "pool"
_FORGOTTEN_AFTER = timedelta(days=KEPT_DAYS)


def stale_sessions(
    state: Pool, among: Iterable[SessionId], origin: str, now: datetime
) -> list[SessionId]:
    """Name those of these that may retire, for all that one session alone can tell."""
    stale = [name for name in among if _may_retire(state, name, origin, now)]
    if not stale:
        return stale
    uncertain = {lease.session.session_id for lease in state.uncertain.values()}
    return [name for name in stale if name not in uncertain]


def decide_retire_stale(state: Pool, item: tuple[SessionId, str], now: datetime) -> Decision:
    """Retire a stale session, given with the origin of what can be made again, if it may go still.

    An uncertain lease cannot have come since it was named stale: it would have been leased.
    """
    session_id, origin = item
    draft = Draft(state, now)
    state.drop_due(now)
    if _may_retire(state, session_id, origin, now) and _can_be_spared(draft, session_id):
        retired = SessionRetired(session_id=session_id, reason="stale", by=_POOL, by_pool=True)
        draft.emit(retired)
    return Decision(draft.events)


def long_retired(state: Pool, among: Iterable[SessionId], now: datetime) -> list[SessionId]:
    """Name those of these that retired so long ago that only what identifies them is kept."""
    return [session_id for session_id in among if _is_long_retired(state, session_id, now)]


def decide_forget(state: Pool, session_ids: list[SessionId], now: datetime) -> Decision:
    """Keep no more of these than what identifies them."""
    draft = Draft(state, now)
    state.drop_due(now)
    if forgotten := long_retired(state, session_ids, now):
        draft.emit(SessionsForgotten(session_ids=forgotten))
    return Decision(draft.events)


def _may_retire(state: Pool, session_id: SessionId, origin: str, now: datetime) -> bool:
    """Whether a session is stale, nobody's to keep, and can be made again by this origin."""
    session = state.sessions.get(session_id)
    return (
        session is not None
        and session.origin == origin
        and origin in REMADE
        and session.lasting_status() is SessionStatus.ACTIVE
        and not session.open_leases
        and is_stale(session.idle_since, state.policy.stale_threshold_s, now)
    )


def _can_be_spared(draft: Draft, session_id: SessionId) -> bool:
    """Whether neither `min_size` needs its place, nor a service type its units."""
    pool = draft.pool
    if pool.places <= pool.policy.min_size:
        return False
    index = pool.index_at(draft.now)
    session = pool.sessions[session_id]
    if not index.is_last_of_account(session):
        return True
    left = index.units_left_by_type(session)
    countable = index.accounts_active - 1
    least = 2 * refresh_share(pool) * countable
    return all(
        index.accounts_having(name) - (left[name] > 0) >= least
        for name, limit in pool.policy.daily_limits.items()
        if limit > 0
    )


def _is_long_retired(state: Pool, session_id: SessionId, now: datetime) -> bool:
    session = state.sessions.get(session_id)
    if session is None or session.retired_at is None or session.open_leases:
        return False
    return now - session.retired_at >= _FORGOTTEN_AFTER

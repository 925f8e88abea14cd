"""The fold as operators see it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from operator import attrgetter

from contracts.base import ServiceType
from contracts.pool import (
    LeaseView,
    PoolStatus,
    PoolStatusReply,
    SessionStatus,
    SessionView,
    WaitView,
)
from runtime.texts import count_phrase
from services.pool.domain.estimates import told_of
from services.pool.domain.index.choice import Index
from services.pool.domain.leading.line import Wait
from services.pool.domain.overview import pool_overview
from services.pool.domain.quota import is_stale
from services.pool.domain.records import OPEN, UNCERTAIN, Lease, Session, Tally
from services.pool.domain.state import Pool

_KEPT = (SessionStatus.ACTIVE, SessionStatus.DRAINING)
_NOTHING: dict[ServiceType, Tally] = {}
_granted_at = attrgetter("granted_at")


def pool_status(
    state: Pool, asked: PoolStatus, now: datetime, sequence: int, epoch: int
) -> PoolStatusReply:
    """Answer from the fold; an unknown session id yields no session."""
    index = state.index_at(now)
    policy = state.policy
    leases, more = _page_of_leases(state, asked)
    return PoolStatusReply(
        sequence=sequence,
        epoch=epoch,
        now=now,
        sessions_total=state.size,
        sessions_active=state.standing[SessionStatus.ACTIVE],
        min_size=policy.min_size,
        max_size=policy.max_size,
        open_leases=len(state.opened),
        places=state.places,
        growth_held=state.upkeep.held_message(),
        remaining={name: index.units_left(name) for name in policy.daily_limits},
        withheld={
            name: units for name in policy.daily_limits if (units := index.units_withheld(name))
        },
        refused_since=state.evidence.refused_at,
        sessions=[
            _session_view(state, index, session, now)
            for session in islice(_asked_sessions(state, asked), asked.limit)
        ],
        leases=[_lease_view(state, lease) for lease in leases],
        leases_more=more,
        waits=_wait_views(state, asked, now) if asked.waits else [],
        waiting=len(state.line),
        waiting_by_type={name: lanes.waiting for name, lanes in state.line.lanes.items()},
        queue_max=policy.queue_max,
        overview=pool_overview(state, now) if asked.overview else None,
    )


def _wait_views(state: Pool, asked: PoolStatus, now: datetime) -> list[WaitView]:
    """Show those who wait, in the order in which they are served."""
    waits = [
        wait
        for wait in state.line.waits.values()
        if asked.wait_type in {"", wait.requested.service_type}
        and asked.wait_key in {"", wait.requested.key_id}
    ]
    # Ten thousand may wait, and this is the writer's loop: only those that are shown are described.
    waits.sort(key=lambda wait: (state.line.position_of(wait, now), wait.requested.service_type))
    first = asked.waits_behind
    return [_wait_view(state, wait, now) for wait in waits[first : first + asked.limit]]


def _wait_view(state: Pool, wait: Wait, now: datetime) -> WaitView:
    """Show one who waits, as of `now`."""
    requested = wait.requested
    waiting = told_of(state, wait, now)
    return WaitView(
        lease_id=wait.lease_id,
        request_id=requested.request_id,
        service_type=requested.service_type,
        key_id=requested.key_id,
        gateway_id=requested.gateway_id,
        units=requested.units,
        weight=requested.weight,
        position=waiting.position,
        waits_s=(now - wait.since).total_seconds(),
        left_s=(wait.deadline - now).total_seconds(),
        heard_s=(now - wait.heard_at).total_seconds(),
        eta_s=waiting.eta_s,
    )


def _asked_sessions(state: Pool, asked: PoolStatus) -> Iterable[Session]:
    if asked.session_id is not None:
        session = state.sessions.get(asked.session_id)
        return () if session is None else (session,)
    if asked.among:
        return (
            state.sessions[session_id] for session_id in asked.among if session_id in state.sessions
        )
    return state.sessions.values() if asked.sessions else ()


def _page_of_leases(state: Pool, asked: PoolStatus) -> tuple[list[Lease], bool]:
    """Take the first leases of a page, and whether others come behind them.

    Open ones leave at any time, so a place among them means nothing: a page begins behind a lease.
    They stand nearly in order: to sort 10,000 of them takes a millisecond, 100,000 ten.
    """
    leases = sorted(_asked_leases(state, asked), key=_granted_at)
    first = end = 0
    behind = asked.leases_behind
    if behind is not None:
        first = bisect_left(leases, behind[0], key=_granted_at)
        end = bisect_right(leases, behind[0], first, key=_granted_at)
    end = min(end + asked.limit, len(leases))
    if end > first:
        end = bisect_right(leases, leases[end - 1].granted_at, end - 1, key=_granted_at)
    # Many are granted at one moment: all of those are there, and go by their ids.
    keyed = sorted((lease.granted_at, lease.lease_id) for lease in leases[first:end])
    begin = 0 if behind is None else bisect_right(keyed, tuple(behind))
    page = keyed[begin : begin + asked.limit]
    more = end < len(leases) or begin + len(page) < len(keyed)
    return [state.leases[lease_id] for _, lease_id in page], more


def _asked_leases(state: Pool, asked: PoolStatus) -> Iterable[Lease]:
    if asked.leases == OPEN:
        return state.opened.values()
    if asked.leases in UNCERTAIN:
        return (lease for lease in state.uncertain.values() if lease.state == asked.leases)
    return ()


def session_status(session: Session, now: datetime) -> SessionStatus:
    """Tell the one status that says most."""
    standing = session.lasting_status()
    cooling = session.cooling_until is not None and session.cooling_until > now
    if standing is SessionStatus.ACTIVE and cooling:
        return SessionStatus.COOLING
    return standing


def _session_view(state: Pool, index: Index, session: Session, now: datetime) -> SessionView:
    """Show a session with its counts of the quota day it is in."""
    zone = index.zone_of(session)
    account = session.account
    tallies = account.days.get(zone.day, _NOTHING)
    names = state.policy.daily_limits
    counts = {name: tallies.get(name) or Tally() for name in names}
    cooling = session.cooling_until
    return SessionView(
        session_id=session.session_id,
        status=session_status(session, now),
        region=session.region,
        quota_day=zone.day,
        resets_in_s=(zone.resets_at - now).total_seconds(),
        used={name: counts[name].used for name in names},
        reserved={name: counts[name].reserved for name in names},
        remaining=index.units_left_by_type(session),
        limits={name: account.daily_limit(state.policy, name) for name in names},
        open_leases=session.open_leases,
        cooling_s=0.0 if cooling is None else max(0.0, (cooling - now).total_seconds()),
        reason=shown_reason(session, now) or _doubt_text(session),
        origin=session.origin,
        created_at=session.created_at,
        last_used_at=state.used_at.get(session.session_id),
        doubts=session.doubts,
        label=state.labels.get(session.session_id, ""),
        checked_at=session.checked_at,
        account=account.name,
        tier=account.tier,
        stale=session.status in _KEPT
        and is_stale(session.idle_since, state.policy.stale_threshold_s, now),
    )


def shown_reason(session: Session, now: datetime) -> str:
    """Say why a session stands as it does; a cool-down that is over is no reason any more."""
    cooled = session.cooling_until is not None and session.cooling_until <= now
    if cooled and session_status(session, now) is SessionStatus.ACTIVE:
        return ""
    return session.reason


def _doubt_text(session: Session) -> str:
    """Say why a session stands behind all others; empty when it does not."""
    return f"doubtful: {count_phrase(session.doubts, 'failure')} in a row" if session.doubts else ""


def _lease_view(state: Pool, lease: Lease) -> LeaseView:
    return LeaseView(
        lease_id=lease.lease_id,
        request_id=lease.request_id,
        session_id=lease.session.session_id,
        service_type=lease.service_type,
        quota_day=lease.quota_day,
        units=lease.units,
        state=str(lease.state),
        granted_at=lease.granted_at,
        expires_at=lease.expires_at,
        label=state.labels.get(lease.session.session_id, ""),
    )

"""The pool as a whole, for a page that asks every few seconds: no look at every session.

Sessions are counted as the fold counts them; of single ones only those are looked at that wait for
a moment (cooling, suspect), and of leases those that are open or in doubt.
"""

from collections import Counter
from datetime import datetime

from contracts.base import ServiceType
from contracts.pool import PoolOverview, QuotaReset, SessionStatus, TypeUnits
from services.pool.domain.index.choice import Index
from services.pool.domain.quota import Zone, policy_span, zone_at
from services.pool.domain.state import Pool

_RENEWED_BY = 0.6
"""Of a lease's life is left: gateways renew theirs while two thirds are."""


def pool_overview(state: Pool, now: datetime) -> PoolOverview:
    """Sum up what the fold has at `now`."""
    index = state.index_at(now)
    reserved: Counter[ServiceType] = Counter()
    overdue_at = now + policy_span(state.policy.lease_ttl_s * _RENEWED_BY)
    unrenewed: list[datetime] = []
    for lease in state.opened.values():
        reserved[lease.service_type] += lease.units
        if lease.expires_at < overdue_at:
            unrenewed.append(lease.expires_at)
    doubtful = state.uncertain.values()
    return PoolOverview(
        states=_sessions_by_status(state, index),
        units=[
            TypeUnits(
                service_type=name,
                remaining=index.units_left(name),
                reserved=reserved[name],
                limit=index.limit_of_all(name),
            )
            for name in state.policy.daily_limits
        ],
        resets=[
            QuotaReset(
                timezone=zone.name,
                reset_hour=zone.reset_hour,
                quota_day=zone.day,
                resets_at=zone.resets_at,
            )
            for zone in _zones_in_use(state, index, now)
        ],
        in_doubt_leases=len(doubtful),
        in_doubt_units=sum(lease.units for lease in doubtful),
        in_doubt_since=min((lease.granted_at for lease in doubtful), default=None),
        unrenewed_leases=len(unrenewed),
        unrenewed_until=max(unrenewed, default=None),
    )


def _sessions_by_status(state: Pool, index: Index) -> dict[str, int]:
    """Count sessions; one that is active but for its cooling counts as cooling."""
    counts = {
        str(status): state.standing[status]
        for status in SessionStatus
        if status is not SessionStatus.RETIRED
    }
    waiting = (state.sessions[session_id] for session_id in index.wakes)
    cooling = sum(
        session.lasting_status() is SessionStatus.ACTIVE
        and session.cooling_until is not None
        and session.cooling_until > index.now
        for session in waiting
    )
    counts[SessionStatus.ACTIVE] -= cooling
    counts[SessionStatus.COOLING] += cooling
    assert counts[SessionStatus.ACTIVE] >= 0
    return counts


def _zones_in_use(state: Pool, index: Index, now: datetime) -> list[Zone]:
    """List the zones of sessions, and the pool's own, which need have none; first resets first."""
    policy, zones = state.policy, list(index.zones.by_name.values())
    own = policy.quota_timezone, policy.quota_reset_hour
    if own not in index.zones.by_name:
        zones.append(zone_at(*own, now, policy_span(policy.reset_guard_s)))
    return sorted(zones, key=lambda zone: (zone.resets_at, zone.name, zone.reset_hour))

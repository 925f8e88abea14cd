"""How many more exchanges a server may take: fewer while it fails, rests, or has only come back."""

from contracts.base import Instant, ServiceType
from runtime.texts import count_phrase
from services.balancer.domain.fleet.ejection import warm_part
from services.balancer.domain.health.outcomes import ALL
from services.balancer.domain.inflight import count_open
from services.balancer.domain.pacing import rest_reason
from services.balancer.domain.standing import ServerStanding, Streak
from services.balancer.domain.state import Balancer


def restraint(
    balancer: Balancer, standing: ServerStanding, service_type: ServiceType, now: Instant
) -> str | None:
    """Say why a server must not take one more call that costs a unit; None when it may."""
    if resting := rest_reason(standing, service_type, now):
        return resting
    for key in dict.fromkeys((ALL, service_type)):
        streak = standing.streaks.get(key)
        if streak is None or not (streak.costs_units or streak.on_probation):
            continue
        if not (balancer.bounds.consecutive_failures or streak.on_probation):
            continue
        room = _room(streak, balancer.bounds.failures_max)
        if count_open(balancer, standing, key) >= room:
            if streak.on_probation:
                return "one call at a time shows whether it is well again"
            failures = count_phrase(streak.failures, "failure")
            return f"{failures} in a row: at most {count_phrase(room, 'exchange')} more"
    ejection = standing.warming.get(service_type)
    if service_type and ejection is not None:
        limit = warm_part(standing.server.max_sessions, ejection.warm_share(now))
        if count_open(balancer, standing, service_type) >= limit:
            return f"starts slowly: {limit} of {standing.server.max_sessions} exchanges"
    return None


def warm_up(balancer: Balancer, now: Instant) -> None:
    """Let the bounds of those that start slowly grow, and forget whoever is warm."""
    for server_id in [*balancer.warming]:
        standing = balancer.standings.get(server_id)
        if standing is not None:
            standing.warm_up(now)
        if standing is None or not standing.warming:
            balancer.warming.discard(server_id)


def _room(streak: Streak, consecutive_failures: int) -> int:
    """How many exchanges may be open: what is missing from an ejection.

    A streak of one session alone, where others were used, waits for a second one's word. Whoever
    should be out again for what costs no unit, and may not, is tried on.
    """
    missing = max(0, consecutive_failures - streak.failures)
    waits = not streak.costs_units if streak.on_probation else len(streak.sessions) <= 1
    return missing or int(waits)

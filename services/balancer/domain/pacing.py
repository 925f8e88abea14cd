"""After risk control a server rests, and its next calls of that type keep apart.

The generator behind a backend judges the address that the calls come from as well as the account: a
sibling session through the same server, at once, is the next to be watched. So the server takes no
call of that service type for half a minute, then one in each such span; each further risk control
doubles it, up to ten minutes, and a success ends it. Of servers that speak `plain` nothing is known
of that kind, so they are left alone. None of it is in the log: a new leader begins without.
"""

from datetime import timedelta

from contracts.balancer import PLAIN
from contracts.base import Instant, ServiceType
from services.balancer.domain.standing import Pace, ServerStanding

APART_FIRST = timedelta(seconds=30)
APART_MAX = timedelta(minutes=10)


def slow_down(standing: ServerStanding, service_type: ServiceType, now: Instant) -> None:
    """Keep a type's calls apart, twice as far as before."""
    if standing.server.dialect == PLAIN:
        return
    # As long as there is a pace, no success came since: the next risk control doubles it.
    pace = standing.paces.get(service_type)
    apart = APART_FIRST if pace is None else min(pace.apart * 2, APART_MAX)
    standing.paces[service_type] = Pace(apart=apart, next_at=now + apart)
    standing.note_restraint()


def speed_up(standing: ServerStanding, service_type: ServiceType) -> None:
    """Take a type's calls as they come again."""
    standing.paces.pop(service_type, None)
    standing.note_restraint()


def take_turn(standing: ServerStanding, service_type: ServiceType, now: Instant) -> None:
    """Note a call: the next one keeps its distance."""
    pace = standing.paces.get(service_type)
    if pace is not None:
        pace.next_at = now + pace.apart


def rest_s(standing: ServerStanding, service_type: ServiceType, now: Instant) -> float:
    """Seconds until the next call of a type may be made; 0: now."""
    pace = standing.paces.get(service_type)
    return 0.0 if pace is None else max(0.0, (pace.next_at - now).total_seconds())


def rest_reason(standing: ServerStanding, service_type: ServiceType, now: Instant) -> str | None:
    """Say how long the server rests; None when it does not."""
    left_s = rest_s(standing, service_type, now)
    return f"rests {left_s:.0f} s after risk control" if left_s else None

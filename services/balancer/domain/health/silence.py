"""A server that answers nothing is asked nothing more, long before its exchanges time out.

It is silent when an exchange there waits for longer than three times what 99 of 100 answers of that
service type take to begin, over the whole fleet, and no answer of the server has begun since that
exchange did. That it waits is the word of its gateway: one that died, or has ended it, waits for
nothing. It is heard again when it answers; when nobody waits there any more, it is half open.
"""

from contracts.balancer import ServerFellSilent
from contracts.base import Instant, ServerId, ServiceType
from services.balancer.domain.inheritance import says_open
from services.balancer.domain.state import Balancer, Placement

SAMPLES_MIN = 50
TIMES_P99 = 3
SILENT_MIN_S = 10.0
"""Nobody is called silent sooner: an end reaches the log a moment after it came."""


def silence_events(balancer: Balancer, now: Instant) -> list[ServerFellSilent]:
    """Decide who has fallen silent; each server once."""
    silent: dict[ServerId, ServerFellSilent] = {}
    expected: dict[ServiceType, float] = {}
    for placement in balancer.placements.values():
        if placement.answer is None or placement.answer.server_id in silent:
            continue
        service_type = placement.service_type
        if service_type not in expected:
            expected[service_type] = expected_s(balancer, service_type)
        waited_s = (now - placement.began_at).total_seconds()
        if not 0 < expected[service_type] < waited_s:
            continue
        server_id = placement.answer.server_id
        if not says_open(balancer, placement.gateway_id, server_id, now):
            continue
        if _was_heard(balancer, server_id, placement):
            continue
        silent[server_id] = ServerFellSilent(
            server_id=server_id,
            service_type=service_type,
            waited_s=round(waited_s, 1),
            expected_s=round(expected[service_type], 1),
        )
    return [*silent.values()]


def expected_s(balancer: Balancer, service_type: ServiceType) -> float:
    """Tell how long an answer may take to begin; 0 while too few were seen to say."""
    seen = balancer.first_bytes.get(service_type)
    if seen is None or seen.counted < SAMPLES_MIN:
        return 0.0
    return max(SILENT_MIN_S, TIMES_P99 * seen.quantile_ms(0.99) / 1000)


def _was_heard(balancer: Balancer, server_id: ServerId, placement: Placement) -> bool:
    """Tell whether the server has answered since, or is known to be silent, or is gone."""
    member = balancer.fleet.members.get(server_id)
    if member is None or member.silence is not None:
        return True
    answered_at = balancer.standings[server_id].answered_at
    return answered_at is not None and answered_at >= placement.began_at

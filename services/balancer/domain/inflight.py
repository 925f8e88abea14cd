"""Exchanges in flight: from the selection until the lease's end is in the log, or its deadline.

What holds at any moment: a server's `in_flight` is the number of placements that name it, plus
what is inherited for it.
"""

from datetime import timedelta

from contracts.balancer import Selected, SelectServer
from contracts.base import GatewayId, Instant, LeaseId, ServerId, ServiceType
from services.balancer.domain.inheritance import forget_gateway
from services.balancer.domain.standing import ServerStanding
from services.balancer.domain.state import Balancer, Placement

MARGIN_S = 5.0
"""After a lease's deadline the pool has this long to journal its expiry."""
_EXPIRES_IN_MAX_S = 86_400.0
_ENDED_KEPT = 20_000
_ALL = ServiceType("")


def open_placement(
    balancer: Balancer, wanted: SelectServer, gateway_id: GatewayId, now: Instant
) -> Placement:
    """Open a lease's placement, at no server yet."""
    assert wanted.lease_id not in balancer.placements, "another exchange would never be left"
    placement = Placement(
        gateway_id=gateway_id,
        deadline=_wait_deadline(wanted.expires_in_s, now),
        service_type=wanted.service_type,
        began_at=now,
    )
    balancer.placements[wanted.lease_id] = placement
    return placement


def start_exchange(
    balancer: Balancer, placement: Placement, answer: Selected, now: Instant
) -> None:
    """Count the exchange at the server that `answer` names."""
    assert placement.answer is None, "it is counted at a server already"
    standing = balancer.standings[answer.server_id]
    placement.answer, placement.began_at, placement.lost = answer, now, False
    placement.term = standing.term_of(placement.service_type)
    standing.in_flight += 1
    if standing.open_of is not None:
        _count_opened(standing.open_of, placement.service_type, 1)
    of = placement.gateway_id, answer.server_id
    balancer.placed[of] = balancer.placed.get(of, 0) + 1


def leave_server(balancer: Balancer, placement: Placement) -> ServerId:
    """Count the exchange no longer; return whose it was, empty when nobody's."""
    if placement.answer is None:
        return ServerId("")
    server_id = placement.answer.server_id
    _uncount_exchange(balancer, placement, server_id)
    placement.answer = None
    return server_id


def _uncount_exchange(balancer: Balancer, placement: Placement, server_id: ServerId) -> None:
    # It is there even when the fleet has lost the server: `take_event` keeps it until it is idle.
    standing = balancer.standings[server_id]
    standing.in_flight -= 1
    assert standing.in_flight >= 0
    if standing.open_of is not None and _is_counted(placement, standing):
        _count_opened(standing.open_of, placement.service_type, -1)
    of = placement.gateway_id, server_id
    balancer.placed[of] -= 1
    assert balancer.placed[of] >= 0
    if not balancer.placed[of]:
        del balancer.placed[of]


def is_of_this_term(balancer: Balancer, placement: Placement, server_id: ServerId) -> bool:
    """Tell whether an exchange began there since the server last went out, or came back."""
    standing = balancer.standings.get(server_id)
    return standing is not None and _is_of_term(placement, standing)


def count_open(balancer: Balancer, standing: ServerStanding, service_type: ServiceType) -> int:
    """Count a server's exchanges of the present term, of a service type or (empty) of all.

    They are looked for once when something begins to restrain it, and counted on from there.
    """
    if standing.open_of is None:
        standing.open_of = {}
        for placement in balancer.placements.values():
            at = placement.answer
            here = at is not None and at.server_id == standing.server_id
            if here and _is_counted(placement, standing):
                _count_opened(standing.open_of, placement.service_type, 1)
    return standing.open_of.get(service_type, 0)


def _is_counted(placement: Placement, standing: ServerStanding) -> bool:
    """Tell whether it keeps others away: what nobody waits for any more shows nothing."""
    return not placement.lost and _is_of_term(placement, standing)


def _is_of_term(placement: Placement, standing: ServerStanding) -> bool:
    return placement.term == standing.term_of(placement.service_type)


def _count_opened(opened: dict[ServiceType, int], service_type: ServiceType, more: int) -> None:
    for key in dict.fromkeys((_ALL, service_type)):
        opened[key] = opened.get(key, 0) + more
        assert opened[key] >= 0
        if not opened[key]:
            del opened[key]


def end_placement(balancer: Balancer, lease_id: LeaseId) -> Placement | None:
    """Take in that a lease has ended; return where it was, as it was until now."""
    placement = balancer.placements.pop(lease_id, None)
    # An end may come before its selection: the two travel on different ways.
    balancer.ended[lease_id] = None
    if len(balancer.ended) > _ENDED_KEPT:
        balancer.ended.popitem(last=False)
    if placement is not None and placement.answer is not None:
        _uncount_exchange(balancer, placement, placement.answer.server_id)
    return placement


def renew_deadline(
    balancer: Balancer, lease_id: LeaseId, expires_in_s: float, now: Instant
) -> None:
    """Move a lease's deadline."""
    placement = balancer.placements.get(lease_id)
    if placement is not None:
        placement.deadline = _wait_deadline(expires_in_s, now)


def _wait_deadline(expires_in_s: float, now: Instant) -> Instant:
    """Until when an exchange is waited for, whatever a log or a gateway says of its lease."""
    return now + timedelta(seconds=max(0.0, min(expires_in_s, _EXPIRES_IN_MAX_S)) + MARGIN_S)


def release_overdue(balancer: Balancer, now: Instant) -> list[LeaseId]:
    """Release what is past its deadline, and return those leases."""
    late = [lease for lease, placement in balancer.placements.items() if placement.deadline <= now]
    for lease_id in late:
        leave_server(balancer, balancer.placements.pop(lease_id))
    for gateway_id in [*balancer.inherited]:
        if balancer.inherited[gateway_id].until <= now:
            forget_gateway(balancer, gateway_id)
            _lose_exchanges(balancer, gateway_id)
    return late


def is_waited_for(balancer: Balancer, standing: ServerStanding) -> bool:
    """Tell whether a gateway may still wait for an answer of a server."""
    server_id = standing.server_id
    if not standing.in_flight:
        return False
    return any(server_id in inherited.open for inherited in balancer.inherited.values()) or any(
        placement.answer is not None
        and placement.answer.server_id == server_id
        and not placement.lost
        for placement in balancer.placements.values()
    )


def _lose_exchanges(balancer: Balancer, gateway_id: GatewayId) -> None:
    """Let what a gateway had open keep nobody away any more; in flight it is as the log has it."""
    for placement in balancer.placements.values():
        if placement.gateway_id != gateway_id or placement.answer is None or placement.lost:
            continue
        standing = balancer.standings[placement.answer.server_id]
        if standing.open_of is not None and _is_counted(placement, standing):
            _count_opened(standing.open_of, placement.service_type, -1)
        placement.lost = True

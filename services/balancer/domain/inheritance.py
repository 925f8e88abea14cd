"""Exchanges that an earlier leader placed, as the gateways count them.

A new leader knows no leases. The first batch of each gateway says how many exchanges it has open
at each server; what the leader did not place itself is inherited. From then on it only shrinks:
by ends in the log, or when the gateway has fewer open than were inherited.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from contracts.base import GatewayId, Instant, ServerId
from services.balancer.domain.state import Balancer, Inheritance

KEPT = timedelta(minutes=15)
"""A gateway that is silent for a lease's usual life has no inherited exchange left."""


def reported(
    balancer: Balancer, gateway_id: GatewayId, open_exchanges: Mapping[ServerId, int], now: Instant
) -> None:
    """Take in a gateway's open exchanges per server."""
    inherited = balancer.inherited.get(gateway_id)
    if inherited is None:
        _inherit(balancer, gateway_id, open_exchanges, now)
        return
    inherited.until = now + KEPT
    for server_id in [*inherited.open]:
        gone = inherited.open[server_id] - open_exchanges.get(server_id, 0)
        if gone > 0:
            inherited.told[server_id] = inherited.told.get(server_id, 0) + gone
            _shrink(balancer, inherited, server_id, gone)


def ended_elsewhere(balancer: Balancer, gateway_id: GatewayId, server_id: ServerId) -> None:
    """Take in the end of an exchange that this leader did not place."""
    inherited = balancer.inherited.get(gateway_id)
    if inherited is None:
        return
    if inherited.told.get(server_id, 0):
        inherited.told[server_id] -= 1
    elif inherited.open.get(server_id, 0):
        _shrink(balancer, inherited, server_id, 1)


def forgotten(balancer: Balancer, gateway_id: GatewayId) -> None:
    """Drop what was inherited from a gateway."""
    inherited = balancer.inherited.pop(gateway_id)
    for server_id, count in inherited.open.items():
        balancer.standings[server_id].in_flight -= count


def _inherit(
    balancer: Balancer, gateway_id: GatewayId, open_exchanges: Mapping[ServerId, int], now: Instant
) -> None:
    own = Counter(
        placement.answer.server_id
        for placement in balancer.placements.values()
        if placement.gateway_id == gateway_id and placement.answer is not None
    )
    inherited = Inheritance(until=now + KEPT)
    for server_id, count in open_exchanges.items():
        more = count - own[server_id]
        if more > 0 and server_id in balancer.standings:
            inherited.open[server_id] = more
            balancer.standings[server_id].in_flight += more
    balancer.inherited[gateway_id] = inherited


def _shrink(balancer: Balancer, inherited: Inheritance, server_id: ServerId, by: int) -> None:
    balancer.standings[server_id].in_flight -= by
    inherited.open[server_id] -= by
    if not inherited.open[server_id]:
        del inherited.open[server_id]

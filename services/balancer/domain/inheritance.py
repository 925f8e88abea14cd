"""Exchanges that an earlier leader placed, as the gateways count them.

A new leader knows no leases. Each gateway says, with every batch and once a second while it has
any, how many exchanges it has open at each server: what is open beyond the leader's own
placements was placed by an earlier leader. The difference is taken anew with every report, so
that no mistake lasts: own placements that the gateway has not begun yet, or has ended and the log
does not know yet, hide an inherited exchange for a moment, and the next report shows it again.
It is never more than the gateway's first report had open, nor than any later one.
"""

from collections.abc import Mapping
from datetime import timedelta

from contracts.balancer import SelectServers
from contracts.base import GatewayId, Instant, ServerId
from services.balancer.domain.state import Balancer, Inheritance

KEPT = timedelta(seconds=15)
"""A gateway with open exchanges reports every second; a silent one has none, or is no more."""
_HEARD_WITHIN = timedelta(seconds=3)
_ANSWERED_MAX_S = 86_400.0


def hear_gateway(balancer: Balancer, told: SelectServers, now: Instant) -> None:
    """Take in what a gateway says beside its selections."""
    take_report(balancer, told.gateway_id, told.open_exchanges, now)
    if told.answered_s:
        hear_answers(balancer, told.answered_s, now)


def take_report(
    balancer: Balancer, gateway_id: GatewayId, open_exchanges: Mapping[ServerId, int], now: Instant
) -> None:
    """Take in a gateway's open exchanges per server."""
    until = now + KEPT
    inherited = balancer.inherited.get(gateway_id)
    if inherited is None:
        # Of its first report alone: whatever a gateway opens later, this leader has placed.
        most = {
            server_id: count - balancer.placed.get((gateway_id, server_id), 0)
            for server_id, count in open_exchanges.items()
        }
        inherited = Inheritance(until=until, said_at=now, most=most)
        balancer.inherited[gateway_id] = inherited
    inherited.until, inherited.said_at, inherited.said = until, now, open_exchanges
    for server_id in [*inherited.most]:
        # A gateway may name a server that the fleet has no more, or never had.
        gone = server_id not in balancer.standings
        count = 0 if gone else open_exchanges.get(server_id, 0)
        inherited.most[server_id] = min(inherited.most[server_id], count)
        beyond = count - balancer.placed.get((gateway_id, server_id), 0)
        _count_inherited(
            balancer, inherited, server_id, max(0, min(inherited.most[server_id], beyond))
        )
        if inherited.most[server_id] <= 0:
            del inherited.most[server_id]


def says_open(balancer: Balancer, gateway_id: GatewayId, server_id: ServerId, now: Instant) -> bool:
    """Tell whether a gateway said, a moment ago, that it has exchanges open at a server."""
    gateway = balancer.inherited.get(gateway_id)
    return (
        gateway is not None
        and now - gateway.said_at <= _HEARD_WITHIN
        and gateway.said.get(server_id, 0) > 0
    )


def hear_answers(balancer: Balancer, answered_s: Mapping[ServerId, float], now: Instant) -> None:
    """Note how long ago answers began at servers, ended or not."""
    for server_id, seconds in answered_s.items():
        standing = balancer.standings.get(server_id)
        at = now - timedelta(seconds=min(max(seconds, 0.0), _ANSWERED_MAX_S))
        if standing is not None and (standing.answered_at is None or standing.answered_at < at):
            standing.answered_at = at


def forget_gateway(balancer: Balancer, gateway_id: GatewayId) -> None:
    """Drop what was inherited from a gateway."""
    inherited = balancer.inherited.pop(gateway_id)
    for server_id in [*inherited.open]:
        _count_inherited(balancer, inherited, server_id, 0)


def _count_inherited(
    balancer: Balancer, inherited: Inheritance, server_id: ServerId, count: int
) -> None:
    more = count - inherited.open.pop(server_id, 0)
    assert count >= 0
    if count:
        inherited.open[server_id] = count
    if more:
        standing = balancer.standings[server_id]
        standing.in_flight += more
        assert standing.in_flight >= 0

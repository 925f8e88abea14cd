"""What an operator's strategies are asked for one batch of selections."""

from collections.abc import Sequence

from contracts.balancer import SelectServer, ServerView
from contracts.base import Instant, ServerId
from services.balancer import strategies
from services.balancer.custom.words import CallToPick, PickQuestion, ServerFacts
from services.balancer.domain import (
    Balancer,
    eligible_servers,
    options_for,
    server_views,
    servers_of_level,
)

Asked = dict[str, tuple[list[int], PickQuestion]]
"""By strategy: which items of the batch it is asked for, and what."""


def batch_questions(balancer: Balancer, items: Sequence[SelectServer], now: Instant) -> Asked:
    """Say what is to be asked of whom; nothing where no strategy is an operator's own."""
    places: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        name = options_for(balancer, item.service_type).strategy_name
        if strategies.is_custom(name) and not item.only:
            places.setdefault(name, []).append(place)
    if not places:
        return {}
    views = server_views(balancer, now)
    servers = [server_facts(view) for view in views]
    number = {view.server.server_id: place for place, view in enumerate(views)}
    return {
        name: (
            asked,
            PickQuestion(
                servers=servers,
                calls=[_call_to_pick(balancer, items[place], number, now) for place in asked],
            ),
        )
        for name, asked in places.items()
    }


def server_facts(view: ServerView) -> ServerFacts:
    """Show one server as `/api/load-balancer` does."""
    server = view.server
    return {
        "id": server.server_id,
        "url": server.url,
        "region": server.region,
        "healthy": view.healthy,
        "connections": view.connections,
        "maxConnections": server.max_sessions,
        "utilization": round(view.connections / max(server.max_sessions, 1), 4),
        "avgResponseTime": round(view.avg_response_ms, 2),
        "successRate": round(view.success_rate, 4) if view.attempts else None,
        "capabilities": [str(name) for name in server.capabilities],
        "priority": server.priority,
        "state": view.state,
        "reason": view.words,
    }


def _call_to_pick(
    balancer: Balancer, item: SelectServer, number: dict[ServerId, int], now: Instant
) -> CallToPick:
    """Say for what a call is, and who may be chosen for it now."""
    options = options_for(balancer, item.service_type)
    eligible = eligible_servers(balancer, options, item, item.session_region, now)
    if options.levels:
        # Whom another level keeps back would not be taken: nor is it offered.
        eligible = servers_of_level(options, eligible)
    return CallToPick(
        criteria={
            "service_type": item.service_type,
            "client_region": item.client_region,
            "session_region": item.session_region,
            "avoid": item.avoid,
        },
        eligible=[number[standing.server_id] for standing in eligible],
    )

"""The file and administrators change the fleet; the file only when it changed.

A change through the API stands until the file next changes: then the fleet becomes what the file
says. Which file was applied last is in the log, as the digest that its events name.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from contracts.balancer import (
    BalancerAdmin,
    PutServer,
    RemoveServer,
    Server,
    ServerAdded,
    ServerChanged,
    ServerRemoved,
    StrategyChanged,
)
from contracts.base import Failed
from services.balancer import strategies
from services.balancer.domain.fleet import CONFIGURATION, Fleet

ConfigurationEvent = ServerAdded | ServerChanged | ServerRemoved | StrategyChanged


def digest(strategy: str, servers: Sequence[Server]) -> str:
    """Name what a configuration says of strategy and servers; their order says nothing."""
    ordered = sorted(servers, key=lambda server: server.server_id)
    said = msgspec.json.encode([strategy, ordered], order="deterministic")
    return CONFIGURATION + hashlib.sha256(said).hexdigest()[:32]


def configured(fleet: Fleet, strategy: str, servers: Sequence[Server]) -> list[ConfigurationEvent]:
    """Decide what makes the fleet what the file says; nothing when this file was applied last.

    The strategy is said anew each time, even unchanged: it carries the digest.
    """
    source = digest(strategy, servers)
    if source == fleet.source:
        return []
    events: list[ConfigurationEvent] = []
    for server in servers:
        events += _put(fleet, server, source)
    named = {server.server_id for server in servers}
    events += [
        ServerRemoved(server_id=server_id, source=source)
        for server_id in fleet.members
        if server_id not in named
    ]
    events.append(StrategyChanged(strategy=strategy, reason="configuration", source=source))
    return events


def administered(fleet: Fleet, command: BalancerAdmin) -> list[ConfigurationEvent] | Failed:
    """Decide what an administrator's command changes; nothing when it is so already."""
    # So that no administrator's name is taken for a configuration's digest.
    source = f"by:{command.by}"
    match command:
        case PutServer():
            return _put(fleet, command.server, source)
        case RemoveServer():
            if command.server_id in fleet.members:
                return [ServerRemoved(server_id=command.server_id, source=source)]
            message = f"server_id: there is no server {command.server_id!r}"
            return Failed(code="not_found", message=message)
        case _:
            strategy, reason = command.strategy, command.reason
            wrong = strategies.unusable(strategy)
            if wrong:
                return Failed(code="bad_request", message=f"strategy: {wrong}")
            if strategy == fleet.strategy:
                return []
            return [StrategyChanged(strategy=strategy, reason=reason, source=source)]


def _put(fleet: Fleet, server: Server, source: str) -> list[ConfigurationEvent]:
    member = fleet.members.get(server.server_id)
    if member is None:
        return [ServerAdded(server=server, source=source)]
    if member.server == server:
        return []
    return [ServerChanged(server=server, source=source)]

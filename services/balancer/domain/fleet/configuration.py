"""The file changes the fleet, but only when it changed.

A change through the API stands until the file next changes: then the fleet becomes what the file
says. Which file was applied last is in the log, as the digest that its events name. One that would
leave no server, or only the demo's where there were others, is held until somebody accepts it: it
is a file that was lost, emptied or forgotten more often than a wish.
"""

import hashlib
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import msgspec

from contracts.balancer import (
    CONFIGURATION,
    DEMO,
    ConfigurationAccepted,
    HeldConfiguration,
    Server,
    ServerAdded,
    ServerChanged,
    ServerDrained,
    ServerRemoved,
    ServerUndrained,
    StrategyChanged,
    StrategyPinned,
    StrategyUnpinned,
)
from contracts.base import ServerId
from services.balancer.domain.fleet.fold import Fleet, Member

ConfigurationEvent = (
    ServerAdded
    | ServerChanged
    | ServerRemoved
    | ServerDrained
    | ServerUndrained
    | StrategyChanged
    | StrategyPinned
    | StrategyUnpinned
    | ConfigurationAccepted
)


def configuration_digest(strategy: str, servers: Sequence[Server], *, demo: bool = False) -> str:
    """Name what a configuration says of strategy and servers; their order says nothing."""
    ordered = sorted(servers, key=lambda server: server.server_id)
    said = msgspec.json.encode([strategy, ordered], order="deterministic")
    return CONFIGURATION + hashlib.sha256(said).hexdigest()[:32] + (DEMO if demo else "")


def configuration_hold(
    fleet: Fleet, strategy: str, servers: Sequence[Server], *, demo: bool = False
) -> HeldConfiguration | None:
    """Say why this configuration waits for an operator's word; None when it may be applied.

    With `demo` the servers are the demo's own, because nobody named any.
    """
    source = configuration_digest(strategy, servers, demo=demo)
    # Nothing can be lost, it is in force already, or somebody has said yes to it.
    if not fleet.members or source in {fleet.source, fleet.accepted}:
        return None
    named = {server.server_id: server for server in servers}
    gone = [
        name
        for name, member in fleet.members.items()
        if not _keeps_address(member, named.get(name))
    ]
    if not servers:
        return HeldConfiguration(digest=source, reason="no server would remain", removes=gone)
    others = [
        name for name, member in fleet.members.items() if not _is_demo(member, named.get(name))
    ]
    if demo and others:
        reason = "only the demo's servers would remain"
        return HeldConfiguration(digest=source, reason=reason, removes=gone)
    return None


def own_servers(fleet: Fleet) -> Iterator[tuple[ServerId, str]]:
    """Name the servers that a configuration brought, and their addresses; not the demo's."""
    for name, member in fleet.members.items():
        if member.source.startswith(CONFIGURATION) and not member.source.endswith(DEMO):
            yield name, member.server.url


def _keeps_address(member: Member, server: Server | None) -> bool:
    return server is not None and server.url == member.server.url


def _is_demo(member: Member, server: Server | None) -> bool:
    """Tell whether a server that stands is the demo's, `server` being the demo's of that name.

    Events of earlier versions do not say it: there, it is what differs in its port at most.
    """
    if member.source.endswith(DEMO):
        return True
    if server is None or urlsplit(server.url).hostname != urlsplit(member.server.url).hostname:
        return False
    configured_so = msgspec.structs.replace(server, url=member.server.url) == member.server
    return configured_so or not member.source.startswith(CONFIGURATION)


def configuration_events(
    fleet: Fleet, strategy: str, servers: Sequence[Server], *, demo: bool = False
) -> list[ConfigurationEvent]:
    """Decide what makes the fleet what the file says; nothing when this file was applied last.

    The strategy is said anew each time, even unchanged: it carries the digest.
    """
    source = configuration_digest(strategy, servers, demo=demo)
    if source == fleet.source:
        return []
    events: list[ConfigurationEvent] = []
    for server in servers:
        events += put_events(fleet, server, source)
    named = {server.server_id for server in servers}
    events += [
        ServerRemoved(server_id=server_id, source=source)
        for server_id in fleet.members
        if server_id not in named
    ]
    # Last: cut off before it, the fleet keeps the old digest and the file is applied again.
    events.append(StrategyChanged(strategy=strategy, reason="configuration", source=source))
    return events


def put_events(fleet: Fleet, server: Server, source: str) -> list[ConfigurationEvent]:
    """Decide what makes `server` the one of its id."""
    member = fleet.members.get(server.server_id)
    if member is None:
        return [ServerAdded(server=server, source=source)]
    if member.server == server:
        return []
    return [ServerChanged(server=server, source=source)]

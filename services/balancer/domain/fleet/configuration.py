"""The file changes the fleet, but only in what changed in the file.

Each server, the strategies and the rules have a digest of their own, which their events carry. What
the file says as it said it before is left alone, so that a change through the API stands until that
part of the file changes. A server that an administrator removed keeps the digest of its entry: it
stays removed until its entry changes. Servers that never were in the file are none of its business.

A file that would take away all that an earlier one brought, or would leave the demo's servers in
their place, is held until somebody accepts it: it is a file that was lost, emptied or forgotten
more often than a wish.
"""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from contracts.balancer import (
    CONFIGURATION,
    DEMO,
    ConfigurationAccepted,
    HeldConfiguration,
    RulesChanged,
    Server,
    ServerAdded,
    ServerChanged,
    ServerDrained,
    ServerRemoved,
    ServerUndrained,
    StrategyChanged,
    StrategyPinned,
    StrategyRule,
    StrategyUnpinned,
)
from contracts.base import ServerId, ServiceType
from services.balancer.domain.fleet.digests import digest_of, entry_digest, plain_server
from services.balancer.domain.fleet.fold import GENERAL, Fleet
from services.balancer.domain.fleet.member import Member

ConfigurationEvent = (
    ServerAdded
    | ServerChanged
    | ServerRemoved
    | ServerDrained
    | ServerUndrained
    | StrategyChanged
    | StrategyPinned
    | StrategyUnpinned
    | RulesChanged
    | ConfigurationAccepted
)
_REASON = "configuration"
_KEPT = "kept: the configuration changed elsewhere"
"""Why a strategy of the API's is said again: the event only ends what a file changed."""


class ConfiguredFleet(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says of the servers, and of who chooses among them."""

    strategy: str
    servers: Sequence[Server] = ()
    strategies: Mapping[ServiceType, str] = {}
    """Of the service types that have one of their own."""
    rules: Sequence[StrategyRule] = ()
    demo: bool = False
    """The servers are the demo's own, because nobody named any."""


def configuration_digest(configured: ConfiguredFleet) -> str:
    """Name what a configuration says in all; the order of its servers says nothing."""
    ordered = sorted(map(plain_server, configured.servers), key=lambda server: server.server_id)
    said: list[object] = [configured.strategy, ordered]
    if configured.strategies or configured.rules:
        # Else it is what earlier versions made of the same file.
        said += [configured.strategies, configured.rules]
    digest = digest_of(msgspec.json.encode(said, order="deterministic"))
    return digest + (DEMO if configured.demo else "")


def configuration_hold(fleet: Fleet, configured: ConfiguredFleet) -> HeldConfiguration | None:
    """Say why this configuration waits for an operator's word; None when it may be applied."""
    source = configuration_digest(configured)
    # Nothing can be lost, it is in force already, or somebody has said yes to it.
    if not fleet.members or source in {fleet.source, fleet.accepted}:
        return None
    named = {server.server_id: server for server in configured.servers}
    brought = {name: member for name, member in fleet.members.items() if name in fleet.entries}
    gone = [name for name, member in brought.items() if not _stays(fleet, member, named.get(name))]
    alone = len(brought) == len(fleet.members)
    if not configured.servers and gone:
        reason = "no server would remain" if alone else "no server of the file would remain"
        return HeldConfiguration(digest=source, reason=reason, removes=gone)
    others = [name for name, member in brought.items() if not _is_demo(member, named.get(name))]
    if configured.demo and others:
        reason = "only the demo's servers would remain"
        reason += "" if alone else " of the file's"
        return HeldConfiguration(digest=source, reason=reason, removes=gone)
    return None


def own_servers(fleet: Fleet) -> Iterator[tuple[ServerId, str]]:
    """Name the servers that a configuration brought, and their addresses; not the demo's."""
    for name, member in fleet.members.items():
        if member.source.startswith(CONFIGURATION) and not member.source.endswith(DEMO):
            yield name, member.server.url


def _stays(fleet: Fleet, member: Member, server: Server | None) -> bool:
    """Tell whether a server stays where it is with a file that has `server` in its place."""
    if server is None:
        return False
    unchanged = fleet.entries.get(server.server_id) == entry_digest(server)
    return unchanged or server.url == member.server.url


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


def configuration_events(fleet: Fleet, configured: ConfiguredFleet) -> list[ConfigurationEvent]:
    """Decide what the file changes; nothing when this file was applied last.

    The strategy is said each time, last, even unchanged: it carries the digest of the whole.
    """
    source = configuration_digest(configured)
    if source == fleet.source:
        return []
    events: list[ConfigurationEvent] = []
    for server in configured.servers:
        entry = entry_digest(server)
        if fleet.entries.get(server.server_id) != entry:
            events.append(_entry_event(fleet, server, source, entry))
    named = {server.server_id for server in configured.servers}
    # Those that an administrator removed as well: nothing of the file is remembered of them then.
    events += [
        ServerRemoved(server_id=server_id, source=source)
        for server_id in fleet.entries
        if server_id not in named
    ]
    return [*events, *_strategy_events(fleet, configured, source)]


def _entry_event(
    fleet: Fleet, server: Server, source: str, entry: str
) -> ServerAdded | ServerChanged:
    """Put a server as its entry says it, and remember the entry, even if it is so already."""
    if server.server_id in fleet.members:
        return ServerChanged(server=server, source=source, entry=entry)
    return ServerAdded(server=server, source=source, entry=entry)


def _strategy_events(
    fleet: Fleet, configured: ConfiguredFleet, source: str
) -> Iterator[ConfigurationEvent]:
    """Say who chooses: for single service types, by which rules, and at last for all others."""
    known = fleet.strategy_entries
    for service_type, strategy in configured.strategies.items():
        entry = entry_digest(strategy)
        if known.get(service_type) != entry:
            yield _strategy_event(strategy, source, entry, service_type)
    for service_type in known:
        if service_type != GENERAL and service_type not in configured.strategies:
            yield _strategy_event("", source, "", service_type)
    rules_entry = entry_digest(configured.rules)
    if rules_entry != (fleet.rules_entry or entry_digest(())):
        yield RulesChanged(rules=list(configured.rules), source=source, entry=rules_entry)
    # Last: cut off before it, the fleet keeps the old digest and the file is applied again.
    entry = entry_digest(configured.strategy)
    kept = known.get(GENERAL) == entry and fleet.strategy != configured.strategy
    if kept:
        yield _strategy_event(fleet.strategy, source, entry, reason=_KEPT)
    else:
        yield _strategy_event(configured.strategy, source, entry)


def _strategy_event(
    strategy: str,
    source: str,
    entry: str,
    service_type: ServiceType = GENERAL,
    reason: str = _REASON,
) -> StrategyChanged:
    return StrategyChanged(
        strategy=strategy, reason=reason, source=source, service_type=service_type, entry=entry
    )


def put_events(fleet: Fleet, server: Server, source: str) -> list[ConfigurationEvent]:
    """Decide what makes `server` the one of its id, by an administrator's word."""
    member = fleet.members.get(server.server_id)
    entry = fleet.entries.get(server.server_id, "")
    if member is None:
        return [ServerAdded(server=server, source=source, entry=entry)]
    if member.server == server:
        return []
    return [ServerChanged(server=server, source=source, entry=entry)]

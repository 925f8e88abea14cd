"""What the log says of the servers: a fold of `evt.balancer`, equal in every process.

Which parts of the file were applied is in it too (`entries`). Earlier versions did not write that
down, but applied the whole file whenever it had changed: at the end of what they journalled for it,
the servers and the strategy that stood were those of the file.
"""

from msgspec.structs import replace

from contracts.balancer import (
    CONFIGURATION,
    ConfigurationAccepted,
    RulesChanged,
    ServerAdded,
    ServerChanged,
    ServerDrained,
    ServerEjected,
    ServerFellSilent,
    ServerHalfOpened,
    ServerHealthChanged,
    ServerHeardAgain,
    ServerReadmitted,
    ServerRemoved,
    ServerUndrained,
    StrategyChanged,
    StrategyPinned,
    StrategyRule,
    StrategySwitched,
    StrategyUnpinned,
)
from contracts.base import Event, Instant, Part, ServerId, ServiceType
from services.balancer.domain.fleet.digests import entry_digest
from services.balancer.domain.fleet.member import Member, enter_member, judge_member
from services.balancer.strategies import DEFAULT

GENERAL = ServiceType("")
"""Whose strategy chooses for every service type that has none of its own."""

StrategyEvent = (
    StrategyChanged | StrategyPinned | StrategyUnpinned | StrategySwitched | RulesChanged
)


class Fleet(Part, frozen=True, kw_only=True):
    """Every server, the strategies, and what of both comes from the file."""

    members: dict[ServerId, Member] = {}
    entries: dict[ServerId, str] = {}
    """Digest of each server's entry in the file as it was applied last; of one that an
    administrator removed, too."""
    strategy: str = DEFAULT
    strategies: dict[ServiceType, str] = {}
    """Of the service types that have one of their own."""
    strategy_entries: dict[ServiceType, str] = {}
    """Digests of what the file says of strategies, as it was applied last."""
    rules: list[StrategyRule] = []
    rules_entry: str = ""
    switched: dict[ServiceType, StrategySwitched] = {}
    """The service types for which a rule holds, and since which event."""
    pinned: str = ""
    """The strategy that chooses whatever else says; empty: none is pinned."""
    pinned_at: Instant | None = None
    source: str = ""
    """Digest of the configuration that was applied last; empty before the first."""
    accepted: str = ""
    """Digest of the one that may take servers away; none any more once one was applied."""

    def strategy_for(self, service_type: ServiceType) -> str:
        """Who chooses for a service type: the pin, else a rule, else what file or API said."""
        if self.pinned:
            return self.pinned
        if switched := self.switched.get(service_type):
            return switched.strategy
        return self.strategies.get(service_type) or self.strategy

    def strategies_in_force(self) -> set[str]:
        """Every strategy that chooses for somebody now."""
        if self.pinned:
            return {self.pinned}
        return {self.strategy, *self.own_strategies().values()}

    def own_strategies(self) -> dict[ServiceType, str]:
        """Who chooses for the service types that have one of their own, or for which a rule holds.

        The pin is not in it: it chooses for all of them.
        """
        switched = {name: event.strategy for name, event in self.switched.items()}
        return {**self.strategies, **switched}


def evolve(fleet: Fleet, event: Event, at: Instant | None = None) -> Fleet:
    """Take in one event of an envelope of the time `at`.

    What does not concern the fleet, or a server that it lacks, changes nothing.
    """
    match event:
        case ServerAdded() | ServerChanged() | ServerRemoved():
            return _change_members(fleet, event)
        case (
            StrategyChanged()
            | StrategyPinned()
            | StrategyUnpinned()
            | StrategySwitched()
            | RulesChanged()
        ):
            return _change_strategy(fleet, event, at)
        case ConfigurationAccepted():
            return replace(fleet, accepted=event.digest)
        case (
            ServerHealthChanged()
            | ServerEjected()
            | ServerHalfOpened()
            | ServerReadmitted()
            | ServerFellSilent()
            | ServerHeardAgain()
            | ServerDrained()
            | ServerUndrained()
        ):
            before = fleet.members.get(event.server_id)
            judged = {} if before is None else {event.server_id: judge_member(before, event, at)}
            return replace(fleet, members={**fleet.members, **judged}) if judged else fleet
        case _:
            return fleet


def _change_members(fleet: Fleet, event: ServerAdded | ServerChanged | ServerRemoved) -> Fleet:
    """Enter a server or let it go; of the file's, remember how it was said there."""
    members, entries = {**fleet.members}, {**fleet.entries}
    by_file = event.source.startswith(CONFIGURATION)
    if isinstance(event, ServerRemoved):
        members.pop(event.server_id, None)
        if by_file:
            entries.pop(event.server_id, None)
    else:
        server_id = event.server.server_id
        members[server_id] = enter_member(fleet.members.get(server_id), event)
        if by_file:
            entries[server_id] = event.entry or entry_digest(event.server)
    source = _latest_source(fleet, event.source)
    return replace(fleet, members=members, entries=entries, source=source)


def _change_strategy(fleet: Fleet, event: StrategyEvent, at: Instant | None) -> Fleet:
    """Note which strategy chooses."""
    match event:
        case StrategyPinned():
            return replace(fleet, pinned=event.strategy, pinned_at=at)
        case StrategyUnpinned():
            return replace(fleet, pinned="", pinned_at=None)
        case StrategySwitched():
            switched = {**fleet.switched, event.service_type: event}
            if not event.rule:
                del switched[event.service_type]
            return replace(fleet, switched=switched)
        case RulesChanged():
            source = _latest_source(fleet, event.source)
            return replace(fleet, rules=event.rules, rules_entry=event.entry, source=source)
        case _:
            return _choose_strategy(fleet, event)


def _choose_strategy(fleet: Fleet, event: StrategyChanged) -> Fleet:
    """Note who chooses, for one service type or for all that have none of their own."""
    by_file = event.source.startswith(CONFIGURATION)
    entries, service_type = {**fleet.strategy_entries}, event.service_type
    source = _latest_source(fleet, event.source)
    if service_type != GENERAL:
        own = {**fleet.strategies, service_type: event.strategy}
        if not event.strategy:
            del own[service_type]
        if by_file:
            entries[service_type] = event.entry
            if not event.entry:
                del entries[service_type]
        return replace(fleet, strategies=own, strategy_entries=entries, source=source)
    chosen = replace(fleet, strategy=event.strategy, source=source)
    if not by_file:
        return chosen
    entries[GENERAL] = event.entry or entry_digest(event.strategy)
    # The last event of a configuration: a word given for this one is not for the next.
    applied = replace(chosen, strategy_entries=entries, accepted="")
    if event.entry:
        return applied
    as_the_file = {name: entry_digest(member.server) for name, member in fleet.members.items()}
    return replace(applied, entries=as_the_file)


def _latest_source(fleet: Fleet, source: str) -> str:
    """Which configuration was applied last; an administrator is no configuration."""
    return source if source.startswith(CONFIGURATION) else fleet.source

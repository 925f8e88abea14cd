"""What the log says of the servers: a fold of `evt.balancer`, equal in every process."""

from msgspec.structs import replace

from contracts.balancer import (
    CONFIGURATION,
    ConfigurationAccepted,
    Health,
    Server,
    ServerAdded,
    ServerChanged,
    ServerDrained,
    ServerEjected,
    ServerHealthChanged,
    ServerReadmitted,
    ServerRemoved,
    ServerUndrained,
    StrategyChanged,
    StrategyPinned,
    StrategyUnpinned,
)
from contracts.base import Event, Instant, Part, ServerId
from services.balancer import strategies

UNPROBED = "not probed yet"

MemberEvent = (
    ServerHealthChanged | ServerEjected | ServerReadmitted | ServerDrained | ServerUndrained
)


class Member(Part, frozen=True, kw_only=True):
    """One server of the fleet."""

    server: Server
    source: str = ""
    """The digest of the configuration that it came from, or who put it so."""
    health: Health = Health.DOWN
    draining: bool = False
    """No new exchange begins there, by an operator's word."""
    judged: bool = False
    """Whether probes or outcomes have said anything of it yet."""
    reason: str = UNPROBED
    ejected_until: Instant | None = None
    """While set it is not believed; `ServerReadmitted` clears it."""
    ejected_for: str = ""
    ejections: int = 0
    """How often in a row it was ejected."""
    last_ejection_until: Instant | None = None

    @property
    def is_healthy(self) -> bool:
        """Up and not ejected."""
        return self.health is Health.UP and self.ejected_until is None


class Fleet(Part, frozen=True, kw_only=True):
    """Every server, the strategy, and which configuration both come from."""

    members: dict[ServerId, Member] = {}
    strategy: str = strategies.DEFAULT
    pinned: str = ""
    """The strategy that chooses whatever else says; empty: none is pinned."""
    source: str = ""
    """Digest of the configuration that was applied last; empty before the first."""
    accepted: str = ""
    """Digest of the one that may take servers away; none any more once one was applied."""


def evolve(fleet: Fleet, event: Event) -> Fleet:
    """Take one event in; what does not concern the fleet, or a server it lacks, changes nothing."""
    match event:
        case ServerAdded() | ServerChanged():
            member = _enter_member(fleet.members.get(event.server.server_id), event)
            members = {**fleet.members, event.server.server_id: member}
            return replace(fleet, members=members, source=_latest_source(fleet, event.source))
        case ServerRemoved():
            members = {**fleet.members}
            members.pop(event.server_id, None)
            return replace(fleet, members=members, source=_latest_source(fleet, event.source))
        case StrategyChanged() | StrategyPinned() | StrategyUnpinned():
            return _change_strategy(fleet, event)
        case ConfigurationAccepted():
            return replace(fleet, accepted=event.digest)
        case (
            ServerHealthChanged()
            | ServerEjected()
            | ServerReadmitted()
            | ServerDrained()
            | ServerUndrained()
        ):
            before = fleet.members.get(event.server_id)
            judged = {} if before is None else {event.server_id: _judge_member(before, event)}
            return replace(fleet, members={**fleet.members, **judged}) if judged else fleet
        case _:
            return fleet


def _change_strategy(
    fleet: Fleet, event: StrategyChanged | StrategyPinned | StrategyUnpinned
) -> Fleet:
    """Note which strategy chooses."""
    match event:
        case StrategyPinned():
            return replace(fleet, pinned=event.strategy)
        case StrategyUnpinned():
            return replace(fleet, pinned="")
        case StrategyChanged():
            source = _latest_source(fleet, event.source)
            # The last event of a configuration: a word given for this one is not for the next.
            accepted = "" if event.source.startswith(CONFIGURATION) else fleet.accepted
            return replace(fleet, strategy=event.strategy, source=source, accepted=accepted)


def _enter_member(before: Member | None, event: ServerAdded | ServerChanged) -> Member:
    """Enter a server; what is known of it stays true at the address it had before."""
    server, source = event.server, event.source
    if before is None:
        return Member(server=server, source=source)
    if before.server.url != server.url:
        # What was known is of another machine; that it is drained is of its name.
        return Member(server=server, source=source, draining=before.draining)
    return replace(before, server=server, source=source)


def _judge_member(before: Member, event: MemberEvent) -> Member:
    """Note what an event says of a member's health, of its ejection, or of its draining."""
    match event:
        case ServerDrained() | ServerUndrained():
            return replace(before, draining=isinstance(event, ServerDrained))
        case ServerHealthChanged():
            return replace(before, health=event.health, judged=True, reason=event.reason)
        case ServerEjected():
            return replace(
                before,
                ejected_until=event.until,
                ejected_for=event.reason,
                ejections=event.times,
                last_ejection_until=event.until,
            )
        case _:
            return replace(before, ejected_until=None, ejected_for="")


def _latest_source(fleet: Fleet, source: str) -> str:
    """Which configuration was applied last; an administrator is no configuration."""
    return source if source.startswith(CONFIGURATION) else fleet.source

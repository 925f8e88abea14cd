"""What the log says of the servers: a fold of `evt.balancer`, equal in every process."""

from msgspec.structs import replace

from contracts.balancer import (
    CONFIGURATION,
    ConfigurationAccepted,
    Health,
    Server,
    ServerAdded,
    ServerChanged,
    ServerEjected,
    ServerHealthChanged,
    ServerReadmitted,
    ServerRemoved,
    StrategyChanged,
)
from contracts.base import Event, Instant, Part, ServerId
from services.balancer import strategies

UNPROBED = "not probed yet"


class Member(Part, frozen=True, kw_only=True):
    """One server of the fleet."""

    server: Server
    source: str = ""
    """The digest of the configuration that it came from, or who put it so."""
    health: Health = Health.DOWN
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
        case StrategyChanged():
            source = _latest_source(fleet, event.source)
            # The last event of a configuration: a word given for this one is not for the next.
            accepted = "" if event.source.startswith(CONFIGURATION) else fleet.accepted
            return replace(fleet, strategy=event.strategy, source=source, accepted=accepted)
        case ConfigurationAccepted():
            return replace(fleet, accepted=event.digest)
        case ServerHealthChanged() | ServerEjected() | ServerReadmitted():
            before = fleet.members.get(event.server_id)
            judged = {} if before is None else {event.server_id: _judge_member(before, event)}
            return replace(fleet, members={**fleet.members, **judged}) if judged else fleet
        case _:
            return fleet


def _enter_member(before: Member | None, event: ServerAdded | ServerChanged) -> Member:
    """Enter a server; what is known of it stays true at the address it had before."""
    server, source = event.server, event.source
    if before is None or before.server.url != server.url:
        # What was known is of another machine.
        return Member(server=server, source=source)
    return replace(before, server=server, source=source)


def _judge_member(
    before: Member, event: ServerHealthChanged | ServerEjected | ServerReadmitted
) -> Member:
    """Note what an event says of a member's health, or of its ejection."""
    match event:
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

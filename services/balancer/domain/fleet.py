"""What the log says of the servers: a fold of `evt.balancer`, equal in every process."""

from msgspec.structs import replace

from contracts.balancer import (
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

CONFIGURATION = "sha256:"
"""How the `source` of an event from the configuration file begins; the rest is a digest."""
UNPROBED = "not probed yet"


class Member(Part, frozen=True, kw_only=True):
    """One server of the fleet."""

    server: Server
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
    def healthy(self) -> bool:
        """Up and not ejected."""
        return self.health is Health.UP and self.ejected_until is None


class Fleet(Part, frozen=True, kw_only=True):
    """Every server, the strategy, and which configuration both come from."""

    members: dict[ServerId, Member] = {}
    strategy: str = strategies.DEFAULT
    source: str = ""
    """Digest of the configuration that was applied last; empty before the first."""


def evolve(fleet: Fleet, event: Event) -> Fleet:
    """Take one event in; what does not concern the fleet, or a server it lacks, changes nothing."""
    match event:
        case ServerAdded() | ServerChanged():
            member = _entered(fleet.members.get(event.server.server_id), event.server)
            members = {**fleet.members, event.server.server_id: member}
            return replace(fleet, members=members, source=_source(fleet, event.source))
        case ServerRemoved():
            members = {**fleet.members}
            members.pop(event.server_id, None)
            return replace(fleet, members=members, source=_source(fleet, event.source))
        case StrategyChanged():
            source = _source(fleet, event.source)
            return replace(fleet, strategy=event.strategy, source=source)
        case ServerHealthChanged() | ServerEjected() | ServerReadmitted():
            before = fleet.members.get(event.server_id)
            if before is None:
                return fleet
            members = {**fleet.members, event.server_id: _judged(before, event)}
            return replace(fleet, members=members)
        case _:
            return fleet


def _entered(before: Member | None, server: Server) -> Member:
    """Enter a server; what is known of it stays true at the address it had before."""
    if before is None or before.server.url != server.url:
        return Member(server=server)
    return replace(before, server=server)


def _judged(
    before: Member, event: ServerHealthChanged | ServerEjected | ServerReadmitted
) -> Member:
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


def _source(fleet: Fleet, source: str) -> str:
    """Which configuration was applied last; an administrator is no configuration."""
    return source if source.startswith(CONFIGURATION) else fleet.source

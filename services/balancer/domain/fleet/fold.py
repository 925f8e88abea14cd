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
    ServerFellSilent,
    ServerHalfOpened,
    ServerHealthChanged,
    ServerHeardAgain,
    ServerReadmitted,
    ServerRemoved,
    ServerUndrained,
    StrategyChanged,
    StrategyPinned,
    StrategyUnpinned,
)
from contracts.base import Event, Instant, Part, ServerId, ServiceType
from services.balancer import strategies
from services.balancer.domain.fleet.ejection import Ejection, EjectionEvent, ejection_after

UNPROBED = "not probed yet"

MemberEvent = (
    ServerHealthChanged
    | EjectionEvent
    | ServerFellSilent
    | ServerHeardAgain
    | ServerDrained
    | ServerUndrained
)
_ALL = ServiceType("")


class Silence(Part, frozen=True, kw_only=True):
    """Since when nothing is heard of a server, and which exchange showed it."""

    service_type: ServiceType
    waited_s: float
    since: Instant | None = None


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
    ejections: dict[ServiceType, Ejection] = {}
    """The last ejection of each service type, and of all of them under the empty one."""
    silence: Silence | None = None
    """While set, nothing is heard of it, though something should be."""

    @property
    def is_healthy(self) -> bool:
        """Up, heard, and not ejected."""
        return self.is_reachable and not self.is_out(ServiceType(""))

    @property
    def is_usable(self) -> bool:
        """Healthy, and not kept from work by an operator."""
        return self.is_healthy and not self.draining

    @property
    def is_reachable(self) -> bool:
        """Up and heard."""
        return self.health is Health.UP and self.silence is None

    def is_out(self, service_type: ServiceType) -> bool:
        """Whether an ejection of just this service type (empty: of all) is not over."""
        ejection = self.ejections.get(service_type)
        return ejection is not None and ejection.state == "ejected"

    def ejection_of(self, service_type: ServiceType) -> Ejection | None:
        """The ejection that keeps calls of a service type away; None: none does."""
        for key in (_ALL, service_type):
            if self.is_out(key):
                return self.ejections[key]
        return None


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


def evolve(fleet: Fleet, event: Event, at: Instant | None = None) -> Fleet:
    """Take in one event of an envelope of the time `at`.

    What does not concern the fleet, or a server that it lacks, changes nothing.
    """
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
            | ServerHalfOpened()
            | ServerReadmitted()
            | ServerFellSilent()
            | ServerHeardAgain()
            | ServerDrained()
            | ServerUndrained()
        ):
            before = fleet.members.get(event.server_id)
            judged = {} if before is None else {event.server_id: _judge_member(before, event, at)}
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


def _judge_member(before: Member, event: MemberEvent, at: Instant | None) -> Member:
    """Note what an event says of a member's health, of its ejection, or of its draining."""
    match event:
        case ServerDrained() | ServerUndrained():
            return replace(before, draining=isinstance(event, ServerDrained))
        case ServerHealthChanged():
            return replace(before, health=event.health, judged=True, reason=event.reason)
        case ServerFellSilent():
            silence = Silence(service_type=event.service_type, waited_s=event.waited_s, since=at)
            return replace(before, silence=silence)
        case ServerHeardAgain():
            return replace(before, silence=None)
        case ServerEjected() | ServerHalfOpened() | ServerReadmitted():
            ejection = ejection_after(before.ejections.get(event.service_type), event, at)
            # Half open: whoever was silent is asked again.
            heard = isinstance(event, ServerHalfOpened)
            return replace(
                before,
                ejections={**before.ejections, event.service_type: ejection},
                silence=None if heard else before.silence,
            )


def _latest_source(fleet: Fleet, source: str) -> str:
    """Which configuration was applied last; an administrator is no configuration."""
    return source if source.startswith(CONFIGURATION) else fleet.source

"""One server of the fleet as the log has it: its entry, its health, and what keeps it from work."""

from msgspec.structs import replace

from contracts.balancer import (
    Health,
    Server,
    ServerAdded,
    ServerChanged,
    ServerDrained,
    ServerFellSilent,
    ServerHalfOpened,
    ServerHealthChanged,
    ServerHeardAgain,
    ServerUndrained,
)
from contracts.base import Instant, Part, ServiceType
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
    drained_at: Instant | None = None
    health_at: Instant | None = None
    """Since when its health is what it is."""
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

    def can_do(self, service_type: ServiceType) -> bool:
        """Whether it is one of its capabilities; it names none: it can do every one."""
        capabilities = self.server.capabilities
        return not service_type or not capabilities or service_type in capabilities


def enter_member(before: Member | None, event: ServerAdded | ServerChanged) -> Member:
    """Enter a server; what is known of it stays true at the address it had before."""
    server, source = event.server, event.source
    if before is None:
        return Member(server=server, source=source)
    if before.server.url != server.url:
        # What was known is of another machine; that it is drained is of its name.
        drained, since = before.draining, before.drained_at
        return Member(server=server, source=source, draining=drained, drained_at=since)
    return replace(before, server=server, source=source)


def judge_member(before: Member, event: MemberEvent, at: Instant | None) -> Member:
    """Note what an event says of a member's health, of its ejection, or of its draining."""
    match event:
        case ServerDrained():
            return replace(before, draining=True, drained_at=at)
        case ServerUndrained():
            return replace(before, draining=False, drained_at=None)
        case ServerHealthChanged():
            same = before.judged and before.health is event.health
            return replace(
                before,
                health=event.health,
                judged=True,
                reason=event.reason,
                health_at=before.health_at if same else at,
            )
        case ServerFellSilent():
            silence = Silence(service_type=event.service_type, waited_s=event.waited_s, since=at)
            return replace(before, silence=silence)
        case ServerHeardAgain():
            return replace(before, silence=None)
        case _:
            ejection = ejection_after(before.ejections.get(event.service_type), event, at)
            # Half open: whoever was silent is asked again.
            heard = isinstance(event, ServerHalfOpened)
            return replace(
                before,
                ejections={**before.ejections, event.service_type: ejection},
                silence=None if heard else before.silence,
            )

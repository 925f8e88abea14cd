"""The servers as the log has them, and which dialects may be asked for a service type."""

from contracts.balancer import PLAIN, Server, ServerAdded, ServerChanged, ServerRemoved
from contracts.base import ServerId, ServiceType
from contracts.envelope import Envelope


class KnownFleet:
    """The fold of `evt.balancer`, as far as it says what servers understand."""

    def __init__(self) -> None:
        """No server is known yet."""
        self._servers: dict[ServerId, Server] = {}
        self._now: tuple[Server, ...] = ()
        self._dialects: dict[ServiceType, frozenset[str]] = {}

    def apply_envelope(self, envelope: Envelope) -> None:
        """Take in what one envelope says."""
        for event in envelope.events:
            match event:
                case ServerAdded() | ServerChanged():
                    self._servers[event.server.server_id] = event.server
                case ServerRemoved():
                    self._servers.pop(event.server_id, None)
                case _:
                    continue
            # Asked for every call, changed once in a while: the answers are kept until then.
            self._dialects.clear()
            self._now = tuple(self._servers.values())

    def all_servers(self) -> tuple[Server, ...]:
        """Every server, in the order in which they were added."""
        return self._now

    def dialects_for(self, service_type: ServiceType) -> frozenset[str]:
        """Find the dialects of the servers that can do it; `plain` alone while none is known."""
        dialects = self._dialects.get(service_type)
        if dialects is None:
            dialects = self._dialects[service_type] = frozenset(
                server.dialect
                for server in self._servers.values()
                if not server.capabilities or service_type in server.capabilities
            ) or frozenset({PLAIN})
        return dialects

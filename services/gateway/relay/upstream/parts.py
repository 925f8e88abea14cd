"""What exchanges are made of: the two sides between which they carry."""

from collections.abc import Callable
from typing import NamedTuple

from contracts.base import ServiceType
from services.gateway.clients.answers import Client
from services.gateway.clients.request import RoutedRequest
from services.gateway.clients.uploads import Upload
from services.gateway.domain.heads import Headers, names_passing
from services.gateway.metrics import Metrics
from services.gateway.relay.interpreter import Wording
from services.gateway.settings import Settings
from services.gateway.transport import Transport
from services.gateway.transport.addresses import Addresses


class ClientSide(NamedTuple):
    """One call as its client made it, and the way back."""

    routed: RoutedRequest
    upload: Upload
    wording: Wording
    client: Client
    own_headers: Callable[[], Headers]
    """Makes ours, of what is known by then."""


class Upstream:
    """What every exchange has in common: the transport, and how answers are read."""

    def __init__(self, transport: Transport, settings: Settings, metrics: Metrics) -> None:
        """Use one transport for every exchange."""
        self.metrics = metrics
        self.transport = transport
        self.addresses = Addresses()
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self.settings = settings.gateway
        self.passed = names_passing(settings.gateway.response_headers)
        self.failures = settings.gateway.failure_tables()
        self._patience_s = settings.patience_s()
        self.transport.reuse_idle_s = settings.gateway.reuse_idle
        self.transport.go_through(settings.gateway.proxy)

    def first_byte_s(self, service_type: ServiceType) -> float:
        """Tell how long a server of this type may be silent after the request's last byte.

        The type may be gone from the configuration since the call came.
        """
        patience_s = self._patience_s.get(service_type)
        return patience_s or self.settings.common_patience_s(service_type)

"""What all requests are carried out with: the parts of the relay."""

from contracts.base import GatewayId
from runtime.clock import Clock
from services.gateway.relay.coalescer import BalancerCoalescer, PoolCoalescer
from services.gateway.relay.credentials import Credentials
from services.gateway.relay.entry.admission import Admission
from services.gateway.relay.entry.gate import Gate
from services.gateway.relay.exchanges import OpenExchanges
from services.gateway.relay.grants import Grants
from services.gateway.relay.servers import Servers
from services.gateway.relay.upstream.parts import Upstream
from services.gateway.relay.usages import Outbox


class Relay:
    """What all requests are carried out with; its parts are made by `app`."""

    def __init__(
        self,
        gateway_id: GatewayId,
        pool: PoolCoalescer,
        balancer: BalancerCoalescer,
        credentials: Credentials,
        upstream: Upstream,
        *,
        exchanges: OpenExchanges,
        outbox: Outbox,
        clock: Clock,
        grants: Grants,
        identity_key: str = "",
    ) -> None:
        """Hold the parts."""
        self.upstream = upstream
        self.gateway_id = gateway_id
        self.pool = pool
        self.servers = Servers(balancer)
        self.gate = Gate()
        self.admission = Admission(lambda: upstream.settings.exchange_max)
        self.credentials = credentials
        self.exchanges = exchanges
        self.outbox = outbox
        self.clock = clock
        self.grants = grants
        self.identity_key = identity_key

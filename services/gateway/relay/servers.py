"""Which server a lease is used at; where there was none, that is looked at before the next lease.

A lease that finds no server is three events for nothing, and its client may call again at once. So
from the first on the balancer is asked anew before each lease, until it names a server again; the
calls refused meanwhile cost no event of their own, and are counted.
"""

from contracts.balancer import NoServer, Selected, SelectServer, ServerFailed
from contracts.base import LeaseId, ServiceType
from contracts.pool import Granted
from runtime.nats.connection import DisconnectedError, UnansweredError
from services.gateway.clients.request import Request
from services.gateway.domain import failure_error, no_server_error
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.coalescer import BalancerCoalescer, RefusedBatchError
from services.gateway.relay.usages import Ends


class Servers:
    """The balancer's word on servers, and for which calls it had none when asked last."""

    def __init__(self, balancer: BalancerCoalescer, ends: Ends) -> None:
        """Ask `balancer`; `ends` ends a lease for which there is no server."""
        self._balancer = balancer
        self._ends = ends
        self._without: set[tuple[ServiceType, tuple[str, ...]]] = set()
        """Service types, with the dialects that can do the request."""

    async def look(self, request: Request) -> None:
        """Ask before a lease, where there was no server a moment ago.

        Raises `GatewayError` (no_backend, or pool_saturated while they rest): there is none yet.
        """
        if not self._without or _sort(request) not in self._without:
            return
        wanted = SelectServer(
            request_id=request.request_id,
            service_type=request.service_type,
            avoid=request.avoid_servers,
            dialects=request.dialects,
            only_ask=True,
        )
        answer = await self._ask(wanted, request)
        if isinstance(answer, NoServer):
            raise no_server_error(answer, request.service_type, tried=False)
        self._without.discard(_sort(request))

    async def select(
        self, request: Request, granted: Granted, failed: ServerFailed | None
    ) -> Selected:
        """Ask which server; those that called a session invalid only where there is no other.

        Raises `GatewayError` (no_backend) and ends the lease.
        """
        avoid = [*request.avoid_servers, *request.shy_servers]
        wanted = SelectServer(
            request_id=request.request_id,
            lease_id=LeaseId(granted.lease_id),
            service_type=request.service_type,
            expires_in_s=granted.expires_in_s,
            avoid=avoid,
            dialects=request.sayable,
            failed=failed,
        )
        try:
            answer = await self._ask(wanted, request)
            if isinstance(answer, NoServer) and request.shy_servers:
                request.shy_servers = []
                return await self.select(request, granted, failed)
            if isinstance(answer, Selected):
                return answer
            error = no_server_error(answer, request.service_type, tried=bool(request.attempts))
        except GatewayError as unanswered:
            error = unanswered
        if request.doubtful:
            error = failure_error("cut", sent=True)
        self._ends.release(request, error)
        raise error

    async def _ask(self, wanted: SelectServer, request: Request) -> Selected | NoServer:
        """Ask the balancer, and remember if there is no server. Raises `GatewayError`."""
        try:
            answer = await self._balancer.ask(wanted)
        except (UnansweredError, RefusedBatchError) as refused:
            message = f"the balancer does not answer: {refused}"
            if isinstance(refused, DisconnectedError):
                raise GatewayError("ledger_unavailable", message) from None
            self._without.add(_sort(request))
            raise GatewayError("no_backend", message) from None
        if isinstance(answer, NoServer) and not wanted.avoid:
            self._without.add(_sort(request))
        return answer


def _sort(request: Request) -> tuple[ServiceType, tuple[str, ...]]:
    return request.service_type, tuple(request.dialects)

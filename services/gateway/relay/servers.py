"""Which server a lease is used at; where there was none, that is looked at before the next lease.

A lease that finds no server is three events for nothing, and its client may call again at once. So
from the first on the balancer is asked anew before each lease, until it names a server again; the
calls refused meanwhile cost no event of their own, and are counted.
"""

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.base import LeaseId, ServerId, ServiceType
from runtime.nats.connection import DisconnectedError, UnansweredError
from services.gateway.clients.request import Request
from services.gateway.domain import no_server_error
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.coalescer import BalancerCoalescer, RefusedBatchError
from services.gateway.relay.course import steps
from services.gateway.relay.course.happenings import Chosen, NoneLeft, Silent


class Servers:
    """The balancer's word on servers, and for which calls it had none when asked last."""

    def __init__(self, balancer: BalancerCoalescer) -> None:
        """Ask `balancer`."""
        self._balancer = balancer
        self._without: set[tuple[ServiceType, tuple[str, ...]]] = set()
        """Service types, with the dialects that can do the request."""

    async def refuse_while_none(
        self, request: Request, dialects: list[str], avoid: tuple[ServerId, ...]
    ) -> None:
        """Ask before a lease, where there was no server a moment ago.

        Raises `GatewayError` (no_backend, or pool_saturated while they rest): there is none yet.
        """
        sort = request.service_type, tuple(dialects)
        if not self._without or sort not in self._without or request.only:
            return
        wanted = SelectServer(
            request_id=request.request_id,
            service_type=request.service_type,
            avoid=list(avoid),
            dialects=dialects,
            only_ask=True,
        )
        answer = await self._ask_balancer(wanted, sort)
        if isinstance(answer, NoServer):
            raise no_server_error(answer, request.service_type, tried=False)
        self._without.discard(sort)

    async def select_server(
        self, step: steps.AskServer, request: Request, dialects: list[str]
    ) -> Chosen | NoneLeft | Silent:
        """Ask which server a lease is used at; `dialects` can do the request."""
        wanted = SelectServer(
            request_id=request.request_id,
            lease_id=LeaseId(step.lease.lease_id),
            service_type=request.service_type,
            expires_in_s=step.lease.expires_in_s,
            avoid=list(step.avoid),
            dialects=list(step.dialects),
            failed=step.failed,
            only=request.only,
        )
        try:
            answer = await self._ask_balancer(wanted, (request.service_type, tuple(dialects)))
        except GatewayError as unanswered:
            return Silent(unanswered)
        return NoneLeft(answer) if isinstance(answer, NoServer) else Chosen(answer)

    async def _ask_balancer(
        self, wanted: SelectServer, sort: tuple[ServiceType, tuple[str, ...]]
    ) -> Selected | NoServer:
        """Ask the balancer, and remember if there is no server. Raises `GatewayError`."""
        try:
            answer = await self._balancer.ask(wanted)
        except (UnansweredError, RefusedBatchError) as refused:
            message = f"the balancer does not answer: {refused}"
            if isinstance(refused, DisconnectedError):
                raise GatewayError("ledger_unavailable", message) from None
            self._without.add(sort)
            raise GatewayError("no_backend", message) from None
        if isinstance(answer, NoServer) and not wanted.avoid:
            self._without.add(sort)
        return answer

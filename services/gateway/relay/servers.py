"""Which server a lease is used at; where there was none, that is looked at before the next lease.

A lease that finds no server is three events for nothing, and its client may call again at once. So
from the first on the balancer is asked anew before each lease, until it names a server again; the
calls refused meanwhile cost no event of their own, and are counted. Where it was the session's
region that shut every server out, only sessions of that region are not asked for meanwhile.
"""

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.base import LeaseId, ServerId, ServiceType
from runtime.nats.connection import DisconnectedError, UnansweredError
from services.gateway.clients.request import RoutedRequest
from services.gateway.domain import no_server_error
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.coalescer import BalancerCoalescer, RefusedBatchError
from services.gateway.relay.course import steps
from services.gateway.relay.course.happenings import Chosen, NoServerFound, SelectionUnanswered

_Sort = tuple[ServiceType, tuple[str, ...]]


class Servers:
    """The balancer's word on servers, and for which calls it had none when asked last."""

    def __init__(self, balancer: BalancerCoalescer) -> None:
        """Ask `balancer`."""
        self._balancer = balancer
        self._without: dict[_Sort, set[str]] = {}
        """By service type and the dialects that can do the request: the regions of sessions that
        no server served when asked last; the empty one is of all sessions."""

    async def refuse_while_none(
        self, routed: RoutedRequest, dialects: list[str], avoid: tuple[ServerId, ...]
    ) -> tuple[str, ...]:
        """Ask before a lease, where there was no server a moment ago.

        Returns the regions of sessions that no server serves yet. Raises `GatewayError`
        (no_backend, or pool_saturated while they rest): there is none yet for any session.
        """
        sort = routed.service_type, tuple(dialects)
        if not self._without or sort not in self._without or routed.only:
            return ()
        unserved = []
        for region in sorted(self._without[sort]):
            wanted = SelectServer(
                request_id=routed.request.request_id,
                service_type=routed.service_type,
                avoid=list(avoid),
                dialects=dialects,
                only_ask=True,
                session_region=region,
            )
            answer = await self._ask_balancer(wanted, sort)
            if isinstance(answer, Selected):
                self._forget(sort, region)
            elif answer.region:
                unserved.append(region)
            else:
                raise no_server_error(answer, routed.service_type)
        return tuple(unserved)

    def _forget(self, sort: _Sort, region: str) -> None:
        """A server was named: sessions of this region may be asked for."""
        regions = self._without.get(sort, set())
        regions.discard(region)
        if not regions:
            self._without.pop(sort, None)

    async def select_server(
        self, step: steps.AskServer, routed: RoutedRequest, dialects: list[str]
    ) -> Chosen | NoServerFound | SelectionUnanswered:
        """Ask which server a lease is used at; `dialects` can do the request."""
        wanted = SelectServer(
            request_id=routed.request.request_id,
            lease_id=LeaseId(step.lease.lease_id),
            service_type=routed.service_type,
            expires_in_s=step.lease.expires_in_s,
            avoid=list(step.avoid),
            dialects=list(step.dialects),
            failed=step.failed,
            session_id=step.lease.session_id,
            session_region=step.lease.region,
            client_region=routed.request.client_region,
            only=routed.only,
        )
        try:
            answer = await self._ask_balancer(wanted, (routed.service_type, tuple(dialects)))
        except GatewayError as unanswered:
            return SelectionUnanswered(unanswered)
        return NoServerFound(answer) if isinstance(answer, NoServer) else Chosen(answer)

    async def _ask_balancer(self, wanted: SelectServer, sort: _Sort) -> Selected | NoServer:
        """Ask the balancer, and remember if there is no server. Raises `GatewayError`."""
        try:
            answer = await self._balancer.ask(wanted)
        except (UnansweredError, RefusedBatchError) as refused:
            message = f"the balancer does not answer: {refused}"
            if isinstance(refused, DisconnectedError):
                raise GatewayError("ledger_unavailable", message) from None
            self._without.setdefault(sort, set()).add("")
            raise GatewayError("no_backend", message) from None
        if isinstance(answer, NoServer) and not wanted.avoid:
            self._without.setdefault(sort, set()).add(answer.region)
        return answer

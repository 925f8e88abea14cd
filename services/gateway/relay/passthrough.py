"""`/token/*`: calls of admins that need no lease."""

from collections.abc import Mapping

from contracts.balancer import NoServer, Selected, SelectServer
from runtime.nats.connection import DisconnectedError, UnansweredError
from services.gateway.clients.answers import Client
from services.gateway.clients.headers import own_headers, upstream_headers
from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Receive, Upload
from services.gateway.domain import failure_error
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.heads import Headers, passed, passed_names
from services.gateway.relay.coalescer import BalancerCoalescer, RefusedBatchError
from services.gateway.relay.question import BYTES_MAX, Question
from services.gateway.settings import GatewaySection
from services.gateway.transport import Answer, Transport, TransportFailure
from services.gateway.transport.addresses import Addresses

PASSED_THROUGH = frozenset({("POST", "/token/check"), ("POST", "/token/points")})
_TIMEOUT_S = 30.0


class Passthrough:
    """Passes a call on to any server, without a lease and without the pool's credential."""

    def __init__(
        self,
        balancer: BalancerCoalescer,
        transport: Transport,
        settings: GatewaySection,
    ) -> None:
        """Hold the parts."""
        self.apply(settings)
        self._balancer = balancer
        self._transport = transport
        self._addresses = Addresses()

    def apply(self, settings: GatewaySection) -> None:
        """Go by other settings from now on."""
        self.settings = settings
        self._passed = passed_names(settings.response_headers)

    async def serve(
        self, request: Request, receive: Receive, client: Client, rate: Mapping[str, str]
    ) -> None:
        """Answer the call. Raises `GatewayError`."""
        if not request.key.admin:
            raise GatewayError("model_not_allowed", f"{request.path}: expected an admin key")
        upload = Upload(receive, request.content_length, BYTES_MAX, self.settings.idle_timeout)
        await upload.fill()
        answer, body = await self._fetched(request, upload.head)
        headers = [*self._kept(answer), *own_headers(request, rate), _length(body)]
        await client.answer(answer.status, headers, body)

    def _kept(self, answer: Answer) -> Headers:
        """What a client sees of the head; the length is that of what was read."""
        headers = passed(answer.headers, self._passed)
        return [pair for pair in headers if pair[0] != b"content-length"]

    async def _fetched(self, request: Request, sent: bytes) -> tuple[Answer, bytes]:
        """Ask one server; another only while nothing was sent. Raises `GatewayError`."""
        error: GatewayError | None = None
        connect_s = self.settings.connect_timeout
        question = Question(request.method, request.target, sent, connect_s, _TIMEOUT_S)
        for _ in range(self.settings.attempts_max):
            selected = await self._select(request, error)
            address = self._addresses.of(selected.url)
            headers = upstream_headers(request, address.host, None, len(sent))
            request.server_id, request.server_region = selected.server_id, selected.region
            request.attempts_made += 1
            try:
                return await question.ask(self._transport, address, headers)
            except TransportFailure as failure:
                error = failure_error(failure.failure, sent=failure.sent)
                if failure.sent:
                    break
        assert error is not None
        raise error

    async def _select(self, request: Request, before: GatewayError | None) -> Selected:
        """Ask for a server that was not asked yet; when there is none, `before` is the answer.

        Raises `GatewayError`.
        """
        if before is not None:
            request.avoid_servers.append(request.server_id)
        wanted = SelectServer(request_id=request.request_id, avoid=[*request.avoid_servers])
        try:
            answer = await self._balancer.ask(wanted)
        except DisconnectedError as error:
            raise GatewayError("ledger_unavailable", str(error)) from None
        except (UnansweredError, RefusedBatchError) as error:
            raise GatewayError("no_backend", f"the balancer does not answer: {error}") from None
        if isinstance(answer, NoServer):
            raise before or GatewayError("no_backend", answer.reason)
        return answer


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()

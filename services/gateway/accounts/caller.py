"""One question to one server that can be asked it; another server only while nothing was sent."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contracts.balancer import NoServer, Selected, SelectServer, Server
from contracts.base import RequestId, ServerId, SessionId
from runtime.nats.connection import DisconnectedError, UnansweredError
from runtime.texts import as_quoted
from services.gateway.dialects.credentials import secrets_of
from services.gateway.domain import failure_error
from services.gateway.domain.answers.accounts import CHECK, conceal_in_answer
from services.gateway.domain.answers.envelopes import expand_body
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.heads import Headers, names_passing
from services.gateway.relay.coalescer import BalancerCoalescer, RefusedBatchError
from services.gateway.relay.credentials import Credentials
from services.gateway.settings import GatewaySection
from services.gateway.transport import Transport, TransportFailure
from services.gateway.transport.addresses import Addresses
from services.gateway.transport.question import BYTES_MAX, WholeAnswer, WholeExchange

TIMEOUT_S = 30.0
"""Of one question, from its first byte to the end of its answer."""


@dataclass(slots=True, kw_only=True)
class AccountCall:
    """A question, and how far it came."""

    request_id: RequestId
    target: bytes
    headers: Callable[[bytes], Headers]
    """By the server's host."""
    body: bytes = b""
    dialects: Sequence[str] = ()
    """The server speaks one of these; empty: any will do."""
    region: str = ""
    """That of the session it is about: the server serves those."""
    only: Selected | None = None
    """No other server than this."""
    asked: Selected | None = None
    """The server that was asked last."""
    attempts: int = 0
    avoid: list[ServerId] = field(default_factory=list)


class Caller:
    """Asks servers on behalf of admins, with a client's own words or a session's credential."""

    def __init__(
        self,
        balancer: BalancerCoalescer,
        transport: Transport,
        credentials: Credentials,
        servers: Callable[[], tuple[Server, ...]],
        settings: GatewaySection,
    ) -> None:
        """Hold the parts; `servers` are those of now."""
        self.apply_settings(settings)
        self.servers = servers
        self._balancer = balancer
        self._transport = transport
        self._credentials = credentials
        self._addresses = Addresses()

    def apply_settings(self, settings: GatewaySection) -> None:
        """Go by other settings from now on."""
        self.settings = settings
        self.passed = names_passing(settings.response_headers)
        """Of a server's head, what an admin sees."""

    async def authorization(self, session_id: SessionId, region: str) -> bytes:
        """Make the value of `Authorization` of a session. Raises `GatewayError`."""
        return await self._credentials.authorization_of(session_id, region)

    def server_named(self, server_id: str) -> Selected:
        """Find the server of this id, whether it is well or not. Raises `GatewayError`."""
        for server in self.servers():
            if server.server_id == server_id:
                return Selected(
                    server_id=server.server_id,
                    url=server.url,
                    region=server.region,
                    dialect=server.dialect,
                    strategy="",
                )
        raise GatewayError("not_found", f"there is no server {as_quoted(server_id)}", "server")

    async def choose_server(self, call: AccountCall) -> Selected | NoServer:
        """Ask the balancer for a server that was not asked yet. Raises `GatewayError`."""
        wanted = SelectServer(
            request_id=call.request_id,
            avoid=[*call.avoid],
            dialects=[*call.dialects],
            session_region=call.region,
        )
        try:
            return await self._balancer.ask(wanted)
        except DisconnectedError as error:
            raise GatewayError("ledger_unavailable", str(error)) from None
        except (UnansweredError, RefusedBatchError) as error:
            raise GatewayError("no_backend", f"the balancer does not answer: {error}") from None

    async def send_call(self, call: AccountCall) -> WholeAnswer:
        """Ask one server; another only while nothing was sent. Raises `GatewayError`."""
        error: GatewayError | None = None
        question = WholeExchange(
            "POST", call.target, call.body, self.settings.connect_timeout, TIMEOUT_S
        )
        for _ in range(1 if call.only else self.settings.attempts_max):
            selected = call.only or await self.choose_server(call)
            if isinstance(selected, NoServer):
                raise error or GatewayError("no_backend", selected.reason)
            call.asked = selected
            call.attempts += 1
            address = self._addresses.address_of(selected.url)
            try:
                return await question.ask_server(
                    self._transport, address, call.headers(address.host)
                )
            except TransportFailure as failure:
                error = failure_error(failure.failure, sent=failure.sent)
                if failure.sent:
                    break
                call.avoid.append(selected.server_id)
        assert error is not None
        raise error


def call_about(
    request_id: RequestId, path: str, authorization: bytes, query: bytes = b""
) -> AccountCall:
    """Make the question about an account: nothing of a client's goes along.

    `/token/check` takes the credential in its body, the others as `Authorization`.
    """
    body = b""
    own: Headers = [
        (b"accept", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"x-request-id", request_id.encode()),
    ]
    if path == CHECK:
        token = authorization.removeprefix(b"Bearer ").decode()
        body = json.dumps({"token": token}).encode()
        own.append((b"content-type", b"application/json"))
    else:
        own.append((b"authorization", authorization))
    own.append((b"content-length", b"%d" % len(body)))
    target = path.encode() + b"?" + query if query else path.encode()
    return AccountCall(
        request_id=request_id,
        target=target,
        headers=lambda host: [(b"host", host), *own],
        body=body,
    )


def conceal_secrets(whole: WholeAnswer, authorization: bytes) -> bytes:
    """Take all of a credential out of an answer, decoded. Raises `GatewayError` where it cannot."""
    encoding = whole.answer.header_text(b"content-encoding").strip().lower()
    plain = expand_body(encoding, whole.body, BYTES_MAX)
    if not isinstance(plain, bytes):
        reason = "it is too long" if plain is None else plain.reason
        message = f"what the server said cannot be read: {reason}"
        raise GatewayError("upstream_error", message)
    return conceal_in_answer(plain, secrets_of(authorization))

"""Calls that need no lease: `/v1/models` (kept for a while) and `/token/*` (admins only)."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing

import httpx

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.pool import Verdict
from runtime.nats.connection import DisconnectedError, UnansweredError
from services.gateway.clients.answers import Client
from services.gateway.clients.headers import Headers, own_headers, passed_on, upstream_headers
from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Receive, Upload
from services.gateway.domain import failure_error, judged_body, models_error
from services.gateway.domain.errors import GatewayError
from services.gateway.metrics import Metrics
from services.gateway.relay.coalescer import BalancerCoalescer, RefusedBatchError
from services.gateway.relay.exchange import Servers, received
from services.gateway.relay.retry_after import retry_after
from services.gateway.settings import GatewaySection
from services.gateway.transport import (
    Failure,
    MaybeSentError,
    NothingSentError,
    Transport,
    TransportFailure,
)

MODELS = ("GET", "/v1/models")
PASSED_THROUGH = frozenset({MODELS, ("POST", "/token/check"), ("POST", "/token/points")})
_BODY_BYTES_MAX = 4_000_000
_TIMEOUT_S = 30.0
_SAFE_TIMEOUT_S = 10.0
"""Of one server, where another may be asked."""
_NOT_SENT = frozenset(
    {b"transfer-encoding", b"if-none-match", b"if-modified-since", b"if-match", b"range"}
)
"""An answer is kept for others, so it must be a whole one."""


class Passthrough:
    """Passes a call on to any server, without a lease and without the pool's credential."""

    def __init__(
        self,
        balancer: BalancerCoalescer,
        transport: Transport,
        settings: GatewaySection,
        metrics: Metrics,
    ) -> None:
        """Hold the parts; nothing is kept yet."""
        self.settings = settings
        self._failures = settings.failure_tables()
        self._balancer = balancer
        self._transport = transport
        self._metrics = metrics
        self._servers = Servers()
        self._models: tuple[float, Headers, bytes] | None = None

    def apply(self, settings: GatewaySection) -> None:
        """Go by other settings from now on."""
        self.settings = settings
        self._failures = settings.failure_tables()

    async def serve(
        self, request: Request, receive: Receive, client: Client, rate: Mapping[str, str]
    ) -> None:
        """Answer the call. Raises `GatewayError`."""
        if (request.method, request.path) == MODELS:
            await self._serve_models(request, client, rate)
            return
        if not request.key.admin:
            raise GatewayError("model_not_allowed", f"{request.path}: expected an admin key")
        upload = Upload(
            receive, request.content_length, _BODY_BYTES_MAX, self.settings.idle_timeout
        )
        await upload.fill()
        response, body = await self._fetched(request, upload.head)
        headers = [*_kept(response), *own_headers(request, rate), _length(body)]
        await client.answer(response.status_code, headers, body)

    async def _serve_models(
        self, request: Request, client: Client, rate: Mapping[str, str]
    ) -> None:
        now = time.monotonic()
        kept = self._models
        if kept is None or now - kept[0] > self.settings.models_max_age:
            self._metrics.models_cache.labels("miss").inc()
            headers, body = await self._fetched_models(request)
            self._models = (now, headers, body)
        else:
            self._metrics.models_cache.labels("hit").inc()
            headers, body = kept[1], kept[2]
        age = f"public, max-age={int(self.settings.models_max_age)}".encode()
        own = own_headers(request, rate, (b"cache-control", age))
        await client.answer(200, [*headers, *own, _length(body)], body)

    async def _fetched_models(self, request: Request) -> tuple[Headers, bytes]:
        """Ask one server after another for its models: nothing is bought by asking.

        Raises `GatewayError`: what the last one said.
        """
        error: GatewayError | None = None
        for _ in range(self.settings.attempts_max):
            selected = await self._select(request, error)
            try:
                response, body = await self._fetch(request, selected, b"")
            except TransportFailure as failure:
                error = failure_error(failure.failure, sent=failure.sent, safe=True)
                continue
            encoding = response.headers.get("content-encoding", "").strip().lower()
            judged = judged_body(response.status_code, encoding, body, self._failures)
            if judged.verdict is Verdict.SUCCESS:
                return _kept(response), body
            error = models_error(judged, retry_after(response))
            if judged.verdict is Verdict.REJECTED:
                break
        assert error is not None
        raise error

    async def _fetched(self, request: Request, sent: bytes) -> tuple[httpx.Response, bytes]:
        """Ask one server; another only while nothing was sent. Raises `GatewayError`."""
        error: GatewayError | None = None
        for _ in range(self.settings.attempts_max):
            selected = await self._select(request, error)
            try:
                return await self._fetch(request, selected, sent)
            except TransportFailure as failure:
                error = failure_error(failure.failure, sent=failure.sent)
                if failure.sent:
                    break
        assert error is not None
        raise error

    async def _fetch(
        self, request: Request, selected: Selected, sent: bytes
    ) -> tuple[httpx.Response, bytes]:
        """Ask this server. Raises `TransportFailure`."""
        url = self._servers.url(selected.url)
        posts = request.method == "POST"
        timeout_s = _TIMEOUT_S if posts else _SAFE_TIMEOUT_S
        headers = upstream_headers(request, url.netloc, None, len(sent) if posts else None)
        outgoing = httpx.Request(
            request.method,
            url,
            headers=[pair for pair in headers if pair[0] not in _NOT_SENT],
            stream=httpx.ByteStream(sent),
            extensions={
                "target": request.target,
                "timeout": {
                    "connect": self.settings.connect_timeout,
                    "first_byte": timeout_s,
                    "idle": timeout_s,
                },
            },
        )
        request.server_id, request.server_region = selected.server_id, selected.region
        request.attempts_made += 1
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._transport.handle_async_request(outgoing)
                return response, await _whole(response)
        except TimeoutError:
            sent_any = "sent_at" in outgoing.extensions
            kind = MaybeSentError if sent_any else NothingSentError
            raise kind(Failure.TIMEOUT, f"no whole answer within {timeout_s:g} s") from None

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


def _kept(response: httpx.Response) -> Headers:
    """What a client sees of the head; the length is that of what was read."""
    headers = passed_on(response.headers.raw)
    return [pair for pair in headers if pair[0] != b"content-length"]


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()


async def _whole(response: httpx.Response) -> bytes:
    """Read an answer as it came, within bounds. Raises `MaybeSentError` when it is too large."""
    parts: list[bytes] = []
    size = 0
    async with aclosing(received(response)) as chunks:
        async for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > _BODY_BYTES_MAX:
                raise MaybeSentError(Failure.GARBAGE, f"an answer over {_BODY_BYTES_MAX:,} bytes")
    return b"".join(parts)

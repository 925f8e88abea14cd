"""Calls that need no lease: `/v1/models` (kept for a while) and `/token/*` (admins only)."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing

import httpx

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.pool import Verdict
from services.gateway.client import Client
from services.gateway.coalescer import BalancerCoalescer, RefusedBatchError
from services.gateway.domain import failure_error, judged_body
from services.gateway.errors import GatewayError
from services.gateway.exchange import Servers, received
from services.gateway.headers import NO_STORE, Headers, own_headers, passed_on, upstream_headers
from services.gateway.metrics import Metrics
from services.gateway.request import Request
from services.gateway.settings import GatewaySection
from services.gateway.transport import Transport, TransportFailure
from services.gateway.upload import Receive, Upload
from tidegate.runtime.connection import DisconnectedError, UnansweredError

MODELS = ("GET", "/v1/models")
PASSED_THROUGH = frozenset({MODELS, ("POST", "/token/check"), ("POST", "/token/points")})
_BODY_BYTES_MAX = 4_000_000
_TIMEOUT_S = 30.0
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
        self._balancer = balancer
        self._transport = transport
        self._metrics = metrics
        self._servers = Servers()
        self._models: tuple[float, Headers, bytes] | None = None

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
        status, headers, body = await self._fetch(request, upload.head)
        own = own_headers(request, rate)
        await client.answer(status, [*headers, *own, _length(body)], body)

    async def _serve_models(
        self, request: Request, client: Client, rate: Mapping[str, str]
    ) -> None:
        now = time.monotonic()
        kept = self._models
        if kept is None or now - kept[0] > self.settings.models_max_age:
            self._metrics.models_cache.labels("miss").inc()
            status, headers, body = await self._fetch(request, b"")
            encoding = dict(headers).get(b"content-encoding", b"").decode()
            judged = judged_body(status, encoding, body, self.settings.codes)
            if judged.verdict is not Verdict.SUCCESS:
                message = f"the backend answered {status}: {judged.message or 'no models'}"
                raise GatewayError("upstream_error", message, upstream_code=judged.upstream_code)
            self._models = (now, headers, body)
        else:
            self._metrics.models_cache.labels("hit").inc()
            status, headers, body = 200, kept[1], kept[2]
        age = f"public, max-age={int(self.settings.models_max_age)}".encode()
        own = [pair for pair in own_headers(request, rate) if pair is not NO_STORE]
        own.append((b"cache-control", age))
        await client.answer(status, [*headers, *own, _length(body)], body)

    async def _fetch(self, request: Request, sent: bytes) -> tuple[int, Headers, bytes]:
        """Ask a server. Raises `GatewayError`."""
        selected = await self._select(request)
        url = self._servers.url(selected.url)
        length = len(sent) if request.method == "POST" else None
        headers = upstream_headers(request, url.netloc, None, length)
        outgoing = httpx.Request(
            request.method,
            url,
            headers=[pair for pair in headers if pair[0] not in _NOT_SENT],
            stream=httpx.ByteStream(sent),
            extensions={
                "target": request.target,
                "timeout": {
                    "connect": self.settings.connect_timeout,
                    "first_byte": _TIMEOUT_S,
                    "idle": _TIMEOUT_S,
                },
            },
        )
        request.server_id, request.server_region = selected.server_id, selected.region
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                response = await self._transport.handle_async_request(outgoing)
                body = await _whole(response)
        except TransportFailure as failure:
            raise failure_error(failure.failure, sent=False) from None
        except TimeoutError:
            raise failure_error("timeout", sent=False) from None
        kept = passed_on(response.headers.raw)
        return response.status_code, [pair for pair in kept if pair[0] != b"content-length"], body

    async def _select(self, request: Request) -> Selected:
        try:
            answer = await self._balancer.ask(SelectServer(request_id=request.request_id))
        except DisconnectedError as error:
            raise GatewayError("ledger_unavailable", str(error)) from None
        except (UnansweredError, RefusedBatchError) as error:
            raise GatewayError("no_backend", f"the balancer does not answer: {error}") from None
        if isinstance(answer, NoServer):
            raise GatewayError("no_backend", answer.reason)
        return answer


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()


async def _whole(response: httpx.Response) -> bytes:
    """Read an answer as it came, within bounds. Raises `GatewayError` when it is too large."""
    parts: list[bytes] = []
    size = 0
    async with aclosing(received(response)) as chunks:
        async for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > _BODY_BYTES_MAX:
                raise GatewayError("upstream_error", f"an answer over {_BODY_BYTES_MAX:,} bytes")
    return b"".join(parts)

"""`/v1/models` and `/v1/models/{id}`: what all servers together can do, kept for a while."""

import asyncio
import time
from collections.abc import Callable, Mapping

import httpx
import msgspec

from contracts.balancer import Server
from contracts.base import RequestId, ServerId
from contracts.pool import Verdict
from runtime.texts import as_quoted
from services.gateway.clients.answers import Client
from services.gateway.clients.headers import own_headers
from services.gateway.clients.request import Request
from services.gateway.domain import failure_error, judge_body, models_error
from services.gateway.domain.answers.envelopes import expand_body
from services.gateway.domain.answers.models import Models, merge_models, read_models
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.paths import KEPT_BYTES_MAX
from services.gateway.metrics import Metrics
from services.gateway.settings import GatewaySection
from services.gateway.transport import Transport, TransportFailure
from services.gateway.transport.addresses import Addresses
from services.gateway.transport.question import BYTES_MAX, WholeExchange
from services.gateway.transport.retry_after import retry_after

PATH = "/v1/models"
_TIMEOUT_S = 10.0
"""Of one server, from the question to the end of its answer."""
_INCOMPLETE_AGE_S = 10.0
"""How long a list is kept to which a server had nothing to say, and never had."""

_encoder = msgspec.json.Encoder()


class _Kept:
    """One merged list, and until when it holds for which servers."""

    def __init__(self, servers: tuple[Server, ...], models: Models, age_s: float) -> None:
        self.servers = servers
        self.models = models
        self.until = time.monotonic() + age_s
        self.stale_until = self.until + age_s
        data = [*models.values()]
        self.body = _encoder.encode({"object": "list", "data": data})

    def holds(self, servers: tuple[Server, ...]) -> bool:
        return self.servers == servers and time.monotonic() < self.until

    def serves(self, servers: tuple[Server, ...]) -> bool:
        """Whether it is good enough while the servers are asked again: one may be silent."""
        return self.servers == servers and time.monotonic() < self.stale_until


class ModelList:
    """Asks all servers at once, on the gateway's own account: nothing of a client goes there."""

    def __init__(
        self,
        servers: Callable[[], tuple[Server, ...]],
        transport: Transport,
        settings: GatewaySection,
        metrics: Metrics,
    ) -> None:
        """Hold the parts; `servers` are those of now. Nothing is kept yet."""
        self._fleet = servers
        self._transport = transport
        self._metrics = metrics
        self._addresses = Addresses()
        self._last: dict[ServerId, Models] = {}
        """What each server said when it last said something."""
        self._kept: _Kept | None = None
        self._asking: asyncio.Task[_Kept | GatewayError] | None = None
        self.apply(settings)

    def apply(self, settings: GatewaySection) -> None:
        """Go by other settings from now on."""
        self._age_s = float(settings.models_max_age)
        self._failures = settings.failure_tables()

    async def serve(self, request: Request, client: Client, rate: Mapping[str, str]) -> None:
        """Answer the call. Raises `GatewayError`."""
        if request.method not in {"GET", "HEAD"}:
            message = f"{request.path[:KEPT_BYTES_MAX]}: expected GET or HEAD"
            raise GatewayError("method_not_allowed", message, extra={"allow": "GET, HEAD"})
        kept = await self._current(request.request_id)
        body = kept.body
        if request.path != PATH:
            name = request.path.removeprefix(f"{PATH}/")
            if name not in kept.models:
                message = f"no model {as_quoted(name)}; GET {PATH} lists them"
                raise GatewayError("not_found", message, "model")
            body = _encoder.encode(kept.models[name])
        age_s = max(0, round(kept.until - time.monotonic()))
        own = own_headers(request, rate, caching=(b"cache-control", b"public, max-age=%d" % age_s))
        headers = [
            *own,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await client.answer_whole(200, headers, body)

    async def _current(self, request_id: RequestId) -> _Kept:
        """Take what is kept, or ask; whoever comes meanwhile hears the same answers.

        Raises `GatewayError`.
        """
        servers = self._fleet()
        if self._kept is not None and self._kept.holds(servers):
            self._metrics.models_cache.labels("hit").inc()
            return self._kept
        self._metrics.models_cache.labels("miss").inc()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask_servers(servers, request_id))
        if self._kept is not None and self._kept.serves(servers):
            return self._kept
        found = await asyncio.shield(self._asking)
        if isinstance(found, GatewayError):
            raise found
        return found

    async def _ask_servers(
        self, servers: tuple[Server, ...], request_id: RequestId
    ) -> _Kept | GatewayError:
        """Ask every server; an error only when none has ever said anything."""
        said = await asyncio.gather(*(self._models_of(one, request_id) for one in servers))
        answers = dict(zip((one.server_id for one in servers), said, strict=True))
        known = {name: models for name, models in self._last.items() if name in answers}
        self._last = known | {
            name: answer for name, answer in answers.items() if isinstance(answer, dict)
        }
        failed = [answer for answer in said if isinstance(answer, GatewayError)]
        lists = [self._last[name] for name in answers if name in self._last]
        if not lists:
            failed.sort(key=lambda error: error.error_kind.should_retry is False)
            return failed[0] if failed else GatewayError("no_backend", "no server is known")
        incomplete = len(lists) < len(servers)
        age_s = min(self._age_s, _INCOMPLETE_AGE_S) if incomplete else self._age_s
        self._kept = _Kept(servers, merge_models(lists), age_s)
        return self._kept

    async def _models_of(self, server: Server, request_id: RequestId) -> Models | GatewayError:
        """Ask one server, or tell why it has nothing to say."""
        address = self._addresses.address_of(server.url)
        headers = [
            (b"host", address.host),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"identity"),
            (b"x-request-id", request_id.encode()),
        ]
        question = WholeExchange("GET", PATH.encode(), b"", _TIMEOUT_S, _TIMEOUT_S)
        try:
            whole = await question.ask_server(self._transport, address, headers)
        except TransportFailure as failure:
            return failure_error(failure.failure, sent=failure.sent, safe=True)
        answer = whole.answer
        encoding = answer.header_text(b"content-encoding").strip().lower()
        if answer.status == httpx.codes.OK:
            plain = expand_body(encoding, whole.body, BYTES_MAX)
            models = read_models(plain) if isinstance(plain, bytes) else None
            if models is not None:
                return models
        judged = judge_body(answer.status, encoding, whole.body, self._failures)
        if judged.verdict is Verdict.SUCCESS:
            return GatewayError("upstream_error", "the backend lists no models")
        return models_error(judged, retry_after(answer.header_text))

"""One attempt: the request to one server, its answer judged, and passed on if it is a success."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from contracts.balancer import Selected
from contracts.pool import Attempt, Verdict
from services.gateway.clients.answers import Client
from services.gateway.clients.headers import own_headers, passed_on, secret_of, upstream_headers
from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Upload
from services.gateway.domain import Judgement, failure_error, judged_body, judged_head
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.judgement import JUDGED_BYTES_MAX
from services.gateway.metrics import Metrics
from services.gateway.settings import Settings
from services.gateway.transport import Answer, Transport, TransportFailure

_RETRY_AFTER_MAX_S = 86_400.0


class Result(msgspec.Struct, frozen=True):
    """How an attempt went. `error` words it for the client when nothing was passed on."""

    judgement: Judgement
    sent: bool
    error: GatewayError | None = None
    retry_after_s: float | None = None
    cut: bool = False


class Servers:
    """The addresses of servers, parsed once."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[str, httpx.URL] = {}

    def url(self, url: str) -> httpx.URL:
        """Parse a server's address."""
        known = self._known.get(url)
        if known is None:
            known = self._known[url] = httpx.URL(url)
        return known


class Exchange:
    """Carries one request to one server over the transport."""

    def __init__(self, transport: Transport, settings: Settings, metrics: Metrics) -> None:
        """Use one transport for every exchange."""
        self._metrics = metrics
        self._transport = transport
        self._servers = Servers()
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self.settings = settings.gateway
        self._failures = settings.gateway.failure_tables()
        self._patience_s = settings.patience_s()
        self._transport.reuse_idle_s = settings.gateway.reuse_idle

    async def attempt(
        self,
        request: Request,
        upload: Upload,
        client: Client,
        selected: Selected,
        authorization: bytes | None,
        *,
        connect_s: float,
        rate: Mapping[str, str] | None,
    ) -> Result:
        """Try one server; a success is passed on to the client as it comes.

        Raises `GatewayError` when the client's own body broke off before anything was sent.
        """
        started = time.perf_counter()
        outgoing = self._outgoing(request, upload, selected, authorization, connect_s)
        result = Result(Judgement(Verdict.CLIENT_GONE), sent=False)
        status, connect_ms = 0, 0.0
        try:
            response = await self._transport.handle_async_request(outgoing)
            request.first_byte_ms = (time.perf_counter() - started) * 1000
            status = response.status_code
            async with aclosing(received(response)) as chunks:
                secret = secret_of(authorization)
                result = await self._answered(request, client, response, chunks, rate, secret)
            connect_ms = response.extensions["connect_ms"]
        except TransportFailure as failure:
            result = _failed(failure)
        except GatewayError as error:
            result = Result(
                Judgement(Verdict.OUTCOME_UNKNOWN, message="body"), sent=True, error=error
            )
        finally:
            sent = "sent_at" in outgoing.extensions
            request.sent = request.sent or sent
            verdict = result.judgement.verdict
            if request.answered and verdict is Verdict.CLIENT_GONE:
                verdict = Verdict.SUCCESS
            request.attempts_made += 1
            self._metrics.attempted(selected.server_id, verdict)
            if result.judgement.meaning == "not_accepted":
                self._metrics.not_accepted.labels(selected.server_id).inc()
            request.attempts.append(
                Attempt(
                    server_id=selected.server_id,
                    region=selected.region,
                    strategy=selected.strategy,
                    candidates=selected.candidates,
                    verdict=verdict,
                    status=status,
                    upstream_code=result.judgement.upstream_code,
                    inner_code=result.judgement.inner_code,
                    meaning=result.judgement.meaning or "",
                    failure=_failure_of(result),
                    sent=sent,
                    connect_ms=round(connect_ms, 3),
                    first_byte_ms=round(request.first_byte_ms, 3) if status else 0.0,
                    total_ms=round((time.perf_counter() - started) * 1000, 3),
                )
            )
        return result

    def _outgoing(
        self,
        request: Request,
        upload: Upload,
        selected: Selected,
        authorization: bytes | None,
        connect_s: float,
    ) -> httpx.Request:
        url = self._servers.url(selected.url)
        length = len(upload.head) if upload.complete else upload.length
        settings = self.settings
        return httpx.Request(
            "POST",
            url,
            headers=upstream_headers(request, url.netloc, authorization, length),
            stream=upload.stream(),
            extensions={
                "target": request.target,
                "timeout": {
                    "connect": min(connect_s, settings.connect_timeout),
                    "first_byte": self._patience_s.get(request.service_type),
                    "idle": settings.idle_timeout,
                },
            },
        )

    async def _answered(
        self,
        request: Request,
        client: Client,
        response: httpx.Response,
        chunks: AsyncIterator[bytes],
        rate: Mapping[str, str] | None,
        secret: bytes,
    ) -> Result:
        """Judge an answer by its head and, where it has a say, its body; pass a success on."""
        status = response.status_code
        kind = response.headers.get("content-type", "")
        length = response.headers.get("content-length")
        judgement = judged_head(status, kind, int(length) if length else None)
        begun: list[bytes] = []
        whole = False
        if judgement is None:
            begun, whole = await _first(chunks)
            encoding = response.headers.get("content-encoding", "").strip().lower()
            if whole:
                judgement = judged_body(
                    status,
                    encoding,
                    b"".join(begun),
                    self._failures,
                    secret.decode("latin-1"),
                    waited_s=response.extensions["waited_s"],
                    closing=response.headers.get("connection", "").lower() == "close",
                )
            elif 200 <= status < 300:  # noqa: PLR2004
                judgement = Judgement(Verdict.SUCCESS, status)
            else:
                judgement = judged_body(status, "", b"{}", self._failures)
        if judgement.verdict is not Verdict.SUCCESS:
            wait = retry_after(response)
            return Result(judgement, sent=True, retry_after_s=wait)
        request.answered = True
        headers = [*passed_on(response.headers.raw, secret), *own_headers(request, rate)]
        if whole:
            body = b"".join(begun)
            if length is None:
                headers.append((b"content-length", str(len(body)).encode()))
            await client.answer(status, headers, body)
            return Result(judgement, sent=True)
        events = kind.startswith("text/event-stream")
        if events and isinstance(response.stream, Answer):
            response.stream.wait_at_most(self._patience_s.get(request.service_type))
        await client.start(status, headers, events=events)
        return await _passed(client, judgement, begun, chunks)


async def _passed(
    client: Client, judgement: Judgement, begun: list[bytes], chunks: AsyncIterator[bytes]
) -> Result:
    """Stream a success to the client; what breaks off now is cut, not unknown."""
    try:
        for chunk in begun:
            await client.body(chunk, more=True)
        async for chunk in chunks:
            await client.body(chunk, more=True)
    except TransportFailure as failure:
        error = failure_error(failure.failure, sent=True)
        await client.break_off(error)
        return Result(judgement, sent=True, error=error, cut=True)
    await client.body(b"", more=False)
    return Result(judgement, sent=True)


async def _first(chunks: AsyncIterator[bytes]) -> tuple[list[bytes], bool]:
    """Take what may be judged; true when that was all."""
    taken: list[bytes] = []
    size = 0
    async for chunk in chunks:
        taken.append(chunk)
        size += len(chunk)
        if size > JUDGED_BYTES_MAX:
            return taken, False
    return taken, True


async def received(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield the answer's bytes and let go of its connection, whatever happens."""
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    try:
        async for chunk in stream:
            yield chunk
    finally:
        await stream.aclose()


def _failed(failure: TransportFailure) -> Result:
    """Word an exchange that broke off before a verdict."""
    verdict = Verdict.OUTCOME_UNKNOWN if failure.sent else Verdict.UNREACHABLE
    error = failure_error(failure.failure, sent=failure.sent)
    return Result(Judgement(verdict, message=failure.failure), sent=failure.sent, error=error)


def _failure_of(result: Result) -> str:
    """The transport's word for a failure without a status."""
    return result.judgement.message if result.judgement.status == 0 else ""


def retry_after(response: httpx.Response) -> float | None:
    """Read how long to wait, given in seconds or as a date (RFC 9110 §10.2.3); None: not said.

    A date counts from the server's own, so that a clock of its own does not matter.
    """
    text = response.headers.get("retry-after", "")
    if text.isdecimal():
        return min(float(text), _RETRY_AFTER_MAX_S)
    until = _instant(text)
    if until is None:
        return None
    since = _instant(response.headers.get("date", ""))
    seconds = until - (time.time() if since is None else since)
    return min(max(seconds, 0.0), _RETRY_AFTER_MAX_S)


def _instant(text: str) -> float | None:
    """Read an HTTP date, in seconds since 1970; None when it is none."""
    if not text:
        return None
    try:
        said = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # The oldest of the three forms (asctime) names no zone; all are in UTC.
    return (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp()

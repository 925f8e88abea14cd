"""The client's side of an exchange: what is said to it, how a broken one ends, what is logged."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from contracts.base import KeyId
from runtime.process.logs import Log
from services.gateway.clients.request import Request
from services.gateway.clients.uploads import ClientGoneError
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.heads import Headers
from services.gateway.domain.paths import KEPT_BYTES_MAX
from services.gateway.domain.summary import NOTHING_YET, Summary
from services.gateway.domain.texts import short_ms
from services.gateway.metrics import Metrics

Whole = Callable[[int, Headers, bytes], None]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Client:
    """Answers one request over ASGI; knows whether its answer has begun."""

    __slots__ = (
        "_abort",
        "_events",
        "_send",
        "_whole",
        "asked_since",
        "begun",
        "bytes_out",
        "gone",
        "status",
        "summary",
    )

    def __init__(self, send: Send, abort: Callable[[], None], whole: Whole | None = None) -> None:
        """`abort` closes the client's connection, so that a cut answer looks like one.

        `whole` gives a whole answer at once, where the server can.
        """
        self._send = send
        self._abort = abort
        self._events = False
        self._whole = whole
        self.asked_since = 0.0
        """When its request first asked for a lease (`perf_counter`); 0: it has not."""
        self.begun = False
        self.gone = False
        """Whether it has left."""
        self.summary: Callable[[], Summary] = _empty_summary
        """What is known of its request, asked for when it is told."""
        self.status = 0
        self.bytes_out = 0

    async def start_answer(self, status: int, headers: Headers, *, events: bool = False) -> None:
        """Send the head; `events` says that the body is a stream of events."""
        assert not self.begun
        self.begun = True
        self._events = events
        self.status = status
        head = {"type": "http.response.start", "status": status, "headers": headers}
        await self._send(head)

    async def send_body(self, chunk: bytes, *, more: bool) -> None:
        """Send a part of the body; back-pressure holds the caller here."""
        assert self.begun
        self.bytes_out += len(chunk)
        await self._send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def answer_whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Give a whole answer; `headers` hold its Content-Length."""
        if self._whole is None:
            await self.start_answer(status, headers)
            await self.send_body(body, more=False)
            return
        assert not self.begun
        self.begun = True
        self.status = status
        self.bytes_out = len(body)
        self._whole(status, headers, body)

    async def answer_error(self, error: GatewayError, headers: Headers) -> None:
        """Answer with an error, unless an answer has begun: then it is broken off."""
        if self.begun:
            await self.break_off(error)
            return
        body = error.as_body()
        own = [*headers, *error.extra_headers(), (b"content-length", str(len(body)).encode())]
        await self.answer_whole(error.http_status, own, body)

    async def break_off(self, error: GatewayError) -> None:
        """End a begun answer that its server cut: SSE clients are told, all see no proper end."""
        if self._events:
            await self.send_body(b"\n\ndata: " + error.as_body() + b"\n\n", more=True)
        self._abort()


def log_request(
    log: Log,
    metrics: Metrics,
    request: Request,
    key_id: KeyId,
    client: Client,
    error: GatewayError | None,
) -> None:
    """Count and log a request, in one line; `key_id` is empty where no key opened it."""
    seconds = time.perf_counter() - request.started
    summary = client.summary()
    metrics.record_answer(summary.service_type, client.status, seconds)
    if error is not None:
        metrics.errors.labels(error.code).inc()
    log.info(
        "request",
        request_id=request.request_id,
        path=request.path[:KEPT_BYTES_MAX],
        service_type=summary.service_type,
        status=client.status,
        error=error.code if error else None,
        key_id=key_id,
        session_id=summary.session_id,
        session_label=summary.session_label or None,
        server_id=summary.server_id or None,
        attempts=summary.attempts_made,
        ms=short_ms(seconds * 1000),
        lease_ms=short_ms(summary.lease_ms),
        first_byte_ms=short_ms(summary.first_byte_ms),
        bytes_out=client.bytes_out,
        gone=client.gone or None,
    )


def _empty_summary() -> Summary:
    return NOTHING_YET


def break_off_error(broken: BaseException, *, gone: bool) -> GatewayError | None:
    """Word what broke a request off for its client; None: it is gone."""
    if gone or isinstance(broken, ClientGoneError):
        return None
    if isinstance(broken, GatewayError):
        return broken
    if isinstance(broken, asyncio.CancelledError):
        message = (
            "the exchange was broken off (exchange_max, or the gateway stops);"
            " its outcome is unknown"
        )
        return GatewayError("upstream_outcome_unknown", message, status=504)
    return GatewayError("internal_error", "the gateway failed; its log says why")

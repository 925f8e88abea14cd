"""The client's side of an exchange: what has been said to it, and how a broken answer ends."""

from collections.abc import Awaitable, Callable
from typing import Any

from services.gateway.domain.errors import GatewayError
from services.gateway.domain.heads import Headers, clean

Whole = Callable[[int, Headers, bytes], None]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Client:
    """Answers one request over ASGI; knows whether its answer has begun."""

    __slots__ = ("_abort", "_events", "_send", "_whole", "begun", "bytes_out", "status")

    def __init__(self, send: Send, abort: Callable[[], None], whole: Whole | None = None) -> None:
        """`abort` closes the client's connection, so that a cut answer looks like one.

        `whole` gives a whole answer at once, where the server can.
        """
        self._send = send
        self._abort = abort
        self._events = False
        self._whole = whole
        self.begun = False
        self.status = 0
        self.bytes_out = 0

    async def start(self, status: int, headers: Headers, *, events: bool = False) -> None:
        """Send the head; `events` says that the body is a stream of events."""
        self.begun = True
        self._events = events
        self.status = status
        head = {"type": "http.response.start", "status": status, "headers": clean(headers)}
        await self._send(head)

    async def body(self, chunk: bytes, *, more: bool) -> None:
        """Send a part of the body; back-pressure holds the caller here."""
        self.bytes_out += len(chunk)
        await self._send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Give a whole answer; `headers` hold its Content-Length."""
        if self._whole is None:
            await self.start(status, headers)
            await self.body(body, more=False)
            return
        self.begun = True
        self.status = status
        self.bytes_out = len(body)
        self._whole(status, clean(headers), body)

    async def fail(self, error: GatewayError, headers: Headers) -> None:
        """Answer with an error, unless an answer has begun: then it is broken off."""
        if self.begun:
            await self.break_off(error)
            return
        body = error.body()
        own = [*headers, *error.headers(), (b"content-length", str(len(body)).encode())]
        await self.answer(error.http_status, own, body)

    async def break_off(self, error: GatewayError) -> None:
        """End a begun answer that its server cut: SSE clients are told, all see no proper end."""
        if self._events:
            await self.body(b"\n\ndata: " + error.body() + b"\n\n", more=True)
        self._abort()

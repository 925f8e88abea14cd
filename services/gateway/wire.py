"""The HTTP server's side of a connection: bounded heads, our error shape, and lost clients.

uvicorn's httptools protocol, with three things it lacks: a bound on request heads, malformed
HTTP answered in the API's shape, and a call when the client goes away, so that nobody has to
wait on `receive()` to learn it.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from functools import partial

import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from services.gateway.clients.headers import CORS, NO_STORE
from services.gateway.domain.errors import GatewayError

HEAD_BYTES_MAX = 64 * 1024
_HEAD_TIMEOUT_S = 30.0
_LINGER_S = 10.0
_FIRST_REQUEST_S = 0.5


class _HeadTooLargeError(Exception):
    """Raised into the parser, which reports it as malformed HTTP, to stop it."""


class Connection(HttpToolsProtocol):
    """One client connection; `on_gone` is called once if it is lost during a request."""

    on_gone: Callable[[], None] | None = None
    _asked = False
    """Whether the head of a request has come."""
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head within its time."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._close_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever works for this client."""
        self._stop_timer()
        super().connection_lost(exc)
        gone, self.on_gone = self.on_gone, None
        if gone is not None:
            gone()

    def shutdown(self) -> None:
        """Let go of an idle connection; one that has not asked yet gets the time to.

        Its first request may be on its way, and would be answered by a reset.
        """
        if self._asked:
            super().shutdown()
        else:
            self.loop.call_later(_FIRST_REQUEST_S, super().shutdown)

    def send_400_response(self, msg: str) -> None:
        """Answer malformed HTTP, or a head over its bound, in the API's shape."""
        if self._head_bytes > HEAD_BYTES_MAX:
            message = f"the request's head is larger than {HEAD_BYTES_MAX:,} bytes"
            self._refuse(GatewayError("request_header_too_large", message))
        else:
            self._refuse(GatewayError("invalid_request", msg))

    def on_message_begin(self) -> None:
        """Count a new head."""
        super().on_message_begin()
        self._head_bytes = 0
        self._stop_timer()
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._close_idle)
        self.scope["tidegate.connection"] = self  # type: ignore[typeddict-unknown-key]

    def on_url(self, url: bytes) -> None:
        """Bound the target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Bound the head."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the clock of the first head; let the answer be given whole."""
        self._stop_timer()
        self._asked = True
        scope = self.scope
        super().on_headers_complete()
        scope["tidegate.whole"] = partial(_answer_whole, self.cycle)  # type: ignore[typeddict-unknown-key]

    def on_message_complete(self) -> None:
        """Read on, or a client's going away would not be noticed behind a large body."""
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()

    def hang_up(self) -> None:
        """Close without a proper end of the answer under way."""
        self.transport.close()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            raise _HeadTooLargeError

    def _close_idle(self) -> None:
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, error: GatewayError) -> None:
        body = error.body()
        head = [f"HTTP/1.1 {error.http_status} Refused\r\n".encode()]
        headers = (*error.headers(), NO_STORE, *CORS)
        head += [name + b": " + value + b"\r\n" for name, value in headers]
        head.append(f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode())
        self.transport.write(b"".join(head) + body)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers (`lifecycle` has them), and with a kinder end."""

    async def serve_on(self, listening: socket.socket) -> None:
        """Serve until `should_exit`."""
        await self._serve(sockets=[listening])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in who has connected already, then listen no more, and end what is open.

        A busy process has clients in the kernel's queue: closing the listener resets them all.
        """
        entering = [
            asyncio.create_task(self._enter(accepted))
            for listening in sockets or ()
            for accepted in _queued(listening)
        ]
        # Nothing is awaited between the queue's end and the listener's.
        await super().shutdown(sockets)
        await asyncio.gather(*entering, return_exceptions=True)

    async def _enter(self, accepted: socket.socket) -> None:
        def protocol() -> Connection:
            state = self.lifespan.state
            return Connection(config=self.config, server_state=self.server_state, app_state=state)

        loop = asyncio.get_running_loop()
        _, connection = await loop.connect_accepted_socket(protocol, accepted)
        connection.shutdown()


def _queued(listening: socket.socket) -> Iterator[socket.socket]:
    """Accept whoever waits in the kernel's queue."""
    listening.setblocking(False)
    while True:
        try:
            accepted, _ = listening.accept()
        except OSError:
            return
        yield accepted


def _answer_whole(
    cycle: RequestResponseCycle, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """Give a whole answer in one write (uvicorn makes two, a system call each).

    `headers` hold a Content-Length, and no line breaks: `Client` lets none through.
    """
    if cycle.disconnected:
        return
    lines = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        lines += (name, b": ", value, b"\r\n")
        if name == b"connection" and value == b"close":
            cycle.keep_alive = False
    lines += (b"\r\n", b"" if cycle.scope["method"] == "HEAD" else body)
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    cycle.transport.write(b"".join(lines))
    if not cycle.keep_alive:
        _close(cycle)
    cycle.on_response()


def _close(cycle: RequestResponseCycle) -> None:
    """Close; a client that still sends its body is listened to for a while.

    Otherwise the kernel answers its bytes with a reset, and it never sees the answer.
    """
    if not cycle.more_body:
        cycle.transport.close()
        return
    cycle.flow.resume_reading()
    cycle.transport.write_eof()
    asyncio.get_running_loop().call_later(_LINGER_S, cycle.transport.close)

"""One request of a connection and its answer, as ASGI has it (ADR 27)."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

from services.gateway.domain.errors import GatewayError
from services.gateway.domain.heads import Headers
from services.gateway.wire.line import Line
from services.gateway.wire.writing import CLOSE, OURS, head_of

BODY_BYTES_HELD_MAX = 64 * 1024
"""So much of an upload waits for the application before reading stops."""
_DRAINED_BYTES_MAX = 256 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PROBES_S = (0.1, 1.0, 5.0)
_BODILESS = frozenset({204, 304})
_log = logging.getLogger("uvicorn.error")


class Turn:
    """A request under way: its body as it comes, its answer as it goes."""

    __slots__ = (
        "_body",
        "_chunked",
        "_connection",
        "_fault",
        "_left",
        "_waiter",
        "answered",
        "begun",
        "chunked",
        "complete",
        "expects",
        "fed",
        "given",
        "gone",
        "keep_alive",
        "last",
        "length",
        "scope",
        "taken",
    )

    def __init__(
        self,
        connection: Line,
        scope: dict[str, Any],
        length: int | None,
        *,
        chunked: bool,
        expects: bool,
        keep_alive: bool,
    ) -> None:
        """Begin with a whole head: `length` of the body, or `chunked`, or there is none."""
        self.scope = scope
        self.length = 0 if length is None else length
        self.chunked = chunked
        self.expects = expects
        """Whether the client waits for `100 Continue` before it sends its body."""
        self.keep_alive = keep_alive
        self.last = not keep_alive
        """Whether the client said that it asks for nothing more."""
        self.complete = False
        """Whether the whole message is there."""
        self.taken = 0
        """Bytes of its body that came."""
        self.fed = 0
        """Bytes that the parser was given for them."""
        self.begun = self.answered = self.gone = self.given = False
        self._connection = connection
        self._body = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._fault: GatewayError | None = None
        self._chunked = False
        self._left = 0

    # ------------------------------------------------------------- from the connection

    @property
    def is_crowded(self) -> bool:
        """Whether more of the body waits here than the application has asked for."""
        return len(self._body) > BODY_BYTES_HELD_MAX

    @property
    def wants_body(self) -> bool:
        """Whether the application waits for more of the body."""
        return self._waiter is not None and not self.complete

    def take_body(self, body: bytes) -> None:
        """Take a part of the body; behind the answer's end it counts for nothing."""
        self.taken += len(body)
        if not self.answered:
            self._body += body
            self._wake_reader()

    def end_body(self) -> None:
        """The message is whole."""
        self.complete = True
        self._wake_reader()

    def fail_with(self, fault: GatewayError) -> None:
        """The body will never be whole: whoever asks for it is told, and nothing follows."""
        self._fault = fault
        self.keep_alive = False
        self._wake_reader()

    def note_lost(self) -> None:
        """The client is gone."""
        self.gone = True
        self._wake_reader()

    def _wake_reader(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def ask_again(self, probes: int = 0) -> None:
        """Ask a client that sends no more whether it is there at all.

        One that has closed altogether looks just like one that waits, until something is sent to
        it: its kernel answers with a reset. An interim answer asks without a word of the answer
        (RFC 9110 §15.2).
        """
        connection = self._connection
        if not self.begun and not connection.transport.is_closing():
            connection.write_part(CONTINUE)
            if probes < len(_PROBES_S):
                connection.loop.call_later(_PROBES_S[probes], self.ask_again, probes + 1)

    # ------------------------------------------------------------- to the application

    async def run(self, app: Any) -> None:
        """Let the application answer; a fault of it is answered too."""
        try:
            await app(self.scope, self.receive, self.send)
        except GatewayError as told:
            self._answer_failure(told)
        except Exception:  # noqa: BLE001 (whatever it is, it is logged and answered)
            _log.exception("Exception in ASGI application")
        if not self.answered and not self.gone:
            if self.begun:
                self._connection.hang_up()
            else:
                message = "the gateway failed; its log says why"
                self._answer_failure(GatewayError("internal_error", message))
        # A scope that holds what holds the scope is left to the garbage collector.
        self.scope.pop("tidegate.connection", None)
        self.scope.pop("tidegate.whole", None)

    def _answer_failure(self, error: GatewayError) -> None:
        """Answer with an error, unless an answer has begun."""
        if not self.begun and not self.gone:
            body = error.as_body()
            length = (b"content-length", b"%d" % len(body))
            self.answer_whole(error.http_status, [*error.extra_headers(), *OURS, length], body)

    async def receive(self) -> dict[str, Any]:
        """Give what came of the body, or wait for it; behind its end, for the client's going.

        Raises `GatewayError` for a body that is malformed, or came too slowly.
        """
        connection = self._connection
        if self.expects and not self.begun and not connection.transport.is_closing():
            self.expects = False
            connection.write_part(CONTINUE)
        while not (self.gone or self.answered):
            if self._body or (self.complete and not self.given):
                body = bytes(self._body)
                self._body.clear()
                self.given = self.complete
                connection.settle_line()
                return {"type": "http.request", "body": body, "more_body": not self.complete}
            if self._fault is not None:
                raise replace(self._fault)  # its frames hold this turn
            waiter = self._waiter
            if waiter is None:
                waiter = self._waiter = connection.loop.create_future()
            try:
                await waiter
            finally:
                if self._waiter is waiter:
                    self._waiter = None
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """Write a part of the answer, once the client has taken enough of what went before."""
        connection = self._connection
        while connection.full and not self.gone:
            await connection.wait_drained()
        if self.gone:
            return
        if not self.begun:
            self._begin_answer(message["status"], list(message.get("headers", ())))
            return
        if self.answered:
            raise RuntimeError("a part of an answer that has ended")
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if self.scope["method"] == "HEAD":
            self._left = 0
        elif self._chunked:
            written = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            connection.write_part(written if more else written + b"0\r\n\r\n")
        else:
            if 0 <= self._left < len(body):
                raise RuntimeError("an answer longer than its Content-Length")
            self._left -= len(body) if self._left > 0 else 0
            connection.write_part(body)
        if not more:
            if self._left > 0:
                raise RuntimeError("an answer shorter than its Content-Length")
            self._end_answer()

    def answer_whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Give a whole answer in one write; `headers` hold its Content-Length (ADR 7)."""
        if self.gone:
            return
        assert not self.begun
        connection = self._connection
        head = head_of(status, connection.default_headers, headers)
        self._settle_keep_alive(headers)
        self.begun = True
        parts = (head, self._close_header(headers), b"\r\n")
        bodiless = self.scope["method"] == "HEAD" or status in _BODILESS
        connection.write_part(b"".join((*parts, b"" if bodiless else body)))
        self._end_answer()

    def _begin_answer(self, status: int, given: Headers) -> None:
        """Write the head of an answer, and settle how its body ends."""
        assert not self.begun
        headers = [(name.lower(), value) for name, value in given]
        lengths = [value for name, value in headers if name == b"content-length"]
        bodiless = self.scope["method"] == "HEAD" or status in _BODILESS
        end = b"\r\n"
        if lengths:
            self._left = 0 if bodiless else int(lengths[0])
        elif bodiless:
            self._left = 0
        elif self.scope["http_version"] == "1.0":
            # RFC 9112 §6.3: without a length, HTTP/1.0 knows the end by the connection's.
            self._left = -1
            self.keep_alive = False
        else:
            self._chunked = True
            end = b"transfer-encoding: chunked\r\n\r\n"
        head = head_of(status, self._connection.default_headers, headers)
        self._settle_keep_alive(headers)
        self.begun = True
        self._connection.write_part(head + self._close_header(headers) + end)

    def _settle_keep_alive(self, headers: Headers) -> None:
        """Settle whether the connection goes on behind this answer.

        A client that waits for `100 Continue` may send its body or the next request behind this
        answer (RFC 9110 §10.1.1): nobody could tell which. And of an upload that nobody wants,
        little is read for the sake of what is behind it.
        """
        if not self.complete:
            left = self.length - self.taken
            if self.expects or self.chunked or left > _DRAINED_BYTES_MAX:
                self.keep_alive = False
        for name, value in headers:
            if name == b"connection":
                self.keep_alive = self.keep_alive and b"close" not in value.lower()
                return

    def _close_header(self, headers: Headers) -> bytes:
        """Write `connection: close` where it ends, and its application has not spoken of it."""
        if self.keep_alive or any(name == b"connection" for name, _ in headers):
            return b""
        return CLOSE

    def _end_answer(self) -> None:
        assert self.begun
        assert not self.answered
        self.answered = True
        self._body.clear()
        self._wake_reader()
        self._connection.end_turn(self)

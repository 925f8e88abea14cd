"""What comes back of one exchange: head, body, and where it stopped.

An `ServerAnswer` is the target of one parser's callbacks and, once its head is there, the stream of
its body. Every exchange has a parser of its own, so nothing of one answer (a trailer, a length)
can show up in the next.

    awaited ──head──► begun ──end──► complete
       └──────────────── failed ◄──┘ cut, late, no HTTP

Its reader takes pieces as they come, and may be behind: what is held is taken also of an answer
that is complete or has failed since. Closing it early completes it, and aborts its connection.
What is ugly: a failure is raised where the answer is read or, before its head, where that is
awaited, and has to be let go of by hand there, for its frames hold the answer.
"""

import asyncio
from collections import deque
from time import monotonic
from typing import Protocol, Self

import httptools
import httpx

from services.gateway.domain.failure import Failure
from services.gateway.transport.failures import MaybeSentError

HEAD_BYTES_MAX = 64 * 1024
"""Of a head with its 1xx heads, and of anything else that brings no byte of body."""
HELD_BYTES_MAX = 256 * 1024
"""Body bytes held for a slow reader before the socket is left alone."""

_OK = 200
_SWITCHING = 101
_STATUS_MIN = 100


class Carrier(Protocol):
    """What an answer asks of the connection that brings it."""

    def pause_reading(self) -> None:
        """Leave what the server sends in the socket."""

    def resume_reading(self) -> None:
        """Read on."""

    def abort_exchange(self) -> None:
        """Close at once; whatever is under way is cut."""

    def expect_within(self, seconds: float | None) -> None:
        """Fail the exchange with a timeout unless something moves within `seconds`."""

    def expect_nothing(self, answer: "ServerAnswer") -> None:
        """Take the deadline back, if `answer` is still the exchange of this connection."""


class ServerAnswer(httpx.AsyncByteStream):
    """One answer; iterate it once for the body, or take `whole_body()`, or `aclose()` it.

    Raises `MaybeSentError` where the body ends too early. Closing it before its end aborts the
    connection.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Carrier,
        *,
        is_head: bool,
        idle_s: float | None,
    ) -> None:
        self._loop = loop
        self._connection: Carrier | None = connection
        self._is_head = is_head
        self._idle_s = idle_s
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        """Until the end of the answer, for it holds this answer too."""
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._barren = 0
        self._waiter: asyncio.Future[None] | None = None
        self.begun: asyncio.Future[None] = loop.create_future()
        """Done when the head is there, or a failure is."""
        self.begun_at = 0.0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._fields: dict[bytes, bytes] = {}
        """The same by name in lower case, once one is asked for of a whole head."""
        self.failure: Exception | None = None
        self.complete = False
        self.keep_alive = False
        """The message ended where its framing says, and the server lets the connection live."""
        self.reused = True
        """Whether its connection had carried another before; else it took `connect_ms` to make."""
        self.connect_ms = 0.0
        self.waited_s = 0.0
        """From the request's last byte to its own first; 0 when it came before that."""

    # ------------------------------------------------------------ what the socket brings

    def feed_bytes(self, data: bytes) -> MaybeSentError | None:
        """Take what the socket brought; return what is wrong with it, if anything is."""
        self._barren += len(data)
        parser = self._parser
        assert parser is not None
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                return MaybeSentError(Failure.GARBAGE, f"not an HTTP/1.1 answer: {error}")
            self.keep_alive = False  # what follows a whole answer takes nothing from it
        if self.complete:
            return None
        if self._is_head and self.begun_at:
            # The parser knows nothing of the question, and waits for the body of its length.
            self._end_answer()
        elif self._barren > HEAD_BYTES_MAX:
            return MaybeSentError(Failure.GARBAGE, "head, trailers or chunk sizes without end")
        elif self._held > HELD_BYTES_MAX and self._connection is not None:
            self._connection.pause_reading()
        return None

    def note_end_of_file(self) -> None:
        """Nothing more comes: that ends an answer which is framed by nothing else."""
        framed = (b"content-length", b"transfer-encoding")
        if self.begun_at and not any(name.lower() in framed for name, _ in self.headers):
            self._end_answer()

    def fail_with(self, failure: Exception) -> None:
        """End it here, for its caller or its reader to raise `failure`; the first one stands."""
        if self.complete or self.failure is not None:
            return
        self.failure = failure
        self._connection = self._parser = None
        self._wake_reader()
        if not self.begun.done():
            self.begun.set_result(None)

    def detach_carrier(self) -> None:
        """Part from the connection, which goes on without it."""
        self._connection = None

    # ------------------------------------------------------------ what the parser says

    def on_message_begin(self) -> None:
        """Bytes after the end are an answer nobody asked for."""
        if self.complete:
            self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers of the head, and no trailers; blanks around a value are none of it."""
        if not self.begun_at:
            self.headers.append((name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """Take the head, unless it is an interim one (1xx)."""
        if self.complete:
            return
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < _STATUS_MIN or status == _SWITCHING:
            raise ValueError(f"status {status}")  # the parser makes an error of its own of it
        if status < _OK:
            self.headers.clear()  # an interim head's are not the answer's (RFC 9110 §15.2)
            return
        if self._barren > HEAD_BYTES_MAX and self._head_bytes() > HEAD_BYTES_MAX:
            raise ValueError("the head is over 64 KB")
        self._barren = 0
        self.status = status
        self.begun_at = monotonic()
        if not self.begun.done():
            self.begun.set_result(None)

    def on_body(self, data: bytes) -> None:
        """Hold a piece of the body for its reader; a second answer's is none of it."""
        if self._is_head or self.complete:
            return
        self._barren = 0
        self._chunks.append(data)
        self._held += len(data)
        if self._waiter is not None:
            self._wake_reader()

    def on_message_complete(self) -> None:
        """Note the end, where the head was not an interim one."""
        if self.begun_at and not self.complete:
            assert self._parser is not None
            self.keep_alive = self._parser.should_keep_alive()
            self._end_answer()

    def _head_bytes(self) -> int:
        return sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _end_answer(self) -> None:
        self.complete = True
        self._parser = None
        self._wake_reader()

    def _wake_reader(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # ------------------------------------------------------------ what the reader takes

    def header_text(self, name: bytes) -> str:
        """Read a header by its name in lower case: "" if it is not there, all of it if twice."""
        fields = self._fields
        if not fields:
            for given, value in self.headers:
                lower = given.lower()
                fields[lower] = fields[lower] + b", " + value if lower in fields else value
        return fields[name].decode("latin-1") if name in fields else ""

    def wait_at_most(self, seconds: float | None) -> None:
        """Bound the silence between two pieces of the body from now on; None: no bound."""
        self._idle_s = seconds

    def whole_body(self) -> bytes | None:
        """Take the body if all of it has arrived; None while it has not."""
        return self._take_chunks() if self.complete else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._chunks:
            if self.failure is not None:
                raise self.failure
            if self.complete:
                raise StopAsyncIteration
            await self._await_more()
        return self._take_chunks()

    async def aclose(self) -> None:
        """Let go of it; the connection is aborted if the answer is not at its end."""
        self._chunks.clear()
        self.failure = None  # whoever has raised it holds this answer
        connection, self._connection = self._connection, None
        if not self.complete:
            self._end_answer()
            if connection is not None:
                connection.abort_exchange()

    def _take_chunks(self) -> bytes:
        assert self.begun_at
        chunks = self._chunks
        # The usual answer is one piece: it is passed on as it is, and nothing is copied.
        taken = chunks.popleft() if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._held = 0
        if self._connection is not None:
            self._connection.resume_reading()
        return taken

    async def _await_more(self) -> None:
        waiter = self._waiter = self._loop.create_future()
        connection = self._connection
        if connection is not None:
            connection.expect_within(self._idle_s)
        try:
            await waiter
        except BaseException:
            await self.aclose()
            raise
        if connection is not None:
            connection.expect_nothing(self)

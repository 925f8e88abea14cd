"""HTTP/1.1 on a socket: requests come in whole, answers go out as they are, or broken.

The body of a request is hashed as it comes; only its first MB is kept.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qsl

import httptools

KEPT_BYTES_MAX = 1_000_000
HEAD_BYTES_MAX = 256 * 1024

_log = logging.getLogger(__name__)
NODE_HEAD_BYTES_MAX = 16 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class Incoming:
    """A request, whole."""

    arrived: datetime
    """When its head was there."""
    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    kept: bytes = b""
    """The first MB of the body."""
    body_bytes: int = 0
    body_sha256: str = ""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The last value of each name."""
        return dict(parse_qsl(self.target.partition("?")[2]))

    def header(self, name: bytes) -> str:
        """Find the first header of that (lower-case) name."""
        for key, value in self.headers:
            if len(key) == len(name) and key.lower() == name:
                return value.decode("latin-1")
        return ""


@dataclass(slots=True)
class DemoAnswer:
    """An answer: `body`, or `pieces` (with their `length`, or chunked)."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    pieces: Iterable[bytes] | None = None
    length: int | None = None
    pause_s: float = 0.0
    """Between two pieces."""

    @property
    def streamed(self) -> bool:
        """Whether nobody knows its length beforehand."""
        return self.pieces is not None and self.length is None

    def head_bytes(self) -> bytes:
        """Status line and headers."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", f"Content-Type: {self.kind}"]
        if self.streamed:
            lines.append("Transfer-Encoding: chunked")
        else:
            lines.append(
                f"Content-Length: {len(self.body) if self.pieces is None else self.length}"
            )
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


App = Callable[[Incoming, "DemoDoor"], Awaitable[None]]


class DemoDoor(asyncio.Protocol):
    """One connection: takes requests one after another, and sends what `app` tells it to."""

    def __init__(
        self,
        app: App,
        now: Callable[[], datetime],
        doors: "set[DemoDoor]",
        request_within_s: float | None = None,
    ) -> None:
        """With `request_within_s`, be Node, whose own refusals say nothing.

        400; 431 for a head over 16 KB; 408 for a request that is not whole so long after it began.
        """
        self._app = app
        self._now = now
        self._doors = doors
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._waiting: deque[Incoming] = deque()
        self._task: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._unheaded = 0
        self._within_s = request_within_s
        self._head_bytes_max = HEAD_BYTES_MAX if request_within_s is None else NODE_HEAD_BYTES_MAX
        self._hurry: asyncio.TimerHandle | None = None
        self._incoming: Incoming | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self.controls = False
        """It asked for a switch: `refuse` leaves it open."""

    @property
    def idle(self) -> bool:
        """Nothing is asked of it."""
        return self._task is None and self._incoming is None

    # ------------------------------------------------------------ what goes out

    def send_answer(self, out: DemoAnswer) -> None:
        """Send an answer that is in memory."""
        self._transport.write(out.head_bytes() + out.body)

    async def stream_answer(self, out: DemoAnswer) -> None:
        """Send an answer piece by piece, as fast as it is taken."""
        self._transport.write(out.head_bytes())
        for piece in out.pieces or (out.body,):
            await self.write_piece(piece, chunked=out.streamed)
            if out.pause_s:
                await asyncio.sleep(out.pause_s)
        if out.streamed:
            self._transport.write(b"0\r\n\r\n")

    async def write_piece(self, piece: bytes, *, chunked: bool) -> None:
        """Send a piece of a body."""
        self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if self._drained is not None:
            await self._drained

    def write_raw(self, data: bytes) -> None:
        """Send these bytes."""
        self._transport.write(data)

    def close(self) -> None:
        """Close when all is sent."""
        self._transport.close()

    # ------------------------------------------------------------ what the loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast("asyncio.Transport", transport)
        self._doors.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Drop what was asked."""
        self._doors.discard(self)
        self._waiting.clear()
        self._in_time()
        if self._task is not None:
            self._task.cancel()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse; what is no HTTP is answered once."""
        try:
            self._unheaded += len(data)
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse_garbage(400, b'{"error":"not HTTP/1.1"}')
            return
        if self._incoming is None and self._unheaded > self._head_bytes_max:
            self._refuse_garbage(431, b'{"error":"the head is too large"}')

    def _refuse_garbage(self, status: int, body: bytes) -> None:
        """Refuse what is no request, and close."""
        if self._within_s is None:
            self.send_answer(DemoAnswer(status, body))
        else:
            phrase = HTTPStatus(status).phrase
            self.write_raw(f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\n\r\n".encode())
        self._incoming = None
        self.close()

    def _in_time(self) -> None:
        """Hurry nobody any more."""
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None

    def pause_writing(self) -> None:
        """Let streams wait."""
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let streams go on."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # ------------------------------------------------------------ what the parser says

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = b""
        self._headers = []
        if self._within_s is not None:
            loop = asyncio.get_running_loop()
            self._hurry = loop.call_later(self._within_s, self._refuse_garbage, 408, b"")

    def on_url(self, url: bytes) -> None:
        """Take the target, which may come in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if self._incoming is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note the arrival."""
        if sum(len(name) + len(value) + 4 for name, value in self._headers) > self._head_bytes_max:
            self._refuse_garbage(431, b'{"error":"the head is too large"}')
            return
        self._incoming = Incoming(
            self._now(),
            self._parser.get_method().decode("latin-1"),
            self._url.decode("latin-1"),
            self._headers,
        )
        self._kept: list[bytes] = []
        self._hash = sha256()
        if self._incoming.header(b"expect").lower() == "100-continue":
            self.write_raw(_CONTINUE)

    def on_body(self, data: bytes) -> None:
        """Hash the body, and keep its beginning."""
        incoming = self._incoming
        if incoming is not None:
            if incoming.body_bytes < KEPT_BYTES_MAX:
                self._kept.append(data)
            self._hash.update(data)
            incoming.body_bytes += len(data)

    def on_message_complete(self) -> None:
        """Hand the request on, after those before it."""
        incoming = self._incoming
        self._in_time()
        if incoming is None:
            return
        incoming.kept = b"".join(self._kept)
        incoming.body_sha256 = self._hash.hexdigest()
        self._incoming = None
        self._unheaded = 0
        self._waiting.append(incoming)
        self._last = not self._parser.should_keep_alive()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._answer_request())

    async def _answer_request(self) -> None:
        while self._waiting:
            try:
                await self._app(self._waiting.popleft(), self)
            except Exception:  # noqa: BLE001 (whatever it was, its client gets an answer)
                _log.exception("a request could not be answered")
                self.send_answer(DemoAnswer(500, b'{"error":"a fault of the demo server itself"}'))
                self.close()
        self._task = None
        if self._last:
            self.close()

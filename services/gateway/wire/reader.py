"""Bytes to requests: the parser is given one message at a time, and never more.

A head ends at the next empty line, a chunked body too, and a body with a length where that says.
So nothing behind a request is looked at before its turn comes, however much of it there is.
"""

from collections.abc import Callable
from typing import Any

import httptools

from services.gateway.domain.errors import GatewayError
from services.gateway.wire import heads
from services.gateway.wire.turn import Turn

END = b"\r\n\r\n"
_KEPT = len(END) - 1
_READ = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
Scope = dict[str, Any]
Begin = Callable[[Scope, "Reader"], Turn]


class Reader:
    """Reads the requests of one connection; `turn` is the one whose message is under way."""

    def __init__(self, begin: Begin) -> None:
        """`begin` takes a whole head, as a scope of ASGI, and begins its turn."""
        self.turn: Turn | None = None
        self.head_bytes = 0
        """Of the head that has begun; 0 between two requests."""
        self.length: int | None = None
        self.coding: bytes | None = None
        self.expects = False
        self._begin = begin
        self._parser = httptools.HttpRequestParser(self)
        self._tail = b""
        self._refused: GatewayError | None = None
        self._forget_head()

    @property
    def keeps_alive(self) -> bool:
        """Whether the client means to ask again on this connection."""
        return bool(self._parser.should_keep_alive())

    def close(self) -> None:
        """Read no more, and let go of the connection and of the parser, which hold this."""
        del self._parser, self._begin
        self._refused = None

    def feed_bytes(self, data: bytes) -> bytes:
        """Read to the end of one message; returns what is behind it.

        Raises `GatewayError` for what is malformed: nothing can be read after it.
        """
        start, size = 0, len(data)
        while start < size:
            end = self._end_of_piece(data, start, size)
            piece = data if end - start == size else data[start:end]
            end = start + self._parse_piece(piece)
            kept = piece[-_KEPT:]
            self._tail = (self._tail + kept)[-_KEPT:]
            start = end
            if self.turn is not None and self.turn.complete:
                return data[start:] if start < size else b""
        return b""

    def _parse_piece(self, piece: bytes) -> int:
        """Give the parser a piece; returns how much of it was read."""
        self._count_head(len(piece))
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._refuse_upgrade()
            return int(upgrade.args[0])
        except httptools.HttpParserError as error:
            raise self._refused or heads.parser_error(error, piece) from None
        return len(piece)

    def _refuse_upgrade(self) -> None:
        """Go on as before (RFC 9110 §7.8); the parser takes what follows for another protocol.

        A new one is told that there is a body, where there is: it asks for nothing else.
        """
        self._parser = httptools.HttpRequestParser(self)
        turn = self.turn
        if turn is not None and not turn.complete:
            framing = b"Transfer-Encoding: chunked"
            if not turn.chunked:
                framing = b"Content-Length: %d" % turn.length
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)

    def _end_of_piece(self, data: bytes, start: int, size: int) -> int:
        """Find where a message may end: too early costs a call, too late is never."""
        turn = self.turn
        if turn is not None and not turn.chunked:
            return min(size, start + turn.length - turn.taken)
        if self._tail:
            seam = (self._tail + data[start : start + _KEPT]).find(END)
            if seam >= 0:
                return start + seam + len(END) - len(self._tail)
        end = data.find(END, start)
        return size if end < 0 else end + len(END)

    def _count_head(self, size: int) -> None:
        """Bound heads, and what comes beside the bytes of chunked bodies."""
        turn = self.turn
        if turn is None:
            self.head_bytes += size
            if self.head_bytes > heads.HEAD_BYTES_MAX:
                raise heads.head_too_large()
        elif turn.chunked:
            if heads.is_overframed(turn.fed, turn.taken):
                raise heads.framing_error()
            turn.fed += size

    def _forget_head(self) -> None:
        self.head_bytes = 0
        self.length = self.coding = None
        self.expects = False
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._hosts: list[bytes] = []

    # ------------------------------------------------------------- what the parser calls

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        if self.turn is None:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those behind a body are nobody's (RFC 9110 §6.5.1)."""
        if self.turn is not None:
            return
        name = name.lower()
        if name in _READ:
            if name == b"host":
                self._hosts.append(value)
            elif name == b"content-length":
                self.length = int(value)
            elif name == b"transfer-encoding":
                # RFC 9110 §5.2: several lines are one list.
                self.coding = value if self.coding is None else self.coding + b", " + value
            else:
                self.expects = value.lower() == b"100-continue"
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Check the head, and begin its turn."""
        if self.turn is not None:
            return
        version = self._parser.get_http_version()
        method = self._parser.get_method()
        try:
            heads.check_version(version)
            heads.check_hosts(self._hosts, version)
            if self.coding is not None:
                heads.check_coding(self.coding, version)
            target = heads.target_of(method, self._url)
        except GatewayError as refused:
            self._refused = refused
            raise
        headers = self._headers
        if target.host:
            # RFC 9112 §3.2.2: the target's own host counts, whatever Host says.
            headers = [pair for pair in headers if pair[0] != b"host"]
            headers.append((b"host", target.host))
        scope = {
            "http_version": version,
            "method": method.decode("ascii"),
            "path": target.path,
            "raw_path": target.raw_path,
            "query_string": target.query,
            "headers": headers,
        }
        self.turn = self._begin(scope, self)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self.turn is not None:
            self.turn.take_body(body)

    def on_message_complete(self) -> None:
        """The request is whole, unless the parser left its body to another protocol."""
        turn = self.turn
        if turn is None:
            return
        if self._parser.should_upgrade() and (turn.chunked or turn.length):
            return
        self._forget_head()
        turn.end_body()

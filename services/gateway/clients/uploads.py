"""The client's body on its way up: its first megabyte is kept for another attempt.

Where a server's dialect has to know it, the whole of it is: in memory, or, longer than that, in a
file without a name, which goes with the request.
"""

import mmap
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from services.gateway.clients.spool import Spool, Spooled
from services.gateway.dialects.words import Span
from services.gateway.domain.errors import GatewayError

KEPT_BYTES_MAX = 1_000_000
"""Routing fields are looked for, and another attempt is possible, within this much."""
_PIECE_BYTES = 256 * 1024
Content = bytes | mmap.mmap
"""A body that is there as a whole."""
_Read = TypeVar("_Read")
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Bounds(NamedTuple):
    """Of a client's body."""

    bytes_max: int
    json_max: int
    """Of one in JSON that has to be read here."""
    spool: Spool
    """Where a long one lies that has to be read whole."""


class ClientGoneError(Exception):
    """The client went away before its body was complete."""


class Upload:
    """One request body. `head` is what `fill_memory` took; the rest is streamed once."""

    def __init__(self, receive: Receive, length: int | None, bounds: Bounds) -> None:
        """`length` is the promised one. Raises `GatewayError` when it is over the limit."""
        if length is not None and length > bounds.bytes_max:
            raise _upload_too_large(bounds.bytes_max)
        self.bounds = bounds
        self.length = length
        self.head = b""
        self.complete = False
        self.taken = 0
        """Bytes taken from the client so far."""
        self._receive = receive
        self._streamed = False
        self._content: Content | None = None
        self._file: Spooled | None = None

    @property
    def is_replayable(self) -> bool:
        """Whether all that was taken of the body is still at hand."""
        return not self._streamed

    async def fill_memory(self) -> None:
        """Take the body until it is complete or its first megabyte is there.

        Raises `ClientGoneError`, or `GatewayError` for a body over the limit, or one too slow.
        """
        first = await self._next_chunk()
        if self.complete:
            self.head = first
            return
        parts = [first]
        while not self.complete and self.taken < KEPT_BYTES_MAX:
            parts.append(await self._next_chunk())
        self.head = b"".join(parts)

    async def take_whole(self) -> Content:
        """Take all of the body and keep it, for as many attempts as there may be.

        Raises `ClientGoneError`, or `GatewayError` for a body over the limit, or one too slow.
        """
        if self._content is not None:
            return self._content
        if self.complete and self.taken <= len(self.head):
            self._content = self.head
            return self.head
        self._file = self.bounds.spool.begin_file()
        self._file.write(self.head)
        while not self.complete:
            self._file.write(await self._next_chunk())
        self.length = self.taken
        self._content = mmap.mmap(self._file.fileno(), 0, prot=mmap.PROT_READ)
        return self._content

    async def run_apart(self, work: Callable[[], _Read]) -> _Read:
        """Do what takes the longer the longer the body is: at once, or else in a thread."""
        if self.taken <= KEPT_BYTES_MAX:
            return work()
        return await self.bounds.spool.run_apart(work)

    def close(self) -> None:
        """Let go of the file, if there is one."""
        if self._file is None:
            return
        if isinstance(self._content, mmap.mmap):
            self._content.close()
        self._file.close()

    def as_body(
        self, pieces: tuple[bytes | Span, ...] | None = None
    ) -> bytes | AsyncIterator[bytes]:
        """Give the body for one attempt; of `pieces` instead, where it becomes another."""
        if pieces is not None:
            return _body_in_pieces(pieces, self._content or b"")
        if isinstance(self._content, mmap.mmap):
            return _body_in_pieces((Span(0, len(self._content)),), self._content)
        if self.complete and self.taken <= len(self.head):
            return self.head
        return self.rest_of_body()

    async def rest_of_body(self) -> AsyncIterator[bytes]:
        """Yield the head, then what the client still sends."""
        yield self.head
        while not self.complete:
            chunk = await self._next_chunk()
            if chunk:
                self._streamed = True
                yield chunk

    async def _next_chunk(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body: bytes = message.get("body", b"")
        self.complete = not message.get("more_body", False)
        self.taken += len(body)
        if self.taken > self.bounds.bytes_max:
            raise _upload_too_large(self.bounds.bytes_max)
        return body


async def _body_in_pieces(
    pieces: tuple[bytes | Span, ...], content: Content
) -> AsyncIterator[bytes]:
    """Yield pieces of our own, and of a body that is there as a whole."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        end = piece.start + piece.length
        for start in range(piece.start, end, _PIECE_BYTES):
            yield bytes(content[start : min(start + _PIECE_BYTES, end)])


def _upload_too_large(bytes_max: int) -> GatewayError:
    return GatewayError(
        "request_too_large",
        f"the body is larger than the limit of {bytes_max:,} bytes",
        extra={"connection": "close"},  # what is left of the body is not worth reading
    )

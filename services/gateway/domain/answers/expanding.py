"""The encoding of an upstream's body, taken off as it comes, in pieces of a bounded length.

Identity is asked for, and some servers compress all the same. What they wrote can be judged, and
watched for the credential, only as it reads: so it is passed on as it reads, too.
"""

import zlib
from collections.abc import Iterator

PLAIN_ENCODINGS = frozenset({"", "identity"})
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""How zlib is told of each encoding that can be read (RFC 9110 §8.4.1).

15 is its own format, which HTTP calls deflate; 16 more mean gzip's.
"""
_PIECE_BYTES = 64 * 1024
_MEMBERS_MAX = 1000
"""Of one body: each costs as much as a thousand bytes, be it empty."""


class UnexpandableError(Exception):
    """A body that is none in its encoding."""


def is_readable(encoding: str) -> bool:
    """Whether a body in this encoding, written in lower case, can be read here."""
    return encoding in PLAIN_ENCODINGS or encoding in _WINDOWS


class Expansion:
    """Takes the encoding off one body; of gzip, off all its members (RFC 1952 §2.2)."""

    __slots__ = ("_member", "_members", "_window")

    def __init__(self, encoding: str) -> None:
        """Begin a body in an encoding that is readable, and not plain."""
        self._window = _WINDOWS[encoding]
        self._member = zlib.decompressobj(self._window)
        # Of deflate there is one: it is treated as one that has had all of them.
        self._members = 1 if "gzip" in encoding else _MEMBERS_MAX

    def expand_chunk(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk becomes, 64 KB at a time. Raises `UnexpandableError`."""
        for start in range(0, len(chunk), _PIECE_BYTES):
            yield from self._expand_slice(chunk[start : start + _PIECE_BYTES])

    def finish(self) -> None:
        """Take note of the end. Raises `UnexpandableError` where the body is not at its own."""
        if not self._member.eof:
            raise UnexpandableError

    def _expand_slice(self, rest: bytes) -> Iterator[bytes]:
        piece = b""
        while rest or piece:  # what is taken in may become more than one piece
            if self._member.eof:
                if not rest:
                    return
                self._begin_further()
            try:
                piece = self._member.decompress(rest, _PIECE_BYTES)
            except zlib.error:
                raise UnexpandableError from None
            rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece

    def _begin_further(self) -> None:
        """Begin another member, of which deflate has none."""
        if self._members >= _MEMBERS_MAX:
            raise UnexpandableError
        self._members += 1
        self._member = zlib.decompressobj(self._window)

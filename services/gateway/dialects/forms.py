"""A body put together again: JSON, or a form (RFC 7578) whose files stay where they are.

The content of a file is named by its place in the client's own body, so that a film of a hundred
megabytes is never held.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from services.gateway.dialects.words import File, Span

_encoder = msgspec.json.Encoder()
_MENDED = re.compile(rb"\xc2\xa0|\xe2\x80[\x80-\x8b]|\xef\xbb\xbf")
MENDED_BYTES_MAX = 3
_PIECE_BYTES = 1_000_000
_CONTINUES = 0b1000_0000
"""How a byte begins that is not the first of its character (RFC 3629 §3)."""
Pieces = tuple[bytes | Span, ...]


def encode_json(fields: Mapping[str, Any]) -> bytes:
    """Write JSON so that every backend reads the same.

    I and D take blanks and marks out of a body before they read it, within its texts as well
    (src/lib/server.ts): so these are written as escapes.
    """
    return b"".join(
        _MENDED.sub(_escape_match, piece) for piece in _text_pieces(_encoder.encode(fields))
    )


def mend_surrogates(body: bytes) -> bool:
    """Whether I and D would read something else in a body."""
    return _MENDED.search(body) is not None


def _text_pieces(text: bytes) -> Iterator[bytes]:
    """Take a text apart between its characters: a long one is not looked at in one go."""
    start = 0
    while start < len(text):
        end = min(start + _PIECE_BYTES, len(text))
        while end < len(text) and text[end] & 0b1100_0000 == _CONTINUES:
            end += 1
        yield text[start:end]
        start = end


def _escape_match(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())


def join_form(
    fields: Mapping[str, Any], files: Iterable[File], request_id: str
) -> tuple[str, Pieces]:
    """Write a form: its content type, and its pieces in order.

    The boundary is made of our id of the request, which whoever chose the files could not know.
    """
    pieces: list[bytes | Span] = []
    boundary = f"tidegate-{request_id}"
    opening = f"--{boundary}\r\n"
    for name, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            head = f'{opening}Content-Disposition: form-data; name="{_quote_name(name)}"\r\n\r\n'
            text = str(item).lower() if isinstance(item, bool) else item
            pieces.append(f"{head}{text}\r\n".encode())
    for file in files:
        head = (
            f'{opening}Content-Disposition: form-data; name="{_quote_name(file.name)}";'
            f' filename="{_quote_name(file.filename)}"\r\n'
            f"Content-Type: {file.content_type or 'application/octet-stream'}\r\n\r\n"
        )
        pieces += [head.encode(), file.content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", tuple(pieces)


def _quote_name(text: str) -> str:
    """Write a name as a browser does (HTML, "multipart/form-data")."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")

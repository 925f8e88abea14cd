"""A form put together again (RFC 7578); its files stay where they are.

The content of a file is named by its place in the client's own body, so that a film of a hundred
megabytes is never held.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from services.gateway.dialects.words import File, Span

Pieces = tuple[bytes | Span, ...]


def joined(fields: Mapping[str, Any], files: Iterable[File], request_id: str) -> tuple[str, Pieces]:
    """Write a form: its content type, and its pieces in order.

    The boundary is made of our id of the request, which whoever chose the files could not know.
    """
    pieces: list[bytes | Span] = []
    boundary = f"tidegate-{request_id}"
    opening = f"--{boundary}\r\n"
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            head = f'{opening}Content-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n'
            text = str(one).lower() if isinstance(one, bool) else one
            pieces.append(f"{head}{text}\r\n".encode())
    for file in files:
        head = (
            f'{opening}Content-Disposition: form-data; name="{_quoted(file.name)}";'
            f' filename="{_quoted(file.filename)}"\r\n'
            f"Content-Type: {file.content_type or 'application/octet-stream'}\r\n\r\n"
        )
        pieces += [head.encode(), file.content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", tuple(pieces)


def _quoted(text: str) -> str:
    """Write a name as a browser does (HTML, "multipart/form-data")."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")

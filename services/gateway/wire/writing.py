"""Heads of answers, written; and whole refusals of what is no request."""

import http

from services.gateway.clients.browsers import GUARDED
from services.gateway.clients.headers import CORS, NO_STORE
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.heads import Headers, clean_headers, controls_in

CLOSE = b"connection: close\r\n"
OURS: Headers = [NO_STORE, *CORS, *GUARDED]
"""Headers of the answers that no room behind the wire gives."""


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


_STATUS_LINES = {status: _status_line(status) for status in range(100, 600)}


def head_of(status: int, *parts: Headers) -> bytes:
    """Write the head of an answer, without its last line, and without what would be no header.

    A line break in one would begin another.
    """
    lines = [_STATUS_LINES[status]]
    count = 1
    for headers in parts:
        count += len(headers)
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
    head = b"".join(lines)
    if controls_in(head) != 2 * count:
        return head_of(status, *map(clean_headers, parts))
    return head


def refusal_bytes(error: GatewayError) -> bytes:
    """Write a whole answer to what is no request, in the API's shape."""
    body = error.as_body()
    length = (b"content-length", b"%d" % len(body))
    own = [*error.extra_headers(), *OURS, length]
    return head_of(error.http_status, own) + CLOSE + b"\r\n" + body

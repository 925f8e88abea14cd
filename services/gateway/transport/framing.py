"""A request as bytes: RFC 9112, with the framing of its body decided before anything is sent."""

from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from services.gateway.domain.failure import Failure
from services.gateway.domain.heads import Headers
from services.gateway.transport.addresses import Origin
from services.gateway.transport.failures import NothingSentError
from services.gateway.transport.proxy import Proxy

_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding"))
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))


Body = bytes | AsyncIterable[bytes]
"""In memory, or still to come."""


class Waits(NamedTuple):
    """Seconds; None never passes."""

    connect_s: float | None = None
    first_byte_s: float | None = None
    """From the request's last byte."""
    idle_s: float | None = None
    """Of either direction."""


@dataclass(slots=True)
class ServerRequest:
    """What is asked of one server, before it is written down; `sent_at` alone changes.

    Under its holder, on purpose: whoever is cancelled while it sends has no answer to learn from.
    """

    method: str
    origin: Origin
    host: bytes
    """For the header `Host`, unless `headers` have one, and for a proxy."""
    target: bytes
    """The path and query as they stand on the request line."""
    headers: Headers
    body: Body
    waits: Waits
    on_departure: Callable[[], None] | None = None
    """Called when the head leaves."""
    sent_at: float | None = None
    """`time.monotonic()` of that moment: without it nothing was sent, whatever happens."""


class Outgoing(msgspec.Struct, frozen=True):
    """What is written at once (`head`), and what follows it."""

    head: bytes
    """Request line and headers, and the whole body where it is in memory."""
    stream: AsyncIterable[bytes] | None
    """The body that is still to come, if any."""
    length: int | None
    """Its bytes; None: chunked."""


def outgoing_of(request: ServerRequest, proxy: Proxy | None = None) -> Outgoing:
    """Write down what `request` sends; a `proxy` that passes it on is told the whole address.

    Raises `NothingSentError` where that would not be one well-formed request.
    """
    lines = [_request_line(request, b"http://" + request.host if proxy else b"")]
    if proxy is not None and proxy.shown:
        lines.append(proxy.shown)
    framing: dict[bytes, bytes] = {}
    for name, value in request.headers:
        lines.append(name + b": " + value)
        key = name.lower()
        if key in _FRAMING:
            if key in framing:
                # Of two, one reader takes the first and the next the last: a smuggler's way.
                raise _framing_refusal(f"{name.decode('latin-1')} stands there twice")
            framing[key] = value
    if b"host" not in framing:
        lines.append(b"Host: " + request.host)
    body, stream = None, None
    if isinstance(request.body, bytes):
        body = request.body
    else:
        stream = request.body
    length = _body_length(request.method, framing, body, lines)
    lines.append(b"\r\n")
    head = b"\r\n".join(lines)
    # Two for the end of each line, and not one more: it would begin a header of somebody's own.
    if len(head) - len(head.translate(None, _CONTROLS)) != 2 * len(lines):
        raise _framing_refusal("a line break or another control character stands in the head")
    if body:
        head += body if length is not None else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    elif length is None and body is not None:  # chunked, and empty: its last chunk alone
        head += b"0\r\n\r\n"
    return Outgoing(head, stream, length)


def _request_line(request: ServerRequest, place: bytes) -> bytes:
    target = request.target
    if b" " in target or not request.method.isalpha():
        raise _framing_refusal("the request line has a space too many")
    return b"%b %b%b HTTP/1.1" % (request.method.encode(), place, target)


def _body_length(
    method: str, framing: dict[bytes, bytes], body: bytes | None, lines: list[bytes]
) -> int | None:
    """Find the body's length, None where it is chunked; a framing header may be added."""
    promised = framing.get(b"content-length")
    coding = framing.get(b"transfer-encoding")
    if coding is not None:
        if promised is not None or coding.lower() != b"chunked":
            raise _framing_refusal("Transfer-Encoding other than chunked, or beside Content-Length")
        return None
    if promised is not None:
        if not promised.isdigit() or (body is not None and int(promised) != len(body)):
            raise _framing_refusal("Content-Length is not the length of the body")
        return int(promised)
    if body is None:
        lines.append(b"Transfer-Encoding: chunked")
        return None
    if body or method in _WITH_BODY:
        # RFC 9110 §8.6: a method that expects a body says 0, one that expects none says nothing.
        lines.append(b"Content-Length: %d" % len(body))
    return len(body)


def _framing_refusal(why: str) -> NothingSentError:
    return NothingSentError(Failure.REQUEST, why)

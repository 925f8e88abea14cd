"""Headers on their way up and down: what is dropped, what is set, what is ours."""

from collections.abc import Mapping

import msgspec

from services.gateway.clients.request import Request
from services.gateway.domain.heads import NAME_BYTES_MAX, Headers, goes_up, hop_names
from services.gateway.domain.summary import NOTHING_YET, Summary

_OF_THE_CLIENTS_BODY = frozenset(
    {b"content-type", b"content-encoding", b"content-md5", b"digest", b"content-digest"}
)
EXPOSED = (
    "X-Request-ID, X-Client-Request-ID, X-Session-ID, X-Server-ID, X-Server-Region,"
    " X-Service-Type, X-Remaining-Quota, X-Queue-Position, X-Queue-ETA, X-RateLimit-Limit-Requests,"
    " X-RateLimit-Remaining-Requests, X-RateLimit-Reset-Requests, Server-Timing, Retry-After,"
    " X-Should-Retry"
)
CORS: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", EXPOSED.encode()),
]
NO_STORE = (b"cache-control", b"no-store")
"""Every answer is of its moment and of its caller, but for the list of models."""


def upstream_headers(
    request: Request,
    host: bytes,
    authorization: bytes | None,
    length: int | None,
    content_type: str = "",
) -> Headers:
    """Make the head that a server gets: the client's, without what is ours or its secret.

    `X-Forwarded-For` is set, not continued: the one address that this gateway believes.
    `content_type` is that of another body than the client's: then what was said of it goes.
    """
    asked_host = b""
    hop: frozenset[bytes] = frozenset()
    headers: Headers = [(b"host", host)]
    for name, value in request.headers:
        if name == b"host":
            asked_host = value
        elif name == b"connection":
            hop |= hop_names(value)
        elif content_type and name in _OF_THE_CLIENTS_BODY:
            continue
        elif len(name) <= NAME_BYTES_MAX and goes_up(name):
            headers.append((name, value))
    if hop:
        headers = [pair for pair in headers if pair[0] not in hop or pair[0] == b"host"]
    if content_type:
        headers.append((b"content-type", content_type.encode()))
    if authorization is not None:
        headers.append((b"authorization", authorization))
    headers += (
        (b"accept-encoding", b"identity"),
        (b"x-request-id", request.request_id.encode()),
        (b"x-forwarded-for", request.client_address.encode()),
        (b"x-forwarded-proto", request.scheme.encode()),
        (b"x-forwarded-host", asked_host),
    )
    if length is None:
        headers.append((b"transfer-encoding", b"chunked"))
    else:
        headers.append((b"content-length", str(length).encode()))
    return headers


def own_headers(
    request: Request,
    rate: Mapping[str, str] | None,
    summary: Summary = NOTHING_YET,
    caching: tuple[bytes, bytes] = NO_STORE,
) -> Headers:
    """Make the headers of every proxied answer (endpoints.md), `caching` among them."""
    headers: Headers = [(b"x-request-id", request.request_id.encode()), *CORS, caching]
    if request.client_request_id:
        headers.append((b"x-client-request-id", request.client_request_id.encode("latin-1")))
    if summary.service_type:
        headers.append((b"x-service-type", summary.service_type.encode()))
    if summary.session_id is not None:
        headers.append((b"x-session-id", summary.session_id.encode()))
        if summary.remaining is not None:
            headers.append((b"x-remaining-quota", msgspec.json.encode(summary.remaining)))
    if summary.server_id:
        headers += (
            (b"x-server-id", summary.server_id.encode()),
            (b"x-server-region", summary.server_region.encode()),
        )
    if summary.queue_position is not None:
        headers.append((b"x-queue-position", str(summary.queue_position).encode()))
        if summary.queue_eta_s is not None:
            headers.append((b"x-queue-eta", f"{summary.queue_eta_s:.1f}".encode()))
    if rate:
        headers += [(name.encode(), value.encode()) for name, value in rate.items()]
    timing = f"lease;dur={summary.lease_ms:.2f}, upstream;dur={summary.first_byte_ms:.2f}"
    headers.append((b"server-timing", timing.encode()))
    return headers

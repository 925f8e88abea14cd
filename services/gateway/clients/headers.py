"""Headers on their way up and down: what is dropped, what is set, what is ours."""

from collections.abc import Mapping

import msgspec

from services.gateway.clients.request import Request
from services.gateway.domain.heads import NAME_BYTES_MAX, Headers, goes_up, hop_names
from services.gateway.domain.summary import NOTHING_YET, Summary

Rate = Mapping[str, str]
"""The headers of the key's rate."""

_OF_THE_CLIENTS_BODY = frozenset(
    {b"content-type", b"content-encoding", b"content-md5", b"digest", b"content-digest"}
)
EXPOSED = (
    "X-Request-ID, X-Client-Request-ID, X-Session-ID, X-Server-ID, X-Server-Region,"
    " X-Service-Type, X-Remaining-Quota, X-RateLimit-Limit-Requests,"
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
    found: Headers = [(b"host", host)]
    for name, value in request.headers:
        if name == b"host":
            asked_host = value
        elif name == b"connection":
            hop |= hop_names(value)
        elif content_type and name in _OF_THE_CLIENTS_BODY:
            continue
        elif len(name) <= NAME_BYTES_MAX and goes_up(name):
            found.append((name, value))
    if hop:
        found = [pair for pair in found if pair[0] not in hop or pair[0] == b"host"]
    if content_type:
        found.append((b"content-type", content_type.encode()))
    if authorization is not None:
        found.append((b"authorization", authorization))
    found += (
        (b"accept-encoding", b"identity"),
        (b"x-request-id", request.request_id.encode()),
        (b"x-forwarded-for", request.client_address.encode()),
        (b"x-forwarded-proto", request.scheme.encode()),
        (b"x-forwarded-host", asked_host),
    )
    if length is None:
        found.append((b"transfer-encoding", b"chunked"))
    else:
        found.append((b"content-length", str(length).encode()))
    return found


def own_headers(
    request: Request,
    rate: Mapping[str, str] | None,
    known: Summary = NOTHING_YET,
    caching: tuple[bytes, bytes] = NO_STORE,
) -> Headers:
    """Make the headers of every proxied answer (http-api.md §2), `caching` among them."""
    found: Headers = [(b"x-request-id", request.request_id.encode()), *CORS, caching]
    if request.client_request_id:
        found.append((b"x-client-request-id", request.client_request_id.encode("latin-1")))
    if request.service_type:
        found.append((b"x-service-type", request.service_type.encode()))
    if known.session_id is not None:
        found.append((b"x-session-id", known.session_id.encode()))
        if known.remaining is not None:
            found.append((b"x-remaining-quota", msgspec.json.encode(known.remaining)))
    if known.server_id:
        found += (
            (b"x-server-id", known.server_id.encode()),
            (b"x-server-region", known.server_region.encode()),
        )
    if rate:
        found += [(name.encode(), value.encode()) for name, value in rate.items()]
    timing = f"lease;dur={known.lease_ms:.2f}, upstream;dur={known.first_byte_ms:.2f}"
    found.append((b"server-timing", timing.encode()))
    return found

"""Headers on their way up and down: what is dropped, what is set, what is ours."""

from collections.abc import Iterable, Mapping

import msgspec

from services.gateway.clients.request import Request

Headers = list[tuple[bytes, bytes]]
Rate = Mapping[str, str]
"""The headers of the key's rate."""

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110 §7.6.1: they end at each hop."""
_NOT_SENT = _HOP_BY_HOP | {
    b"accept-encoding",
    b"authorization",
    b"content-length",
    b"cookie",
    b"expect",
    b"forwarded",
    b"host",
    b"x-admin-key",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-max-wait-ms",
    b"x-real-ip",
    b"x-request-id",
}
"""What is ours, the client's secrets, and whatever else says where a request comes from."""
_OF_THE_BODY = frozenset(
    {b"content-type", b"content-encoding", b"content-md5", b"digest", b"content-digest"}
)
_NOT_PASSED_ON = _HOP_BY_HOP | {
    b"access-control-allow-origin",
    b"access-control-expose-headers",
    b"alt-svc",
    b"cache-control",
    b"date",
    b"retry-after",
    b"server",
    b"server-timing",
    b"set-cookie",
    b"x-ratelimit-limit-requests",
    b"x-ratelimit-remaining-requests",
    b"x-ratelimit-reset-requests",
    b"x-remaining-quota",
    b"x-request-id",
    b"x-client-request-id",
    b"x-server-id",
    b"x-server-region",
    b"x-service-type",
    b"x-session-id",
    b"x-should-retry",
}
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
PREFLIGHT: Headers = [
    *CORS,
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"Content-Type, Authorization, X-Requested-With, X-Request-ID",
    ),
    (b"access-control-max-age", b"86400"),
    (b"content-length", b"0"),
]


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
    connection_named = frozenset[bytes]()
    found: Headers = [(b"host", host)]
    for name, value in request.headers:
        if name == b"host":
            asked_host = value
        elif name == b"connection" and value.lower() not in {b"keep-alive", b"close"}:
            connection_named = frozenset(part.strip().lower() for part in value.split(b","))
        elif name not in _NOT_SENT and not (content_type and name in _OF_THE_BODY):
            found.append((name, value))
    if content_type:
        found.append((b"content-type", content_type.encode()))
    if connection_named:
        found = [pair for pair in found if pair[0] not in connection_named]
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


def passed_on(upstream: Iterable[tuple[bytes, bytes]], secrets: tuple[bytes, ...] = ()) -> Headers:
    """Keep what a client may see of an upstream's head: nothing that repeats the credential."""
    found = [
        (lower, value) for name, value in upstream if (lower := name.lower()) not in _NOT_PASSED_ON
    ]
    for secret in secrets:
        found = [pair for pair in found if secret not in pair[1]]
    return found


def own_headers(
    request: Request, rate: Mapping[str, str] | None, caching: tuple[bytes, bytes] = NO_STORE
) -> Headers:
    """Make the headers of every proxied answer (http-api.md §2), `caching` among them."""
    found: Headers = [(b"x-request-id", request.request_id.encode()), *CORS, caching]
    if request.client_request_id:
        found.append((b"x-client-request-id", request.client_request_id.encode("latin-1")))
    if request.service_type:
        found.append((b"x-service-type", request.service_type.encode()))
    if request.lease is not None:
        found.append((b"x-session-id", request.lease.session_id.encode()))
        remaining = request.remaining
        if remaining is not None:
            found.append((b"x-remaining-quota", msgspec.json.encode(remaining)))
    if request.server_id:
        found += (
            (b"x-server-id", request.server_id.encode()),
            (b"x-server-region", request.server_region.encode()),
        )
    if rate:
        found += [(name.encode(), value.encode()) for name, value in rate.items()]
    timing = f"lease;dur={request.lease_ms:.2f}, upstream;dur={request.first_byte_ms:.2f}"
    found.append((b"server-timing", timing.encode()))
    return found

"""What a page in a browser may do here: the hosts it may name, the origins it may ask from.

Pure. What needs no key is answered to the host's own names alone (`runtime.hosts`), and operators'
paths are readable across origins only where the operator says so.
"""

import re
from collections.abc import Collection, Iterable

from services.gateway.clients.headers import CORS
from services.gateway.domain.heads import Headers
from services.gateway.domain.paths import routed_path

GUARDED: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
"""Headers of our own answers: they are what they say, in no frame, and tell nobody their URL."""
ANY_HOST = frozenset({"/livez", "/readyz", "/ping", "/health"})
"""Paths that are asked by whatever name a load balancer has for us."""
_ORIGINAL = frozenset(
    {
        "/api/load-balancer",
        "/api/session/usage",
        "/api/session/stats",
        "/api/stats/daily",
        "/api/stats/summary",
    }
)
"""The original's operator paths: its dashboards ask them from any origin."""
_OF_OPERATORS = ("/api", "/schema", "/metrics", "/ui")
_ALLOWED = (
    "Content-Type, Authorization, X-Requested-With, X-Request-ID, Accept, User-Agent,"
    " Idempotency-Key, Prefer, OpenAI-Organization, OpenAI-Project, OpenAI-Beta"
)
_ALLOWED_FAMILIES = ("x-stainless-", "openai-")
"""What the SDKs send, with names that grow from version to version."""
_NAME = re.compile(r"[a-z0-9-]{1,64}")
_NAMES_MAX = 64
_REQUESTED = b"access-control-request-headers"
_ALLOW_ORIGIN = CORS[0][0]
_VARY = (b"vary", b"Origin")


def cross_origin_headers(path: str, origin: str, origins: Collection[str]) -> Headers:
    """Make the CORS headers of an answer at `path` to a page of `origin`."""
    if not _is_operators(routed_path(path)):
        return CORS
    if "*" in origins:
        return CORS
    if origin and origin in origins:
        return [(_ALLOW_ORIGIN, origin.encode("latin-1")), *CORS[1:], _VARY]
    return [_VARY]


def preflight_headers(path: str, headers: Headers, origins: Collection[str]) -> Headers:
    """Make the headers of the answer to `OPTIONS` at `path`, as the original did.

    What the SDKs send is allowed: a `*` would not stand for `Authorization` (Fetch §4.10), and
    knows no `X-Stainless-*`; such names are said again as they were asked for.
    """
    crossed = cross_origin_headers(path, origin_of(headers), origins)
    if crossed == [_VARY]:
        return [_VARY, (b"content-length", b"0")]
    asked = b",".join(value for name, value in headers if name == _REQUESTED).decode("latin-1")
    names = {name.strip().lower() for name in asked.split(",", _NAMES_MAX)[:_NAMES_MAX]}
    also = sorted(
        name for name in names if name.startswith(_ALLOWED_FAMILIES) and _NAME.fullmatch(name)
    )
    return [
        *crossed,
        (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
        (b"access-control-allow-headers", ", ".join([_ALLOWED, *also]).encode()),
        (b"access-control-max-age", b"86400"),
        (b"vary", b"Access-Control-Request-Headers"),
        (b"content-length", b"0"),
    ]


def origin_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Read the `Origin`; empty when there is none."""
    for name, value in headers:
        if name == b"origin":
            return value.decode("latin-1")
    return ""


def _is_operators(path: str) -> bool:
    return path == "/" or (
        path not in _ORIGINAL
        and any(path == room or path.startswith(f"{room}/") for room in _OF_OPERATORS)
    )

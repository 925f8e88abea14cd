"""Every error a client can get: one row of docs/reference/errors.md each, one shape for all.

`{"error": {"message", "type", "param", "code"}}`; `upstream_code` when a backend gave one,
`refused` of a list of which nothing was good. The SDK retries 408, 409, 429 and 5xx on its own, so
each row says whether it should.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

_MESSAGE_MAX = 4000
"""Characters that are told: whatever a message repeats, it is no longer than that."""
_PARAM_MAX = 200
_UNAUTHENTICATED = 401
_encoder = msgspec.json.Encoder()

ErrorCode = Literal[
    "invalid_request",
    "content_policy_violation",
    "invalid_api_key",
    "sign_in_ended",
    "sign_in_link_invalid",
    "model_not_allowed",
    "read_only_key",
    "cross_site_refused",
    "not_found",
    "conflict",
    "method_not_allowed",
    "host_not_allowed",
    "request_too_large",
    "request_header_too_large",
    "rate_limit_exceeded",
    "pool_quota_exhausted",
    "pool_saturated",
    "no_backend",
    "upstream_credentials_exhausted",
    "upstream_error",
    "upstream_outcome_unknown",
    "ledger_unavailable",
    "rebuilding",
    "upstream_rejected",
    "too_many_connections",
    "http_not_supported",
    "internal_error",
]
"""Every error code; `KINDS` has the row of each."""
ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "rate_limit_error",
    "insufficient_quota",
    "server_error",
]
"""What an SDK sorts errors by."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row: `should_retry` None leaves the header out."""

    code: ErrorCode
    status: int
    type: ErrorType
    situation: str
    should_retry: bool | None = None
    retry_after_s: int | None = None


_KINDS = (
    ErrorKind("invalid_request", 400, "invalid_request_error", "bad JSON, parameter or size"),
    ErrorKind(
        "content_policy_violation",
        400,
        "invalid_request_error",
        "content rejected by the backend; the unit is given back",
        should_retry=False,
    ),
    ErrorKind("invalid_api_key", 401, "authentication_error", "no or wrong key"),
    ErrorKind(
        "sign_in_ended",
        401,
        "authentication_error",
        "a cookie whose sign-in is over: expired, signed out, its key revoked or rotated",
    ),
    ErrorKind(
        "sign_in_link_invalid",
        401,
        "authentication_error",
        "a link that signs in once was used already, is over, or is none of ours",
    ),
    ErrorKind(
        "model_not_allowed", 403, "permission_error", "the key may not use this model or scope"
    ),
    ErrorKind("read_only_key", 403, "permission_error", "a viewer key, where something is changed"),
    ErrorKind(
        "cross_site_refused",
        403,
        "permission_error",
        "a sign-in, or a request by cookie, that cannot be taken for the dashboard's own",
    ),
    ErrorKind("not_found", 404, "not_found_error", "unknown path or id"),
    ErrorKind(
        "conflict",
        409,
        "invalid_request_error",
        "it does not go with what is so already, and will not when it is tried again",
        should_retry=False,
    ),
    ErrorKind("method_not_allowed", 405, "invalid_request_error", "the path has other methods"),
    ErrorKind(
        "host_not_allowed",
        421,
        "invalid_request_error",
        "without a key, a `Host` that is not one of ours (`gateway.hosts`)",
    ),
    ErrorKind("request_too_large", 413, "invalid_request_error", "body over the limit"),
    ErrorKind(
        "request_header_too_large", 431, "invalid_request_error", "request headers over the limit"
    ),
    ErrorKind(
        "rate_limit_exceeded",
        429,
        "rate_limit_error",
        "the key is over its rate or concurrency, or its clients leave unsent and it waited 10 s",
        retry_after_s=1,
    ),
    ErrorKind(
        "pool_quota_exhausted",
        429,
        "insufficient_quota",
        "no session has an unreserved unit of the service today",
        should_retry=False,
        retry_after_s=60,
    ),
    ErrorKind(
        "pool_saturated",
        503,
        "server_error",
        "units are free, but sessions are busy, cooling, draining or being made, or servers rest",
        retry_after_s=1,
    ),
    ErrorKind("no_backend", 503, "server_error", "no healthy server can do it", retry_after_s=5),
    ErrorKind(
        "upstream_credentials_exhausted",
        502,
        "server_error",
        "no credential of the pool works: they are invalid or disabled, or there are none",
        should_retry=False,
    ),
    ErrorKind(
        "upstream_error",
        502,
        "server_error",
        "the upstream failed, provably before it accepted the work",
        should_retry=True,
    ),
    ErrorKind(
        "upstream_outcome_unknown",
        502,
        "server_error",
        "the upstream failed and nobody knows whether it did the work (a timeout: 504)",
        should_retry=False,
    ),
    ErrorKind(
        "ledger_unavailable",
        503,
        "server_error",
        "the event log is unreachable or full",
        retry_after_s=2,
    ),
    ErrorKind(
        "rebuilding",
        503,
        "server_error",
        "the figures are being made anew from the log, or are not compared with it yet",
        retry_after_s=5,
    ),
    ErrorKind(
        "upstream_rejected",
        400,
        "invalid_request_error",
        "another 4xx of the backend, passed on with its status",
        should_retry=False,
    ),
    ErrorKind(
        "too_many_connections",
        503,
        "server_error",
        "no free connection (of one address without a key: 429)",
        should_retry=True,
        retry_after_s=1,
    ),
    ErrorKind(
        "http_not_supported",
        501,
        "invalid_request_error",
        "a method or transfer coding that is not known here (another HTTP version: 505)",
        should_retry=False,
    ),
    ErrorKind("internal_error", 500, "server_error", "a fault of the gateway", should_retry=False),
)
KINDS: dict[ErrorCode, ErrorKind] = {kind.code: kind for kind in _KINDS}
"""Every error code, documented in docs/reference/errors.md."""


@dataclass(slots=True)
class GatewayError(Exception):
    """An answer that is an error; `code` names its row in `KINDS`."""

    code: ErrorCode
    message: str
    param: str | None = None
    status: int | None = None
    """Another status than the row's: a backend's own 4xx, 504 for a timeout."""
    upstream_code: int | None = None
    retry_after_s: float | None = None
    extra: dict[str, str] = field(default_factory=dict)
    """Further response headers."""
    refused: Sequence[Mapping[str, Any]] = ()
    """What of a list was refused, each with its place and why, where the error is of a list."""

    @property
    def error_kind(self) -> ErrorKind:
        """The row of the table."""
        return KINDS[self.code]

    @property
    def http_status(self) -> int:
        """The status to answer with."""
        return self.status or self.error_kind.status

    def as_body(self) -> bytes:
        """Write it as OpenAI does: `error` with a bounded message, its type, param and code."""
        message = self.message
        error: dict[str, Any] = {
            "message": message if len(message) <= _MESSAGE_MAX else f"{message[:_MESSAGE_MAX]}…",
            "type": self.error_kind.type,
            "param": None if self.param is None else self.param[:_PARAM_MAX],
            "code": self.code,
        }
        if self.upstream_code is not None:
            error["upstream_code"] = self.upstream_code
        if self.refused:
            error["refused"] = [*self.refused]
        return _encoder.encode({"error": error})

    def extra_headers(self) -> list[tuple[bytes, bytes]]:
        """The response headers that belong to the row."""
        headers = [(b"content-type", b"application/json")]
        kind = self.error_kind
        if kind.should_retry is not None:
            headers.append((b"x-should-retry", b"true" if kind.should_retry else b"false"))
        wait = self.retry_after_s if self.retry_after_s is not None else kind.retry_after_s
        # A row without a time has none, whatever its cause says: nothing gets better by then.
        if wait is not None and kind.retry_after_s is not None:
            seconds = max(1, math.ceil(wait))  # who comes back too early is refused once more
            if self.code == "rate_limit_exceeded":
                seconds = min(seconds, 120)
            if self.code == "pool_saturated":
                seconds = min(seconds, 30)
            headers.append((b"retry-after", str(seconds).encode()))
        if kind.status == _UNAUTHENTICATED:
            headers.append((b"www-authenticate", b'Bearer realm="tidegate"'))
        headers += [(name.encode(), value.encode()) for name, value in self.extra.items()]
        return headers

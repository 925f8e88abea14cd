"""One client call: who asks for what, and the story of its leases and attempts."""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from contracts.base import GatewayId, KeyId, LeaseId, RequestId, ServerId, ServiceType, SessionId
from contracts.gateway import KeyBounds
from contracts.pool import Attempt, Granted, Outcome, SessionRequested, UsageRecorded, Verdict
from services.gateway.clients.keys import Key, KeyScope
from services.gateway.clients.origin import stored_address, stored_agent
from services.gateway.dialects.words import Asked, Translation
from services.gateway.domain.errors import GatewayError
from services.gateway.settings import Stored

_TEXT_MAX = 200
_NOT_YET = frozenset({b"x-max-wait-ms", b"x-session-affinity"})


def new_request_id() -> RequestId:
    """Mint a UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, 74 random bits."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return RequestId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


NOBODY = Key(
    key_id=KeyId(""), name="", scope=KeyScope.CLIENT, bounds=KeyBounds(), hash="", revoked=True
)
"""Who asks before authentication."""


class Request:
    """A request under way; one task owns it."""

    __slots__ = (
        "answered",
        "asked",
        "asked_at",
        "attempts",
        "attempts_made",
        "avoid_servers",
        "avoid_sessions",
        "body_asks",
        "bytes_out",
        "client_address",
        "client_request_id",
        "content_length",
        "content_type",
        "counted",
        "dialects",
        "encoded",
        "ended",
        "first_byte_ms",
        "gone",
        "headers",
        "key",
        "late",
        "lease",
        "lease_ms",
        "method",
        "model",
        "number",
        "open",
        "path",
        "premature",
        "previous",
        "query",
        "raw_path",
        "request_id",
        "results_included",
        "sayable",
        "scheme",
        "sent",
        "server_id",
        "server_region",
        "service_type",
        "shy_servers",
        "started",
        "status",
        "traced",
        "translations",
        "units",
        "unsent",
        "user_agent",
    )

    def __init__(self, scope: dict[str, Any]) -> None:
        """Read what matters of the head; everything else passes through unread."""
        self.request_id = new_request_id()
        self.key = NOBODY
        self.method: str = scope["method"]
        self.scheme: str = scope.get("scheme", "http")
        self.started = time.perf_counter()
        self.path: str = scope["path"]
        self.raw_path: bytes = scope.get("raw_path") or self.path.encode()
        self.query: bytes = scope["query_string"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.content_type = ""
        self.content_length: int | None = None
        self.client_request_id = ""
        self.user_agent = ""
        self.premature = ""
        """A header that asks for what is not built yet."""
        self.encoded = False
        """The body is sent compressed."""
        self.unsent = False
        """It was let in, and nothing of it is sent yet."""
        client = scope.get("client")
        self.client_address: str = client[0] if client else ""
        for name, value in self.headers:
            if name == b"content-type":
                self.content_type = value.decode("latin-1")
            elif name == b"content-length":
                self.content_length = int(value)
            elif name == b"x-request-id":
                self.client_request_id = value.decode("latin-1")[:_TEXT_MAX]
            elif name == b"user-agent":
                self.user_agent = value.decode("latin-1")[:_TEXT_MAX]
            elif name == b"content-encoding":
                self.encoded = True
            elif name in _NOT_YET:
                self.premature = name.decode()
        self._begin_story()

    def _begin_story(self) -> None:
        """Nothing has happened yet."""
        self.model = ""
        self.units = 1
        self.counted = False
        """Whether items are units (`units = "n"`)."""
        self.service_type = ServiceType("")
        self.body_asks: Asked | None = None
        """The body, where a server's dialect has to know it."""
        self.translations: dict[str, Translation] = {}
        """What it becomes, by dialect."""
        self.dialects: list[str] = []
        """Those that can do it; empty: any."""
        self.sayable: list[str] = []
        """Of these, those in which the credential in hand can be said."""
        self.results_included = 0
        """So many results are no more than was reserved, whatever that was."""
        self.number = 1
        self.asked = False
        """A lease is asked for and not yet answered."""
        self.asked_at: datetime | None = None
        self.late = 0
        """Leases given back because their `send_by` had passed."""
        self.lease: Granted | None = None
        self.open = False
        """Whether the lease in hand still needs its end."""
        self.ended: UsageRecorded | None = None
        """How the lease in hand ended, once it was used."""
        self.previous: UsageRecorded | None = None
        self.attempts: list[Attempt] = []
        """Of the lease in hand."""
        self.attempts_made = 0
        """Of the whole request."""
        self.avoid_sessions: list[SessionId] = []
        self.avoid_servers: list[ServerId] = []
        self.shy_servers: list[ServerId] = []
        """To be avoided where there is another."""
        self.server_id = ServerId("")
        self.server_region = ""
        self.sent = False
        """Whether a byte of this lease's exchange may have left."""
        self.answered = False
        """Whether the verdict was success."""
        self.gone = False
        self.traced = False
        """Whether the log is told of the error that the client is answered."""
        self.status = 0
        self.bytes_out = 0
        self.lease_ms = 0.0
        self.first_byte_ms = 0.0

    def wanted(self, gateway_id: GatewayId, now: datetime, stored: Stored) -> SessionRequested:
        """Say which lease is wanted; the moment is when its number was first asked for.

        `stored` is how much of the client the log may keep.
        """
        if self.asked_at is None:
            self.asked_at = now
        return SessionRequested(
            request_id=self.request_id,
            number=self.number,
            service_type=self.service_type,
            units=self.units,
            asked_at=self.asked_at,
            gateway_id=gateway_id,
            key_id=self.key.key_id,
            path=self.path[:_TEXT_MAX],
            model=self.model[:_TEXT_MAX],
            client_request_id=self.client_request_id,
            client_address=stored_address(self.client_address, stored),
            user_agent=stored_agent(self.user_agent, stored),
            avoid_sessions=self.avoid_sessions,
            avoid_servers=self.avoid_servers,
        )

    def begin(self, granted: Granted) -> None:
        """Take a lease in hand."""
        self.lease = granted
        self.shy_servers += granted.avoid_servers
        self.open = True
        self.ended = None
        self.attempts = []
        self.sent = False

    @property
    def doubtful(self) -> bool:
        """Whether an earlier attempt of this lease may have been accepted."""
        return any(tried.verdict is Verdict.OUTCOME_UNKNOWN for tried in self.attempts)

    def next_number(self) -> None:
        """Let go of the lease in hand, ended; the next one has the next number."""
        self.open = False
        self.number += 1
        self.asked_at = None

    def usage(
        self,
        outcome: Outcome,
        verdict: Verdict,
        *,
        results: int = 0,
        error: GatewayError | None = None,
        cut: bool = False,
        retry_after_s: float | None = None,
    ) -> UsageRecorded:
        """Write down how the lease in hand ended; `results` is how many items came back."""
        lease = self.lease
        assert lease is not None
        settled = outcome is Outcome.SETTLED
        self.traced = self.traced or error is not None
        ended = self.ended = UsageRecorded(
            lease_id=LeaseId(lease.lease_id),
            request_id=self.request_id,
            session_id=lease.session_id,
            service_type=self.service_type,
            outcome=outcome,
            verdict=verdict,
            units=lease.units if settled else 0,
            units_over=self._units_over(results, lease.units) if settled else 0,
            key_id=self.key.key_id,
            path=self.path[:_TEXT_MAX],
            model=self.model[:_TEXT_MAX],
            client_request_id=self.client_request_id,
            status=error.http_status if error else self.status,
            error_code=error.code if error else "",
            error_message=error.message[:_TEXT_MAX] if error else "",
            cut=cut,
            retry_after_s=retry_after_s,
            attempts=self.attempts,
            lease_ms=round(self.lease_ms, 3),
            total_ms=round((time.perf_counter() - self.started) * 1000, 3),
            bytes_in=self.content_length or 0,
            bytes_out=self.bytes_out,
        )
        return ended

    def _units_over(self, results: int, units: int) -> int:
        """Count what the server did beyond the reservation, where items are units."""
        return max(0, results - max(units, self.results_included)) if self.counted else 0

    @property
    def remaining(self) -> Mapping[ServiceType, int] | None:
        """What the leased session has left: as granted, and as this lease's end changed it.

        None where that is not known: without a lease, and when the backend calls the quota used up
        after another session was penalised for this request (the pool then closes no second one).
        """
        lease, ended = self.lease, self.ended
        if lease is None:
            return None
        if self.open or (ended is not None and ended.outcome is not Outcome.RELEASED):
            return lease.remaining
        left = lease.remaining.get(self.service_type, 0) + lease.units
        if ended is not None and ended.verdict is Verdict.QUOTA_EXHAUSTED:
            if len(self.avoid_sessions) > 1:
                return None
            left = 0
        return {**lease.remaining, self.service_type: left}

    @property
    def target(self) -> bytes:
        """The path and query as they go upstream."""
        return self.raw_path + b"?" + self.query if self.query else self.raw_path

    def target_at(self, path: str) -> bytes:
        """The same at a path that was read, however its client had written it."""
        return path.encode() + b"?" + self.query if self.query else path.encode()

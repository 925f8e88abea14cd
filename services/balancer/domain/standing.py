"""One server as it stands now: what strategies rank by, and what probes and outcomes showed."""

from datetime import timedelta

import msgspec

from contracts.balancer import Server
from contracts.base import Instant, ServerId, ServiceType
from runtime.geography.regions import region_named

ANY_BREADTH = 100
"""A server that names no capability does every service type: the broadest there is."""
_SPAN = timedelta(minutes=1)
_SPANS_KEPT = 5


class AttemptSpan(msgspec.Struct, kw_only=True, gc=False):
    """Attempts of one minute."""

    began_at: Instant
    attempts: int = 0
    blamed: int = 0
    answered: int = 0
    answered_ms: float = 0.0


class Pace(msgspec.Struct, kw_only=True, gc=False):
    """How far apart calls of one service type are kept."""

    apart: timedelta
    next_at: Instant


class ServerStanding(msgspec.Struct, kw_only=True):
    """A server and its present load; changes with every selection, and is in no event."""

    server_id: ServerId
    server: Server
    priority: int = 1
    weight: int = 1
    breadth: int = ANY_BREADTH
    max_sessions: int = 1
    region: str = ""
    """As `runtime.geography` names it."""
    serves: frozenset[str] = frozenset()
    """Regions of sessions; empty: it serves every one."""
    in_flight: int = 0
    turn: int = 0
    credit: int = 0
    probes_failed: int = 0
    """In a row."""
    probe_failure: str | None = None
    """What failed at the last probe; None when it was good."""
    answers_probes: bool = False
    """The last probe was good, and nothing has spoken against the server since."""
    unreachable: int = 0
    """Connections in a row that gateways could not make."""
    paces: dict[ServiceType, Pace] = {}
    """Of the service types that risk control has slowed down here."""
    spans: list[AttemptSpan] = []
    """The last minutes, newest last."""

    def serve_as(self, server: Server) -> None:
        """Take the server's present configuration; another address is another server."""
        if server.url != self.server.url:
            self.forget_all()
        self.server = server
        self.priority = server.priority
        self.weight = server.weight
        self.breadth = len(server.capabilities) or ANY_BREADTH
        self.max_sessions = server.max_sessions
        self.region = region_named(server.region)
        self.serves = frozenset(server.serves)

    def forget_all(self) -> None:
        """Drop what was seen of the server, as when it moved."""
        self.probes_failed = 0
        self.probe_failure = None
        self.answers_probes = False
        self.unreachable = 0
        self.paces = {}
        self.spans = []

    def count_attempt(self, now: Instant, *, blamed: bool, answer_ms: float | None) -> None:
        """Count one attempt; `answer_ms` is None when no answer came."""
        if not self.spans or now - self.spans[-1].began_at >= _SPAN:
            # A span begins with its first attempt: a quiet server keeps old ones, and
            # `_recent_spans` passes over them.
            self.spans = [*self.spans[1 - _SPANS_KEPT :], AttemptSpan(began_at=now)]
        span = self.spans[-1]
        span.attempts += 1
        span.blamed += blamed
        if answer_ms is not None:
            span.answered += 1
            span.answered_ms += answer_ms

    def avg_response_ms(self, now: Instant) -> float:
        """Mean time of the answers of the last minutes; 0 without any."""
        recent = self._recent_spans(now)
        answered = sum(span.answered for span in recent)
        return sum(span.answered_ms for span in recent) / answered if answered else 0.0

    def success_rate(self, now: Instant) -> float:
        """Share of the last minutes' attempts for which the server was not to blame."""
        recent = self._recent_spans(now)
        attempts = sum(span.attempts for span in recent)
        return 1 - sum(span.blamed for span in recent) / attempts if attempts else 1.0

    def _recent_spans(self, now: Instant) -> list[AttemptSpan]:
        oldest = now - _SPAN * _SPANS_KEPT
        return [span for span in self.spans if span.began_at > oldest]

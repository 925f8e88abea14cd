"""Requests of every fate, and what the query `explain` says of them."""

from typing import Any

from contracts.base import RequestId, ServerId, SessionId
from contracts.pool import (
    Candidate,
    Outcome,
    QuotaObserved,
    SessionCooled,
    SessionLabelled,
    Verdict,
)
from services.analytics.store import Readers
from tests.integration.analytics.parts import named
from tests.moments import NOON
from tests.unit.analytics.builders import (
    Story,
    attempt,
    cancelled,
    expired,
    granted,
    policy,
    reconciled,
    refused,
    requested,
    server_added,
    session,
    used,
)

CANDIDATES = [
    Candidate(server_id=ServerId("server-1"), score=0.5),
    Candidate(server_id=ServerId("server-2"), refused="it cannot do image"),
]


def story() -> Story:
    """Requests of every fate, a commit each."""
    cooled = SessionCooled(
        session_id=SessionId("s1"), until=NOON, reason="rate_limited", request_id=RequestId("moved")
    )
    observed = QuotaObserved(
        session_id=SessionId("s2"),
        service_type="image",
        quota_day="2026-01-01",
        request_id=RequestId("moved"),
    )
    tries = [
        attempt(verdict=Verdict.UNREACHABLE, failure="connect", sent=False, candidates=CANDIDATES),
        attempt("server-2", strategy="round_robin", why="client in japan: asia-east (2,880 km)"),
    ]
    limited = [attempt(verdict=Verdict.RATE_LIMITED, status=429)]
    return (
        Story()
        .tell(policy(), session("s1"), session("s2"), server_added("server-1"))
        .tell(SessionLabelled(session_id=SessionId("s1"), label="account 7"))
        .tell(requested("plain", client_request_id="shared"), granted("plain"))
        .tell(used("plain", attempts=tries))
        .tell(requested("moved", client_request_id="shared"), granted("moved"))
        .tell(
            used("moved", outcome=Outcome.RELEASED, attempts=limited, units=0),
            cooled,
            observed,
            requested("moved", 2),
            granted("moved", 2, session_id="s2"),
        )
        .tell(cancelled("moved", 2, session_id="s2"))
        .tell(requested("none"), refused("none"))
        .tell(refused("many", count=120))
        .tell(requested("held"))
        .tell(requested("silent"), granted("silent"))
        .tell(expired("silent"))
        .tell(reconciled("silent", units=0))
        .tell(requested("open"), granted("open"))
    )


def explained(readers: Readers, request_id: str, **parameters: Any) -> list[dict[str, Any]]:
    return named(readers, "explain", request_id=request_id, **parameters)

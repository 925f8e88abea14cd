"""Small histories for the tests of analytics: events with defaults, envelopes in a chain."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from contracts import envelope
from contracts.balancer import Server, ServerAdded
from contracts.base import WriterId, lease_id
from contracts.envelope import Envelope, Link
from contracts.pool import (
    Attempt,
    CallsRefused,
    LeaseCancelled,
    LeaseExpired,
    LeaseGranted,
    LeaseReconciled,
    LeaseRefused,
    LeaseRenewed,
    Outcome,
    Policy,
    PolicyChanged,
    Refusal,
    SessionAdded,
    SessionRequested,
    UsageRecorded,
    Verdict,
)
from runtime.eventlog import Stored
from services.analytics.domain.fold import RowBatch, RowFold
from services.analytics.domain.tables import TABLES
from tests.moments import NOON

DAY = "2026-01-01"
POOL = "evt.pool.0"
VERDICTS = {
    Outcome.SETTLED: Verdict.SUCCESS,
    Outcome.RELEASED: Verdict.REJECTED,
    Outcome.UNKNOWN: Verdict.OUTCOME_UNKNOWN,
}
LIMITS: dict[Any, int] = {"image": 10, "video": 2, "avatar": 1}


def _filled(kind: Any, defaults: dict[str, Any], changes: dict[str, Any]) -> Any:
    return msgspec.convert({**defaults, **changes}, kind, from_attributes=True)


def policy(zone: str = "UTC") -> PolicyChanged:
    return PolicyChanged(policy=Policy(daily_limits=LIMITS, quota_timezone=zone), source="test")


def session(name: str = "s1") -> SessionAdded:
    return SessionAdded(session_id=name, region="us", origin="generated")


def server_added(name: str = "server-1") -> ServerAdded:
    url = f"http://{name}:9001"
    return ServerAdded(server=Server(server_id=name, url=url, capabilities=["image"]))


def requested(request: str, number: int = 1, **changes: Any) -> SessionRequested:
    given = {
        "request_id": request,
        "number": number,
        "service_type": "image",
        "asked_at": NOON,
        "gateway_id": "g1",
        "key_id": "k1",
        "path": "/v1/images/generations",
        "model": "jimeng-4.0",
        "client_address": "10.0.0.0",
        "user_agent": "openai/1",
        **changes,
    }
    return SessionRequested(**given)


def granted(request: str, number: int = 1, **changes: Any) -> LeaseGranted:
    given = {
        "lease_id": lease_id(request, number),
        "request_id": request,
        "number": number,
        "session_id": "s1",
        "service_type": "image",
        "quota_day": DAY,
        "units": 1,
        "send_by": NOON + timedelta(seconds=30),
        "expires_at": NOON + timedelta(minutes=15),
        **changes,
    }
    return LeaseGranted(**given)


def attempt(server_id: str = "server-1", **changes: Any) -> Attempt:
    given = {
        "server_id": server_id,
        "verdict": Verdict.SUCCESS,
        "status": 200,
        "sent": True,
        "first_byte_ms": 80.0,
        "total_ms": 100.0,
        **changes,
    }
    return Attempt(**given)


def used(
    request: str, outcome: Outcome = Outcome.SETTLED, number: int = 1, **changes: Any
) -> UsageRecorded:
    verdict = changes.get("verdict", VERDICTS.get(outcome, Verdict.OUTCOME_UNKNOWN))
    given = {
        "lease_id": lease_id(request, number),
        "request_id": request,
        "session_id": "s1",
        "service_type": "image",
        "outcome": outcome,
        "verdict": verdict,
        "units": 1 if outcome is Outcome.SETTLED else 0,
        "key_id": "k1",
        "gateway_id": "g1",
        "path": "/v1/images/generations",
        "model": "jimeng-4.0",
        "status": 200 if outcome is Outcome.SETTLED else 502,
        "attempts": [attempt(verdict=verdict)],
        "total_ms": 120.0,
        **changes,
    }
    return UsageRecorded(**given)


def renewed(request: str, until: datetime, number: int = 1) -> LeaseRenewed:
    return LeaseRenewed(lease_id=lease_id(request, number), expires_at=until)


def cancelled(
    request: str, number: int = 1, session_id: str = "s1", **changes: Any
) -> LeaseCancelled:
    given = {
        "lease_id": lease_id(request, number),
        "request_id": request,
        "number": number,
        "reason": "client_gone",
        "session_id": session_id,
        **changes,
    }
    return LeaseCancelled(**given)


def expired(request: str, number: int = 1) -> LeaseExpired:
    return LeaseExpired(lease_id=lease_id(request, number), session_id="s1")


def reconciled(request: str, units: int, number: int = 1) -> LeaseReconciled:
    return LeaseReconciled(
        lease_id=lease_id(request, number), session_id="s1", units=units, reason="seen", by="op"
    )


def refused(request: str, count: int = 1, number: int = 1, **changes: Any) -> LeaseRefused:
    return LeaseRefused(
        request_id=request,
        number=number,
        service_type="image",
        key_id="k1",
        reason=Refusal.QUOTA_EXHAUSTED,
        retry_after_s=60.0,
        count=count,
        **changes,
    )


def calls_refused(**changes: Any) -> CallsRefused:
    given = {
        "gateway_id": "gw",
        "key_id": "k1",
        "code": "rate_limit_exceeded",
        "status": 429,
        "count": 1,
        "since": NOON,
        "until": NOON,
        **changes,
    }
    return CallsRefused(**given)


class Story:
    """A log in memory: one envelope per call, chained per subject, as the stream would hold it."""

    def __init__(self) -> None:
        self.stored: list[Stored] = []
        self._links: dict[str, Link] = {}

    def tell(self, *events: Any, at: datetime = NOON, subject: str = POOL) -> "Story":
        link = self._links.get(subject, Link())
        body = envelope.seal_events(link, WriterId("w"), 1, at, list(events))
        sequence = len(self.stored) + 1
        self._links[subject] = envelope.link_to(sequence, body, envelope.decode_envelope(body))
        self.stored.append(Stored(sequence, at, subject, body))
        return self

    def lease(self, request: str, *ends: Any, at: datetime = NOON, **changes: Any) -> "Story":
        """Ask and grant in one envelope, then each end in one of its own."""
        kept = {key: changes[key] for key in ("service_type",) if key in changes}
        self.tell(requested(request, **kept), granted(request, **changes), at=at)
        for end in ends:
            self.tell(end, at=at)
        return self

    def envelopes(self) -> list[tuple[int, str, Envelope]]:
        return [
            (stored.sequence, stored.subject, envelope.decode_envelope(stored.body))
            for stored in self.stored
        ]


def batch_of(story: Story, fold: RowFold | None = None) -> RowBatch:
    """The batch of a whole story."""
    fold = fold or RowFold()
    for sequence, subject, one in story.envelopes():
        fold.fold_envelope(sequence, subject, one)
    return fold.next_batch()


def rows_of(batch: RowBatch, table: str) -> list[Any]:
    """The rows that a batch has for a table."""
    kind = TABLES[table]
    found = batch.tables.get(table)
    if found is None:
        return []
    values: Sequence[Any] = list(zip(*found.values(), strict=True))
    return [kind(**dict(zip(found, row, strict=True))) for row in values]

"""Given, when, then: events, commands and folded pools in the fewest words."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts import envelope
from contracts.base import (
    GatewayId,
    KeyId,
    LeaderElected,
    LeaseId,
    QuotaDay,
    RequestId,
    ServerId,
    ServiceType,
    SessionId,
    WriterId,
    lease_id,
)
from contracts.envelope import Envelope, Link
from contracts.events import AnyEvent
from contracts.pool import (
    Attempt,
    CancelLease,
    Granted,
    LeaseCancelled,
    LeaseExpired,
    LeaseGranted,
    LeaseReconciled,
    LeaseWanted,
    Outcome,
    Policy,
    PolicyChanged,
    PoolEvent,
    SessionAdded,
    SessionRequested,
    UsageRecorded,
    Verdict,
)
from services.pool.audit import Auditor
from services.pool.domain import Pool, decide_lease
from services.pool.domain.canonical import canonical_json
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.index.choice import Index

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
ONE = SessionId("one")
TODAY = QuotaDay("2025-03-01")
IMAGE, VIDEO, AVATAR = ServiceType("image"), ServiceType("video"), ServiceType("avatar")
LIMITS: dict[ServiceType, int] = {IMAGE: 10, VIDEO: 2, AVATAR: 1}
LEADER = WriterId("pool-1")


def after(seconds: float, since: datetime = NOON) -> datetime:
    """`seconds` after noon, or after another moment."""
    return since + timedelta(seconds=seconds)


# ------------------------------------------------------------------------------ events


def policy_changed(source: str = "file", **changes: Any) -> PolicyChanged:
    """The original's limits, with `changes` to the policy."""
    policy = {"daily_limits": LIMITS, "min_size": 1, "max_size": 500, **changes}
    return PolicyChanged(policy=Policy(**policy), source=source)


def session_added(session_id: str = "one", **fields: Any) -> SessionAdded:
    """A session joins the pool."""
    return SessionAdded(session_id=SessionId(session_id), **fields)


def lease_granted(
    session_id: str = "one",
    service_type: ServiceType = IMAGE,
    request: str = "r1",
    number: int = 1,
    **fields: Any,
) -> LeaseGranted:
    """A lease as the log has it, granted at noon for one unit."""
    values: dict[str, Any] = {
        "quota_day": TODAY,
        "units": 1,
        "send_by": after(30),
        "expires_at": after(900),
        **fields,
    }
    return LeaseGranted(
        lease_id=lease_id(RequestId(request), number),
        request_id=RequestId(request),
        number=number,
        session_id=SessionId(session_id),
        service_type=service_type,
        **values,
    )


def usage(
    lease: LeaseGranted | Granted,
    verdict: Verdict = Verdict.SUCCESS,
    outcome: Outcome | None = None,
    *,
    server: str = "server-1",
    **fields: Any,
) -> UsageRecorded:
    """What a gateway hands in; the outcome follows the verdict unless given."""
    ending = outcome or _OUTCOMES.get(verdict, Outcome.RELEASED)
    values: dict[str, Any] = {
        "units": lease.units if ending is Outcome.SETTLED else 0,
        "attempts": [Attempt(server_id=ServerId(server), verdict=verdict)] if server else [],
        "service_type": getattr(lease, "service_type", IMAGE),
        **fields,
    }
    return UsageRecorded(
        lease_id=lease.lease_id,
        request_id=RequestId(lease.lease_id.rpartition(".")[0]),
        session_id=lease.session_id,
        outcome=ending,
        verdict=verdict,
        **values,
    )


_OUTCOMES = {
    Verdict.SUCCESS: Outcome.SETTLED,
    Verdict.OUTCOME_UNKNOWN: Outcome.UNKNOWN,
    Verdict.CLIENT_GONE: Outcome.UNKNOWN,
}


def lease_expired(lease: LeaseGranted) -> LeaseExpired:
    """No word of it came in time."""
    return LeaseExpired(lease_id=lease.lease_id, session_id=lease.session_id)


def lease_cancelled(lease: LeaseGranted, session_id: str | None = None) -> LeaseCancelled:
    """It was never sent; without a session ("") it is forbidden before it is granted."""
    return LeaseCancelled(
        lease_id=lease.lease_id,
        request_id=lease.request_id,
        number=lease.number,
        reason="x",
        session_id=lease.session_id if session_id is None else SessionId(session_id),
    )


def lease_reconciled(lease: LeaseGranted, units: int) -> LeaseReconciled:
    """An operator found out what it used."""
    return LeaseReconciled(
        lease_id=lease.lease_id, session_id=lease.session_id, units=units, reason="x", by="me"
    )


# ---------------------------------------------------------------------------- commands


def session_requested(
    service_type: ServiceType = IMAGE, request: str = "r1", number: int = 1, **fields: Any
) -> SessionRequested:
    """A request for a lease, first asked for at noon."""
    values: dict[str, Any] = {
        "asked_at": NOON,
        "gateway_id": GatewayId("gateway-1"),
        "key_id": KeyId("key-1"),
        **fields,
    }
    return SessionRequested(
        request_id=RequestId(request), number=number, service_type=service_type, **values
    )


def lease_wanted(
    service_type: ServiceType = IMAGE,
    request: str = "r1",
    number: int = 1,
    previous: UsageRecorded | None = None,
    **fields: Any,
) -> LeaseWanted:
    """The command for it."""
    return LeaseWanted(
        requested=session_requested(service_type, request, number, **fields), previous=previous
    )


def cancel(request: str = "r1", number: int = 1) -> CancelLease:
    """The caller has gone away."""
    return CancelLease(request_id=RequestId(request), number=number, reason="client gone")


# ------------------------------------------------------------------- states and logs


def folded(*events: AnyEvent, at: datetime = NOON) -> Pool:
    """A pool that has seen `events`; the original's policy comes first unless one is given."""
    state = Pool()
    if not events or not isinstance(events[0], PolicyChanged):
        evolve(state, policy_changed(), at, 1)
    for event in events:
        evolve(state, event, at, 1)
    state.commit()
    return state


def grant(
    state: Pool,
    service_type: ServiceType = IMAGE,
    request: str = "r1",
    *,
    now: datetime = NOON,
    **fields: Any,
) -> Granted:
    """Lease from `state`; fails the test when it refuses."""
    command = lease_wanted(service_type, request, **{"asked_at": now, **fields})
    answer = decide_lease(state, command, now).answer
    assert isinstance(answer, Granted), answer
    return answer


def lease_named(request: str = "r1", number: int = 1) -> LeaseId:
    """The id of a request's lease."""
    return lease_id(RequestId(request), number)


def placed(index: Index) -> tuple[int, dict[str, int], dict[str, dict[str, Any]]]:
    """The index as plain values; sessions that stand nowhere are left out."""
    groups = [(account, *pair) for account, pair in index._places._groups.items()]
    having = {name: index.accounts_having(name) for name in index._policy.daily_limits}
    return (
        index.accounts_active,
        having,
        {
            session_id: {
                name: (
                    placing.shelf.kind,
                    placing.shelf.zone.clock,
                    placing.shelf.zone.day,
                    placing.shelf.rarity,
                    placing.left,
                )
                for name, placing in group.placed.items()
            }
            for _, *groups_of_account in groups
            for group in groups_of_account
            for session_id in group.members
            if group.placed
        },
    )


def whole(pool: Pool) -> tuple[bytes, list[Any], dict[str, list[Any]]]:
    """The ledger as it is hashed, and one by one what the hash has sums of."""
    ended = pool.ended
    for lease in pool.leases.values():
        tallies = lease.session.account.days.get(lease.quota_day, {})
        assert tallies.get(lease.service_type, lease.tally) is lease.tally
    ended_spans = [
        (name, span, dict(kept.marks), dict(kept.penalties), kept.digest, kept.last_at)
        for name, spans in (("minted", ended.minted), ("undated", ended.undated))
        for span, kept in spans.items()
    ]
    return (
        canonical_json(pool),
        [*ended_spans, ended.due_at, pool.members],
        {
            lease.lease_id: [
                lease.session.session_id,
                lease.expires_at,
                lease.state,
                lease.charged,
                lease.reported,
                lease.reconciled,
            ]
            for lease in pool.leases.values()
        },
    )


class WrittenLog:
    """A subject's envelopes as its leader would have stored them."""

    def __init__(self) -> None:
        """Elect the leader of epoch 1."""
        self.link = Link()
        self.envelopes: list[tuple[int, bytes, Envelope]] = []
        self.write([LeaderElected(writer=LEADER, epoch=1)])

    def write(
        self,
        events: Sequence[PoolEvent],
        at: datetime = NOON,
        *,
        writer: WriterId = LEADER,
        epoch: int = 1,
    ) -> None:
        """Append one envelope."""
        stored = envelope.seal_events(self.link, writer, epoch, at, events)
        self.envelopes.append((self.link.sequence + 1, stored, envelope.decode_envelope(stored)))
        self.link = envelope.link_to(self.link.sequence + 1, stored, self.envelopes[-1][2])


def audited(log: WrittenLog) -> Auditor:
    """An auditor who has read the log to its end."""
    auditor = Auditor("evt.pool.0")
    for sequence, stored, found in log.envelopes:
        auditor.audit_envelope(sequence, stored, found)
    auditor.finish_audit()
    return auditor

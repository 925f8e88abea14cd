"""The ledger as bytes, and back: every field that the events determine, none of the leader's own.

Sessions are laid out as the records they are, so that a field that they gain is in it, and has its
default where an older snapshot lacks it. An account that has a name is laid out once, and in its
sessions is no more than the name. Marks of ended leases, nearly all that there is, lie in
one run of bytes for each word: 16 bytes a lease. What cannot be read so any more has a new
`FORMAT`, and an upcaster from the one before (`formats`).
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from contracts.base import (
    LeaseId,
    QuotaDay,
    RequestId,
    ServerId,
    ServiceType,
    SessionId,
    WriterId,
)
from contracts.pool import GrowthHeld, KeyRotation, Outcome, Policy, Refused
from services.pool.domain import Pool, Violation
from services.pool.domain.ended import (
    DIGEST_MASK,
    KEY_BYTES,
    WEIGHTS,
    EndedSpan,
    Mark,
    penalty_weight,
)
from services.pool.domain.evidence import Charge, Evidence, KeySuccess
from services.pool.domain.records import (
    OPEN,
    UNCERTAIN,
    Account,
    Accusation,
    Lease,
    QueuedLease,
    Session,
    Tally,
)
from services.pool.domain.state import Departure
from services.pool.domain.upkeep import Bought, Joined, Upkeep
from services.pool.snapshots.formats import FORMAT, UnreadableSnapshotError, upcaster_of


class SavedLease(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that is whole; its session by its name, and its tally by that one's account."""

    lease_id: LeaseId
    request_id: RequestId
    session_id: SessionId
    service_type: ServiceType
    quota_day: QuotaDay
    units: int
    granted_at: datetime
    send_by: datetime
    expires_at: datetime
    trial: bool
    state: str
    charged: int
    reported: bool
    reconciled: bool


class SavedSpan(msgspec.Struct, frozen=True, kw_only=True):
    """The ends of leases of one span."""

    name: str
    minted: bool
    last_at: datetime
    newest: str
    marks: dict[int, bytes]
    """The keys of each mark, one behind the other."""
    penalties: dict[SessionId, bytes]
    """The keys of the requests that cost each session."""


class SavedEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What calls have shown: the slots of `Evidence`."""

    successes: dict[str, KeySuccess] = {}
    doubted: dict[SessionId, None] = {}
    accused: dict[SessionId, None] = {}
    charges: dict[ServerId, Charge] = {}
    suspects: dict[ServerId, dict[SessionId, None]] = {}
    served_at: dict[ServerId, datetime] = {}
    refused_at: datetime | None = None
    tried_at: datetime | None = None


class SavedUpkeep(msgspec.Struct, frozen=True, kw_only=True):
    """How the pool is kept filled: the fields of `Upkeep`."""

    asked_at: dict[ServiceType, datetime] = {}
    joined: list[Joined] = []
    bought: Bought = Bought()
    held: GrowthHeld | None = None


class SavedPool(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    policy: Policy
    policy_source: str | None
    epoch: int
    leader: WriterId
    sessions: list[Session]
    accounts: list[Account] = []
    """Those that have a name."""
    leases: list[SavedLease]
    departures: list[tuple[datetime, LeaseId]]
    spans: list[SavedSpan]
    accusations: dict[ServerId, tuple[Accusation, ...]]
    used_at: dict[SessionId, datetime]
    refused: dict[LeaseId, Refused]
    violations: list[Violation]
    evidence: SavedEvidence = SavedEvidence()
    upkeep: SavedUpkeep = SavedUpkeep()
    queued: dict[LeaseId, QueuedLease] = {}
    rotation: KeyRotation | None = None
    labels: dict[SessionId, str] = {}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SavedPool)


def encode_pool(state: Pool) -> bytes:
    """Lay the ledger out. Whoever skipped events has none to lay out."""
    assert not state.unknown
    saved = SavedPool(
        policy=state.policy,
        policy_source=state.policy_source,
        epoch=state.epoch,
        leader=state.leader,
        sessions=[*map(_saved_session, state.sessions.values())],
        accounts=list(state.accounts.values()),
        leases=[_saved_lease(lease) for lease in state.leases.values()],
        departures=[(leaving.due_at, leaving.lease_id) for leaving in state.departures],
        spans=[
            _saved_span(name, kept, minted=spans is state.ended.minted)
            for spans in (state.ended.minted, state.ended.undated)
            for name, kept in spans.items()
        ],
        accusations=state.accusations,
        used_at=state.used_at,
        refused=state.refusals.refused,
        violations=state.violations,
        evidence=SavedEvidence(
            **{name: getattr(state.evidence, name) for name in Evidence.__slots__}
        ),
        upkeep=SavedUpkeep(
            **{**msgspec.structs.asdict(state.upkeep), "joined": list(state.upkeep.joined)}
        ),
        queued=state.queued,
        rotation=state.rotation,
        labels=state.labels,
    )
    return _encoder.encode(saved)


def decode_pool(stored: bytes, format_: int) -> Pool:
    """Make the ledger again. Raises `UnreadableSnapshotError`."""
    try:
        if format_ == FORMAT:
            saved = _decoder.decode(stored)
        else:
            plain = msgspec.msgpack.decode(stored)
            for earlier in range(format_, FORMAT):
                plain = upcaster_of(earlier)(plain)
            saved = msgspec.convert(plain, SavedPool)
        return _pool_of(saved)
    except (msgspec.MsgspecError, KeyError, ValueError, TypeError) as error:
        raise UnreadableSnapshotError(f"{type(error).__name__}: {error}") from None


def _pool_of(saved: SavedPool) -> Pool:
    """Make the ledger of its parts; what only speeds it up is made anew."""
    state = Pool()
    state.policy, state.policy_source = saved.policy, saved.policy_source
    state.epoch, state.leader = saved.epoch, saved.leader
    state.accounts = {account.name: account for account in saved.accounts}
    for session in saved.sessions:
        if shared := session.account.name:
            session.account = state.accounts[shared]
            state.members[shared] = (*state.members.get(shared, ()), session.session_id)
        state.sessions[session.session_id] = session
        state.session_ids.append(session.session_id)
        state.standing[session.lasting_status()] += 1
    for lease in saved.leases:
        _restore_lease(state, lease)
    state.departures.extend(Departure(*leaving) for leaving in saved.departures)
    for span in saved.spans:
        spans = state.ended.minted if span.minted else state.ended.undated
        spans[span.name] = _restored_span(span)
    state.ended.settle_due()
    state.accusations, state.used_at = saved.accusations, saved.used_at
    state.refusals.refused, state.violations = saved.refused, saved.violations
    for name in Evidence.__slots__:
        setattr(state.evidence, name, getattr(saved.evidence, name))
    kept = saved.upkeep
    state.upkeep = Upkeep(kept.asked_at, deque(kept.joined), kept.bought, kept.held)
    state.queued = saved.queued
    state.rotation, state.labels = saved.rotation, saved.labels
    return state


def _saved_session(session: Session) -> Session:
    if not (name := session.account.name):
        return session
    return msgspec.structs.replace(session, account=Account(name=name))


def _saved_lease(lease: Lease) -> SavedLease:
    fields = {
        name: getattr(lease, name) for name in SavedLease.__struct_fields__ if name != "session_id"
    }
    return SavedLease(session_id=lease.session.session_id, **fields)


def _restore_lease(state: Pool, saved: SavedLease) -> None:
    """Put a lease where it belongs, by its state."""
    session = state.sessions[saved.session_id]
    tally = session.account.days.get(saved.quota_day, {}).get(saved.service_type)
    if tally is None:
        # Of a day that its account keeps no counts of any more: nobody reads these.
        reserved = saved.units if saved.state == OPEN else 0
        tally = Tally(used=saved.charged, reserved=reserved)
    lease = Lease(
        saved.lease_id,
        saved.request_id,
        session,
        saved.service_type,
        saved.quota_day,
        saved.units,
        tally,
        saved.granted_at,
        saved.send_by,
        saved.expires_at,
        trial=saved.trial,
        state=OPEN if saved.state == OPEN else Outcome(saved.state),
        charged=saved.charged,
        reported=saved.reported,
        reconciled=saved.reconciled,
    )
    state.leases[lease.lease_id] = lease
    if lease.state == OPEN:
        state.opened[lease.lease_id] = lease
    elif lease.state in UNCERTAIN and not lease.reconciled:
        state.uncertain[lease.lease_id] = lease


def _saved_span(name: str, kept: EndedSpan, *, minted: bool) -> SavedSpan:
    return SavedSpan(
        name=name,
        minted=minted,
        last_at=kept.last_at,
        newest=kept.newest,
        marks=_runs_of_keys(kept.marks),
        penalties=_runs_of_keys(kept.penalties),
    )


def _runs_of_keys(entries: Mapping[int, Any]) -> dict[Any, bytes]:
    """Lay the keys of each value out, one behind the other."""
    runs: dict[Any, bytearray] = {}
    for key, value in entries.items():
        runs.setdefault(value, bytearray()).extend(key.to_bytes(KEY_BYTES))
    return {value: bytes(run) for value, run in runs.items()}


def _restored_span(saved: SavedSpan) -> EndedSpan:
    """Make a span again; its digest is computed from what is in it."""
    span = EndedSpan(saved.last_at)
    span.newest = saved.newest
    for value, run in saved.marks.items():
        keys = _keys_in(run)
        mark = Mark(value)
        span.marks.update(dict.fromkeys(keys, mark))
        span.digest += sum(keys) * WEIGHTS[mark]
    for session_id, run in saved.penalties.items():
        keys = _keys_in(run)
        span.penalties.update(dict.fromkeys(keys, session_id))
        span.digest += sum(keys) * penalty_weight(session_id)
    span.digest &= DIGEST_MASK
    return span


def _keys_in(run: bytes) -> list[int]:
    if len(run) % KEY_BYTES:
        raise ValueError(f"a run of keys has {len(run)} bytes")
    make = int.from_bytes
    return [make(run[start : start + KEY_BYTES]) for start in range(0, len(run), KEY_BYTES)]

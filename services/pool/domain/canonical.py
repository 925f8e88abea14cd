"""The ledger in one canonical form, and its hash: equal ledgers, equal bytes.

Only what the events alone determine is in it. Leases whose end is certain are in it by their
number, and by what they left in the accounts: to lay out each of a million of them would hold
the leader up for seconds (ADR 11). Whoever changes the form, be it by a field of a record, raises
`HASH_VERSION`: hashes are compared between equal versions only.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.base import LeaseId, SessionId
from contracts.pool import Policy
from services.pool.domain.records import Lease, Session
from services.pool.domain.state import Pool

HASH_VERSION = 2
_encoder = msgspec.json.Encoder(order="deterministic")
_POLICY = (
    "daily_limits",
    "min_size",
    "max_size",
    "session_concurrency",
    "lease_ttl_s",
    "reset_guard_s",
    "reconcile_after_s",
    "quota_timezone",
)
"""The fields of a policy that `HASH_VERSION` stands for."""
_LATER = {
    field.name: field.default
    for field in msgspec.structs.fields(Policy)
    if field.name not in _POLICY
}
"""Those that came later, as they are left out."""


class _HashedSession(msgspec.Struct):
    """The fields of a session that `HASH_VERSION` stands for, in its order."""

    session_id: Any
    created_at: Any
    region: Any
    limits: Any
    quota_timezone: Any
    origin: Any
    status: Any
    reason: Any
    last_used_at: Any
    cooling_until: Any
    risks: Any
    suspected_at: Any
    accuser: Any
    trial: Any
    open_leases: Any
    days: Any


def canonical_json(state: Pool) -> bytes:
    """Lay the ledger out as JSON, its keys in order."""
    return _encoder.encode(
        {
            "policy": msgspec.structs.replace(state.policy, **_LATER),
            "policy_source": state.policy_source,
            "epoch": state.epoch,
            "leader": state.leader,
            "sessions": _session_records(state.sessions),
            "leases": len(state.leases),
            "opened": _lease_records(state.opened),
            "uncertain": _lease_records(state.uncertain),
            "forbidden": state.forbidden,
            "penalised": state.penalised,
            "accusations": state.accusations,
        }
    )


def state_hash(state: Pool) -> str:
    """Hex SHA-256 of the canonical ledger."""
    return hashlib.sha256(canonical_json(state)).hexdigest()


def _session_records(sessions: Mapping[SessionId, Session]) -> dict[SessionId, _HashedSession]:
    return {
        name: msgspec.convert(session, _HashedSession, from_attributes=True)
        for name, session in sessions.items()
    }


def _lease_records(leases: Mapping[LeaseId, Lease]) -> dict[LeaseId, list[Any]]:
    return {name: _lease_record(lease) for name, lease in leases.items()}


def _lease_record(lease: Lease) -> list[Any]:
    """List what the hash holds of a lease, in the order that `HASH_VERSION` stands for."""
    return [
        lease.request_id,
        lease.session.session_id,
        lease.service_type,
        lease.quota_day,
        lease.units,
        lease.granted_at,
        lease.send_by,
        lease.expires_at,
        lease.trial,
        lease.state,
        lease.charged,
        lease.reported,
        lease.reconciled,
    ]

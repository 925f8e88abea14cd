"""The ledger in one canonical form, and its hash: equal states, equal bytes.

Only what the events alone determine is in it. Whoever changes the form raises `HASH_VERSION`:
hashes are compared between equal versions only.
"""

import hashlib
from typing import Any

import msgspec

from services.pool.domain.records import Lease, Session
from services.pool.domain.state import Pool

HASH_VERSION = 2
_encoder = msgspec.json.Encoder(order="deterministic")


def canonical(state: Pool) -> dict[str, Any]:
    """Lay the ledger out; accounts that hold nothing are as good as absent."""
    return {
        "policy": state.policy,
        "policy_source": state.policy_source,
        "epoch": state.epoch,
        "leader": state.leader,
        "sessions": {name: _session(session) for name, session in state.sessions.items()},
        "leases": {name: _lease(lease) for name, lease in state.leases.items()},
        "forbidden": state.forbidden,
        "penalised": state.penalised,
        "accusations": state.accusations,
    }


def state_hash(state: Pool) -> str:
    """Hex SHA-256 of the canonical ledger."""
    return hashlib.sha256(_encoder.encode(canonical(state))).hexdigest()


def _session(session: Session) -> list[Any]:
    return [
        session.created_at,
        session.region,
        session.limits,
        session.quota_timezone,
        session.origin,
        session.status,
        session.reason,
        session.last_used_at,
        session.cooling_until,
        session.risks,
        session.suspected_at,
        session.accuser,
        session.trial,
        session.open_leases,
        sorted(
            [day, service_type, account.used, account.reserved, account.closed]
            for day, accounts in session.days.items()
            for service_type, account in accounts.items()
            if account.used or account.reserved or account.closed
        ),
    ]


def _lease(lease: Lease) -> list[Any]:
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

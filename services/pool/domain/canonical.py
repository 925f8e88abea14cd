"""The ledger in one canonical form, and its hash: equal ledgers, equal bytes.

Only what the events alone determine is in it. Leases whose end is certain are in it by the number
and the digest of each span of them, and by what they left in the accounts: to lay out each of a
million of them would hold the leader up for seconds (ADR 11, ADR 35). Every field of the records
is in it, and an account in each session that uses it. Whoever changes the form, be it by a field of
a record, raises `HASH_VERSION`: hashes are compared between equal versions only. The form that was
released before this one is the audit's (`audit/version2`).
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.base import LeaseId
from services.pool.domain.ended import EndedSpan
from services.pool.domain.evidence import Evidence
from services.pool.domain.records import Lease
from services.pool.domain.state import Pool
from services.pool.domain.upkeep import Upkeep

HASH_VERSION = 4
_encoder = msgspec.json.Encoder(order="deterministic")
_REFERENCES = ("session", "tally")
LEASE_FIELDS = tuple(name for name in Lease.__struct_fields__ if name not in _REFERENCES)
"""What a lease holds beside its session and its account's tally, in order."""


def canonical_json(state: Pool) -> bytes:
    """Lay the ledger out as JSON, its keys in order."""
    return _encoder.encode(
        {
            "policy": state.policy,
            "policy_source": state.policy_source,
            "epoch": state.epoch,
            "leader": state.leader,
            "sessions": state.sessions,
            "used_at": state.used_at,
            "leases": _lease_records(state.leases),
            "ended": _span_records(state.ended.minted),
            "undated": _span_records(state.ended.undated),
            "accusations": state.accusations,
            "evidence": {name: getattr(state.evidence, name) for name in Evidence.__slots__},
            "upkeep": _upkeep_record(state.upkeep),
            "queued": state.queued,
            "rotation": state.rotation,
            # Only where there are any: ledgers without hash as they did.
            **({"labels": state.labels} if state.labels else {}),
        }
    )


def state_hash(state: Pool) -> str:
    """Hex SHA-256 of the canonical ledger."""
    return hashlib.sha256(canonical_json(state)).hexdigest()


def _lease_records(leases: Mapping[LeaseId, Lease]) -> dict[LeaseId, list[Any]]:
    return {
        name: [lease.session.session_id, *(getattr(lease, field) for field in LEASE_FIELDS)]
        for name, lease in leases.items()
    }


def _upkeep_record(upkeep: Upkeep) -> list[Any]:
    return [upkeep.asked_at, list(upkeep.joined), upkeep.bought, upkeep.held]


def _span_records(spans: Mapping[str, EndedSpan]) -> dict[str, list[Any]]:
    return {
        span: [len(kept.marks), len(kept.penalties), f"{kept.digest:032x}", kept.last_at]
        for span, kept in spans.items()
    }

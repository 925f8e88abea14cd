"""The ledger as version 2 of its hash had it, so that old checkpoints are still compared.

A fold of that version kept every ended lease, forbidden id and penalty for exactly 8 days; ours
keeps less of them, for somewhat longer. What that fold had of them is followed here, beside ours,
and the rest is read from ours: every field by its name, for what records have gained since is not
in this form.

The form cannot be rendered of a ledger that version 2 could not have had: the first event that
says of an account what that version knew nothing of ends the comparing.
"""

import hashlib
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from contracts.base import LeaseId, RequestId, SessionId
from contracts.events import AnyEvent, UnknownEvent
from contracts.pool import (
    AccountChanged,
    LeaseCancelled,
    LeaseExpired,
    LeaseGranted,
    Policy,
    QuotaObserved,
    SessionCooled,
    SessionJoined,
    SessionSuspected,
    UsageRecorded,
)
from services.pool.domain.ended import KEPT
from services.pool.domain.records import Lease, Session
from services.pool.domain.state import Pool

VERSION_2 = 2
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
"""The fields of a policy that version 2 stands for."""
_PLAIN = Policy(daily_limits={})
_LATER = {name: getattr(_PLAIN, name) for name in Policy.__struct_fields__ if name not in _POLICY}
"""Those that came later, as they are left out."""


class _Leaving(msgspec.Struct, frozen=True):
    """An entry of one of the maps, which leaves it at `due_at`."""

    due_at: datetime
    mapping: dict[Any, Any]
    key: str


class SecondVersion:
    """What a fold of version 2 had beside what ours has."""

    def __init__(self, pool: Pool) -> None:
        """Follow `pool`, which is folded from the beginning of the log."""
        self._pool = pool
        self._leases: dict[LeaseId, bool] = {}
        """Whether each is open."""
        self._forbidden: dict[LeaseId, datetime] = {}
        self._penalised: dict[RequestId, SessionId] = {}
        self._leaving: deque[_Leaving] = deque()
        self.is_comparable = True
        """Whether the ledger is one that version 2 could have had."""

    def drop_due(self, at: datetime) -> None:
        """Let go of what that fold let go of by `at`."""
        while self._leaving and self._leaving[0].due_at <= at:
            leaving = self._leaving.popleft()
            leaving.mapping.pop(leaving.key, None)

    def follow_event(self, event: AnyEvent | UnknownEvent, at: datetime) -> None:
        """Take an event in once `pool` has taken it."""
        match event:
            case LeaseGranted():
                if event.lease_id in self._pool.opened:
                    self._leases[event.lease_id] = True
            case UsageRecorded() | LeaseExpired():
                self._note_end(event.lease_id, at)
            case LeaseCancelled():
                if event.lease_id not in self._leases:
                    self._forbidden[event.lease_id] = at
                    self._let_leave(self._forbidden, event.lease_id, at)
                self._note_end(event.lease_id, at)
            case SessionJoined() | AccountChanged():
                self.is_comparable = False
            case SessionCooled() | SessionSuspected() | QuotaObserved():
                request_id = event.request_id
                known = event.session_id in self._pool.sessions
                if request_id and known and request_id not in self._penalised:
                    self._penalised[request_id] = event.session_id
                    self._let_leave(self._penalised, request_id, at)
            case _:
                pass

    def state_hash(self) -> str:
        """Hex SHA-256 of the ledger as version 2 laid it out."""
        return hashlib.sha256(self.canonical_json()).hexdigest()

    def canonical_json(self) -> bytes:
        """Lay the ledger out as JSON, its keys in order."""
        pool = self._pool
        return _encoder.encode(
            {
                "policy": msgspec.structs.replace(pool.policy, **_LATER),
                "policy_source": pool.policy_source,
                "epoch": pool.epoch,
                "leader": pool.leader,
                "sessions": _session_records(pool.sessions),
                "leases": len(self._leases),
                "opened": _lease_records(pool.opened),
                "uncertain": _lease_records(pool.uncertain),
                "forbidden": self._forbidden,
                "penalised": self._penalised,
                "accusations": pool.accusations,
            }
        )

    def _note_end(self, lease_id: LeaseId, at: datetime) -> None:
        if self._leases.get(lease_id) and lease_id not in self._pool.opened:
            self._leases[lease_id] = False
            self._let_leave(self._leases, lease_id, at)

    def _let_leave(self, mapping: dict[Any, Any], key: str, at: datetime) -> None:
        try:
            self._leaving.append(_Leaving(at + KEPT, mapping, key))
        except OverflowError:
            # At the end of the calendar: what is due later never leaves.
            return


class _HashedSession(msgspec.Struct):
    """The fields of a session that version 2 stands for, in its order."""

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


_OF_ACCOUNT = ("limits", "quota_timezone", "days")


def _session_records(sessions: Mapping[SessionId, Session]) -> dict[SessionId, _HashedSession]:
    return {name: _session_record(session) for name, session in sessions.items()}


def _session_record(session: Session) -> _HashedSession:
    """Take what that version had of a session: its account was a part of it."""
    account = session.account
    owned = {name: getattr(account, name) for name in _OF_ACCOUNT}
    return _HashedSession(
        **{
            name: owned[name] if name in owned else getattr(session, name)
            for name in _HashedSession.__struct_fields__
        }
    )


def _lease_records(leases: Mapping[LeaseId, Lease]) -> dict[LeaseId, list[Any]]:
    return {name: _lease_record(lease) for name, lease in leases.items()}


def _lease_record(lease: Lease) -> list[Any]:
    """List what the hash holds of a lease, in the order that version 2 stands for."""
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

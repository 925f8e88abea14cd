"""Grants and renewals into state."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from contracts.base import LeaseId
from contracts.pool import LeaseGranted, LeaseQueued, LeaseRenewed, WaitsEnded
from services.pool.domain.ended import Mark
from services.pool.domain.index.choice import Index
from services.pool.domain.records import OPEN, Lease, QueuedLease
from services.pool.domain.state import Pool
from services.pool.domain.violations import ViolationKind


def _on_lease_granted(state: Pool, event: LeaseGranted) -> None:
    """Open the lease and reserve its units, even where the grant is a violation."""
    lease_id, units = event.lease_id, event.units
    session = state.sessions.get(event.session_id)
    if session is None:
        state.note_violation(ViolationKind.UNKNOWN_SESSION, lease_id, "granted on no session")
        return
    mark = state.ended.mark_of(lease_id)
    if lease_id in state.leases or (mark is not None and mark is not Mark.FORBIDDEN):
        # The first stands: its units are reserved, and its holder may be using it.
        state.note_violation(
            ViolationKind.GRANTED_TWICE, lease_id, "the lease had been granted before"
        )
        return
    if state.queued:
        state.drop_entry(state.queued, lease_id)
    account = session.account
    tally = state.open_tally(account, event.quota_day, event.service_type)
    taken, limit = (
        tally.used + tally.reserved,
        account.daily_limit(state.policy, event.service_type),
    )
    # From here on what is wrong is noted, and the lease opened all the same: somebody was told of
    # it, and may be using it.
    if taken + units > limit:
        message = f"{taken} + {units} units of {limit} on {event.quota_day}"
        state.note_violation(ViolationKind.OVERSOLD, lease_id, message)
    if tally.closed:
        message = f"{event.service_type} was used up upstream on {event.quota_day}"
        state.note_violation(ViolationKind.GRANTED_AFTER_EXHAUSTION, lease_id, message)
    if mark is Mark.FORBIDDEN:
        state.note_violation(
            ViolationKind.GRANTED_AFTER_CANCEL, lease_id, "it had been cancelled before"
        )
    lease = Lease(
        lease_id,
        event.request_id,
        session,
        event.service_type,
        event.quota_day,
        units,
        tally,
        state.at,
        event.send_by,
        event.expires_at,
        event.trial,
    )
    # One call takes all of it back: every request comes through here.
    state.on_rollback(_undo_grant, state, state.index, lease, session.last_used_at, session.trial)
    tally.reserved += units
    session.open_leases += 1
    if not event.only_tried:
        session.last_used_at = state.at
    state.leases[lease_id] = lease
    state.opened[lease_id] = lease
    if event.trial:
        session.trial = lease_id
        state.set_field(state.evidence, "tried_at", state.at)
    if state.index is not None:
        state.index.place_session(session, event.service_type)
        state.index.deadlines.watch_lease(lease)


def _undo_grant(
    state: Pool, index: Index | None, lease: Lease, last_used_at: datetime | None, trial: LeaseId
) -> None:
    """Take a grant back."""
    session = lease.session
    assert lease.state == OPEN
    lease.tally.reserved -= lease.units
    session.open_leases -= 1
    assert session.open_leases >= 0
    session.last_used_at = last_used_at
    session.trial = trial
    del state.leases[lease.lease_id]
    del state.opened[lease.lease_id]
    # Among the deadlines it is dropped on sight, for it is not open any more.
    if index is not None:
        index.place_session(session, lease.service_type)


def _on_lease_queued(state: Pool, event: LeaseQueued) -> None:
    """Know that a lease is waited for, unless it was granted or queued before."""
    if event.lease_id in state.leases or event.lease_id in state.queued:
        message = "waited for, though it did so or was granted before"
        state.note_violation(ViolationKind.IMPOSSIBLE_CHANGE, event.lease_id, message)
        return
    requested = event.requested
    queued = QueuedLease(
        requested.key_id, requested.service_type, requested.units, event.since, event.deadline
    )
    state.put_entry(state.queued, event.lease_id, queued)


def _on_waits_ended(state: Pool, event: WaitsEnded) -> None:
    for item in event.items:
        if item.lease_id not in state.queued:
            message = "its wait ended, though it did not wait"
            state.note_violation(ViolationKind.IMPOSSIBLE_CHANGE, item.lease_id, message)
        state.drop_entry(state.queued, item.lease_id)


def _on_lease_renewed(state: Pool, event: LeaseRenewed) -> None:
    lease = state.opened.get(event.lease_id)
    if lease is None:
        state.note_violation(
            ViolationKind.END_WITHOUT_LEASE, event.lease_id, "renewed while not open"
        )
        return
    if state.index is not None:
        # Registered first: the heap is told of the old deadline when the lease has it again.
        state.on_rollback(state.index.deadlines.watch_lease, lease)
    state.set_field(lease, "expires_at", event.expires_at)
    if state.index is not None:
        state.index.deadlines.watch_lease(lease)


LEASE_EVENTS: dict[type, Callable[[Pool, Any], None]] = {
    LeaseQueued: _on_lease_queued,
    WaitsEnded: _on_waits_ended,
    LeaseGranted: _on_lease_granted,
    LeaseRenewed: _on_lease_renewed,
}

"""Ends of leases into state: the first is final, but for the two corrections (architecture §4)."""

from collections.abc import Callable
from typing import Any

from contracts.base import LeaseId
from contracts.pool import (
    LeaseCancelled,
    LeaseExpired,
    LeaseReconciled,
    Outcome,
    UsageRecorded,
    Verdict,
)
from services.pool.domain.index.choice import Index
from services.pool.domain.records import OPEN, Lease
from services.pool.domain.state import Pool
from services.pool.domain.violations import Wrong

_NEVER_SENT = frozenset({Verdict.UNREACHABLE, Verdict.CLIENT_GONE})
"""What a released lease shows of which no byte had left."""


def _end(state: Pool, lease: Lease, outcome: Outcome, charged: int) -> None:
    """Give the reservation up, charge what was used, and let the lease leave in 8 days."""
    session, lease_id = lease.session, lease.lease_id
    state.undo.append((_unend, state, state.index, lease, session.trial))
    lease.account.reserved -= lease.units
    lease.account.used += charged
    session.open_leases -= 1
    lease.state = outcome
    lease.charged = charged
    del state.opened[lease_id]
    if outcome is Outcome.UNKNOWN or outcome is Outcome.EXPIRED:
        state.put(state.uncertain, lease_id, lease)
    if session.trial == lease_id:
        session.trial = LeaseId("")
    state.leaves_later(state.leases, lease_id)
    if state.index is not None:
        state.index.place(session)


def _unend(state: Pool, index: Index | None, lease: Lease, trial: LeaseId) -> None:
    """Take an end back: the lease is open again."""
    session = lease.session
    lease.account.reserved += lease.units
    lease.account.used -= lease.charged
    session.open_leases += 1
    session.trial = trial
    lease.state = OPEN
    lease.charged = 0
    lease.reported = False
    state.opened[lease.lease_id] = lease
    if index is not None:
        index.place(session)
        index.deadlines.watch(lease)


def _correct(state: Pool, lease: Lease, charged: int) -> None:
    """Replace what an earlier end had charged."""
    if state.index is not None:
        state.undo.append((state.index.place, lease.session))
    state.change(lease.account, "used", lease.account.used + charged - lease.charged)
    state.change(lease, "charged", charged)
    state.replaced(lease.session)


def _charge(usage: UsageRecorded, units: int) -> tuple[Outcome, int]:
    """Tell how a usage ends a lease, and how many of the `units` reserved it leaves used.

    An outcome that a usage cannot have is read as unknown.
    """
    outcome = usage.outcome
    if outcome is Outcome.SETTLED:
        return outcome, min(usage.units, units)
    if outcome is Outcome.RELEASED:
        return outcome, 0
    return Outcome.UNKNOWN, units


def _was_used(state: Pool, lease: Lease) -> None:
    """Note that the lease was sent, or may have been."""
    session_id = lease.session.session_id
    known = state.used_at.get(session_id)
    if known is None or known < lease.granted_at:
        state.put(state.used_at, session_id, lease.granted_at)


def _used(state: Pool, event: UsageRecorded) -> None:
    succeeded = event.verdict is Verdict.SUCCESS
    if succeeded and event.attempts and state.accusations:
        state.drop(state.accusations, event.attempts[-1].server_id)
    lease = state.leases.get(event.lease_id)
    if lease is None:
        state.wrong(Wrong.USAGE_WITHOUT_LEASE, event.lease_id, "no such lease")
        return
    if event.units > lease.units or event.session_id != lease.session.session_id:
        message = f"{event.units} units on {event.session_id}, leased {lease.units}"
        state.wrong(Wrong.USAGE_BEYOND_LEASE, lease.lease_id, message)
    if succeeded and lease.session.risks:
        state.change(lease.session, "risks", 0)
    if lease.reported:
        state.wrong(Wrong.ENDED_TWICE, lease.lease_id, f"already {lease.state}")
        return
    outcome, charged = _charge(event, lease.units)
    if lease.state == OPEN:
        _end(state, lease, outcome, charged)
    else:
        state.undo.append((setattr, lease, "reported", False))
        _used_late(state, lease, outcome, charged)
    lease.reported = True
    if outcome is not Outcome.RELEASED or event.verdict not in _NEVER_SENT:
        _was_used(state, lease)


def _used_late(state: Pool, lease: Lease, outcome: Outcome, charged: int) -> None:
    """Correct an expiry; nothing else that ended without a usage is moved by one."""
    if lease.reconciled:
        if charged > lease.charged:
            message = f"{charged} units used, reconciled to {lease.charged}"
            state.wrong(Wrong.USAGE_AFTER_RECONCILIATION, lease.lease_id, message)
    elif lease.state == Outcome.EXPIRED:
        _correct(state, lease, charged)
        state.change(lease, "state", outcome)
        if outcome is not Outcome.UNKNOWN:
            state.drop(state.uncertain, lease.lease_id)
    elif outcome is Outcome.SETTLED:
        message = f"{charged} units for a lease that was never sent"
        state.wrong(Wrong.SETTLED_AFTER_CANCEL, lease.lease_id, message)
    else:
        state.wrong(Wrong.ENDED_TWICE, lease.lease_id, f"already {lease.state}")


def _cancelled(state: Pool, event: LeaseCancelled) -> None:
    lease = state.leases.get(event.lease_id)
    if lease is None:
        if event.session_id:
            state.wrong(Wrong.END_WITHOUT_LEASE, event.lease_id, "cancelled")
        state.put(state.forbidden, event.lease_id, state.at)
        state.leaves_later(state.forbidden, event.lease_id)
    elif lease.state == OPEN:
        _end(state, lease, Outcome.CANCELLED, 0)
    else:
        state.wrong(Wrong.ENDED_TWICE, lease.lease_id, f"already {lease.state}")


def _expired(state: Pool, event: LeaseExpired) -> None:
    lease = state.leases.get(event.lease_id)
    if lease is None:
        state.wrong(Wrong.END_WITHOUT_LEASE, event.lease_id, "expired")
    elif lease.state == OPEN:
        _end(state, lease, Outcome.EXPIRED, lease.units)
        _was_used(state, lease)
    else:
        state.wrong(Wrong.ENDED_TWICE, lease.lease_id, f"already {lease.state}")


def _reconciled(state: Pool, event: LeaseReconciled) -> None:
    lease = state.uncertain.get(event.lease_id)
    if lease is None:
        message = "reconciled, though its end was certain or it was not known"
        state.wrong(Wrong.IMPOSSIBLE_CHANGE, event.lease_id, message)
        return
    _correct(state, lease, min(event.units, lease.units))
    state.change(lease, "reconciled", True)
    state.drop(state.uncertain, lease.lease_id)


END_EVENTS: dict[type, Callable[[Pool, Any], None]] = {
    UsageRecorded: _used,
    LeaseCancelled: _cancelled,
    LeaseExpired: _expired,
    LeaseReconciled: _reconciled,
}

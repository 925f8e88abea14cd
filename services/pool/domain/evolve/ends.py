"""Ends of leases into state: the first is final, but for the two corrections (leases.md)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from contracts.base import LeaseId, SessionId
from contracts.pool import (
    LeaseCancelled,
    LeaseExpired,
    LeaseReconciled,
    Outcome,
    UsageRecorded,
    Verdict,
)
from runtime.texts import count_phrase
from services.pool.domain.ended import MARKS, Mark
from services.pool.domain.evolve.blame import note_failure, note_success
from services.pool.domain.evolve.keeping import note_account_lives
from services.pool.domain.index.choice import Index
from services.pool.domain.records import OPEN, UNCERTAIN, Lease, Session
from services.pool.domain.state import Pool
from services.pool.domain.violations import ViolationKind

_NEVER_SENT = frozenset({Verdict.UNREACHABLE, Verdict.CLIENT_GONE})
"""What a released lease shows of which no byte had left."""


def _end_lease(state: Pool, lease: Lease, outcome: Outcome, charged: int) -> None:
    """Give the reservation up, charge what was used, and keep what may yet be asked of the lease.

    Of a certain end that is its mark; the rest stays whole for 8 days, for it may be corrected.
    """
    session, lease_id = lease.session, lease.lease_id
    assert lease.state == OPEN
    assert charged <= lease.units or charged <= 0
    # One call takes all of it back: every request comes through here.
    state.on_rollback(_undo_end, state, state.index, lease, session.trial)
    lease.tally.reserved -= lease.units
    lease.tally.used += charged
    session.open_leases -= 1
    assert session.open_leases >= 0
    lease.state = outcome
    lease.charged = charged
    del state.opened[lease_id]
    mark = MARKS.get(outcome)
    if mark is None:
        state.put_entry(state.uncertain, lease_id, lease)
        state.drop_later(lease_id)
    else:
        del state.leases[lease_id]
        state.ended.put_mark(lease_id, mark, state.at)
    # Whatever this one showed, the next trial may begin.
    if session.trial == lease_id:
        session.trial = LeaseId("")
    if state.index is not None:
        state.index.place_session(session, lease.service_type)
        open_for = state.at - lease.granted_at
        state.line.note_end(lease.service_type, open_for.total_seconds())


def _undo_end(state: Pool, index: Index | None, lease: Lease, trial: LeaseId) -> None:
    """Take an end back: the lease is open again."""
    session = lease.session
    assert lease.state != OPEN
    lease.tally.reserved += lease.units
    lease.tally.used -= lease.charged
    session.open_leases += 1
    session.trial = trial
    lease.state = OPEN
    lease.charged = 0
    lease.reported = False
    state.leases[lease.lease_id] = lease
    state.opened[lease.lease_id] = lease
    # The index as it was at the end: if it has been dropped since, nobody reads it any more. Its
    # entry among the deadlines may have been dropped on sight while the lease had ended.
    if index is not None:
        index.place_session(session, lease.service_type)
        index.deadlines.watch_lease(lease)


def _correct_end(state: Pool, lease: Lease, charged: int) -> None:
    """Replace what an earlier end had charged."""
    assert lease.state in UNCERTAIN
    if state.index is not None:
        # Registered first: the session is put back once the account is as it was.
        state.on_rollback(state.index.place_session, lease.session)
    state.set_field(lease.tally, "used", lease.tally.used + charged - lease.charged)
    state.set_field(lease, "charged", charged)
    state.place_session(lease.session)


def _usage_charge(usage: UsageRecorded, units: int) -> tuple[Outcome, int]:
    """Tell how a usage ends a lease, and how many of the `units` reserved it leaves used.

    An outcome that a usage cannot have is read as unknown.
    """
    outcome = usage.outcome
    if outcome is Outcome.SETTLED:
        return outcome, min(usage.units, units)
    if outcome is Outcome.RELEASED:
        return outcome, 0
    return Outcome.UNKNOWN, units


def _note_use(state: Pool, session_id: SessionId, granted_at: datetime) -> None:
    """Note that a lease of `granted_at` was sent, or may have been."""
    used_at = state.used_at.get(session_id)
    # A late usage may be of an older lease than the last one that was sent.
    if used_at is None or used_at < granted_at:
        state.put_entry(state.used_at, session_id, granted_at)


def _on_usage_recorded(state: Pool, event: UsageRecorded) -> None:
    """End the lease as its usage says, or correct an expiry; note what cannot be."""
    succeeded = event.verdict is Verdict.SUCCESS
    if succeeded and event.attempts and state.accusations:
        # A server that serves is not at fault: what it said before speaks against the sessions
        # alone.
        state.drop_entry(state.accusations, event.attempts[-1].server_id)
    lease = state.leases.get(event.lease_id)
    if lease is None:
        _take_late_usage(state, event, succeeded=succeeded)
        return
    # Noted, and folded all the same: what was done was done.
    if event.units > lease.units or event.session_id != lease.session.session_id:
        message = f"{count_phrase(event.units, 'unit')} on {event.session_id}, leased {lease.units}"
        state.note_violation(ViolationKind.USAGE_BEYOND_LEASE, lease.lease_id, message)
    if succeeded:
        _note_success(state, lease.session, event)
    if lease.reported:
        state.note_violation(ViolationKind.ENDED_TWICE, lease.lease_id, f"already {lease.state}")
        return
    if event.session_doubt and not succeeded:
        note_failure(state, lease.session, event)
    outcome, charged = _usage_charge(event, lease.units)
    if lease.state == OPEN:
        _end_lease(state, lease, outcome, charged)
    else:
        # Of an end, `_undo_end` sees to it.
        state.on_rollback(setattr, lease, "reported", False)
        _correct_expiry(state, lease, outcome, charged)
    lease.reported = True
    if outcome is not Outcome.RELEASED or event.verdict not in _NEVER_SENT:
        _note_use(state, lease.session.session_id, lease.granted_at)


def _note_success(state: Pool, session: Session, event: UsageRecorded) -> None:
    """Note what a success says of its session, whenever it is heard of."""
    note_account_lives(state, session)
    if session.risks:
        state.set_field(session, "risks", 0)
    note_success(state, session, event)


def _take_late_usage(state: Pool, event: UsageRecorded, *, succeeded: bool) -> None:
    """Note what is wrong with a usage of a lease whose end was certain without it.

    No units move. Of the session it says what it would have said in time.
    """
    mark = state.ended.end_of(event.lease_id)
    if mark is None:
        state.note_violation(ViolationKind.USAGE_WITHOUT_LEASE, event.lease_id, "no such lease")
        return
    session = state.sessions.get(event.session_id)
    if succeeded and session is not None:
        _note_success(state, session, event)
    if mark is not Mark.CANCELLED:
        state.note_violation(ViolationKind.ENDED_TWICE, event.lease_id, f"already {mark.outcome}")
        return
    state.ended.put_mark(event.lease_id, Mark.CANCELLED_REPORTED, state.at)
    if event.outcome is Outcome.SETTLED:
        message = f"{count_phrase(event.units, 'unit')} for a lease that was never sent"
        state.note_violation(ViolationKind.SETTLED_AFTER_CANCEL, event.lease_id, message)
    else:
        message = f"already {mark.outcome}"
        state.note_violation(ViolationKind.ENDED_TWICE, event.lease_id, message)
    sent = event.outcome is not Outcome.RELEASED or event.verdict not in _NEVER_SENT
    if sent and session is not None:
        # When it was granted is known no more: it was not after this.
        _note_use(state, event.session_id, state.at)


def _correct_expiry(state: Pool, lease: Lease, outcome: Outcome, charged: int) -> None:
    """Correct an expiry; nothing else that ended without a usage is moved by one."""
    if lease.reconciled:
        if charged > lease.charged:
            message = f"{count_phrase(charged, 'unit')} used, reconciled to {lease.charged}"
            state.note_violation(ViolationKind.USAGE_AFTER_RECONCILIATION, lease.lease_id, message)
        return
    # Any other end has been reported, or is certain.
    assert lease.state == Outcome.EXPIRED
    _correct_end(state, lease, charged)
    state.set_field(lease, "state", outcome)
    mark = MARKS.get(outcome)
    if mark is not None:
        state.drop_entry(state.uncertain, lease.lease_id)
        state.drop_entry(state.leases, lease.lease_id)
        state.ended.put_mark(lease.lease_id, mark, state.at)


def _on_lease_cancelled(state: Pool, event: LeaseCancelled) -> None:
    state.drop_entry(state.queued, event.lease_id)
    lease = state.opened.get(event.lease_id)
    if lease is not None:
        _end_lease(state, lease, Outcome.CANCELLED, 0)
    elif (end := _earlier_end(state, event.lease_id)) is not None:
        state.note_violation(ViolationKind.ENDED_TWICE, event.lease_id, f"already {end}")
    else:
        if event.session_id:
            state.note_violation(ViolationKind.END_WITHOUT_LEASE, event.lease_id, "cancelled")
        # It overtook the request it gives up: from here on the id is never granted.
        state.ended.put_mark(event.lease_id, Mark.FORBIDDEN, state.at)


def _on_lease_expired(state: Pool, event: LeaseExpired) -> None:
    lease = state.opened.get(event.lease_id)
    if lease is not None:
        # It may have been sent: all of its units stay used until somebody knows better.
        _end_lease(state, lease, Outcome.EXPIRED, lease.units)
        _note_use(state, lease.session.session_id, lease.granted_at)
    elif (end := _earlier_end(state, event.lease_id)) is not None:
        state.note_violation(ViolationKind.ENDED_TWICE, event.lease_id, f"already {end}")
    else:
        state.note_violation(ViolationKind.END_WITHOUT_LEASE, event.lease_id, "expired")


def _earlier_end(state: Pool, lease_id: LeaseId) -> str | None:
    """Tell how a lease that is not open has ended; None when it is not known."""
    lease = state.leases.get(lease_id)
    if lease is not None:
        return lease.state
    mark = state.ended.end_of(lease_id)
    return None if mark is None else mark.outcome


def _on_lease_reconciled(state: Pool, event: LeaseReconciled) -> None:
    lease = state.uncertain.get(event.lease_id)
    if lease is None:
        message = "reconciled, though its end was certain or it was not known"
        state.note_violation(ViolationKind.IMPOSSIBLE_CHANGE, event.lease_id, message)
        return
    _correct_end(state, lease, min(event.units, lease.units))
    state.set_field(lease, "reconciled", True)
    state.drop_entry(state.uncertain, lease.lease_id)


END_EVENTS: dict[type, Callable[[Pool, Any], None]] = {
    UsageRecorded: _on_usage_recorded,
    LeaseCancelled: _on_lease_cancelled,
    LeaseExpired: _on_lease_expired,
    LeaseReconciled: _on_lease_reconciled,
}

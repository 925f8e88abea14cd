"""What keeps leases in order, and the ledger: renewals, cancellations, deadlines, hash."""

from datetime import datetime

from contracts.base import LeaseId, lease_id
from contracts.pool import (
    CancelAnswer,
    CancelLease,
    LeaseCancelled,
    LeaseExpired,
    LeaseRenewed,
    Outcome,
    PoolCheckpointed,
    PoolEvent,
    Renewed,
)
from services.pool.domain.canonical import HASH_VERSION, state_hash
from services.pool.domain.decide.bounds import cut_count
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.decide.refusals import count_due_at, forbid_lease, tell_counted
from services.pool.domain.decide.waiting.ending import leave_line
from services.pool.domain.quota import policy_span
from services.pool.domain.state import Pool

SWEPT_MAX = 1000
"""Leases one sweep expires, so that its envelope stays small; `next_wakeup` asks for the rest."""


def decide_renew(state: Pool, renewed: LeaseId, now: datetime) -> Decision:
    """Move an open lease's deadline to one lease time from now; it never moves back."""
    state.drop_due(now)
    lease = state.opened.get(renewed)
    if lease is None:
        return Decision([], Renewed(lease_id=renewed))
    draft = Draft(state, now)
    expires_at = now + policy_span(state.policy.lease_ttl_s)
    # A policy with a shorter time does not take back what a gateway was promised.
    if expires_at > lease.expires_at:
        draft.emit(LeaseRenewed(lease_id=renewed, expires_at=expires_at))
    expires_in_s = max(0.0, (lease.expires_at - now).total_seconds())
    return Decision(draft.events, Renewed(lease_id=renewed, expires_in_s=expires_in_s))


def decide_cancel(state: Pool, command: CancelLease, now: datetime) -> Decision:
    """Give a lease back that was never sent, or see that it is never granted."""
    cancelled = lease_id(command.request_id, command.number)
    state.drop_due(now)
    lease = state.opened.get(cancelled)
    if lease is None:
        # Given back twice is given back; whatever else ended it, its usage has the last word.
        if cancelled in state.leases:
            return Decision([], CancelAnswer.ENDED)
        mark = state.ended.end_of(cancelled)
        if mark is not None:
            done = mark.outcome is Outcome.CANCELLED
            return Decision([], CancelAnswer.CANCELLED if done else CancelAnswer.ENDED)
    draft = Draft(state, now)
    if lease is None:
        leave_line(draft, cancelled, "left")
        forbid_lease(draft, command)
    else:
        event = LeaseCancelled(
            lease_id=cancelled,
            request_id=command.request_id,
            number=command.number,
            reason=command.reason,
            session_id=lease.session.session_id,
            status=cut_count(command.status),
            error_code=command.error_code,
            error_message=command.error_message,
        )
        draft.emit(event)
    return Decision(draft.events, CancelAnswer.CANCELLED)


def decide_undelivered(state: Pool, command: CancelLease, now: datetime) -> Decision:
    """Give a lease back that nobody could be told of, unless it was told after all meanwhile."""
    name = lease_id(command.request_id, command.number)
    if name not in state.line.untold:
        return Decision([], CancelAnswer.ENDED)
    return decide_cancel(state, command, now)


def sweep_overdue(state: Pool, now: datetime, *, ending: bool = False) -> list[PoolEvent]:
    """Expire the leases whose deadline has come, and journal refusals that were only counted.

    When the term is `ending`, all of these.
    """
    draft = Draft(state, now)
    tell_counted(draft, ending=ending)
    deadlines = state.index_at(now).deadlines
    for _ in range(SWEPT_MAX):
        lease = deadlines.overdue_lease(now)
        if lease is None:
            break
        expired = LeaseExpired(lease_id=lease.lease_id, session_id=lease.session.session_id)
        draft.emit(expired)
    return draft.events


def checkpoint_ledger(state: Pool, now: datetime) -> list[PoolEvent]:
    """Journal the hash of the ledger, by which an auditor knows it folds as its leader did."""
    draft = Draft(state, now)
    # Before it is hashed: an auditor, too, lets go of what is due before it compares.
    state.drop_due(now)
    draft.emit(PoolCheckpointed(state_hash=state_hash(state), hash_version=HASH_VERSION))
    return draft.events


def next_wakeup(state: Pool, now: datetime) -> datetime | None:
    """Tell when `sweep_overdue` has something to do, perhaps already; None when nothing waits."""
    index = state.index_at(now)
    due = [index.deadlines.first_deadline(), count_due_at(state)]
    if state.line:
        # A cool-down or a quota day that ends may be what somebody waits for.
        due += [index.next_waking(), index.next_reset()]
    return min((instant for instant in due if instant is not None), default=None)

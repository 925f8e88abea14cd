"""A usage comes in: end its lease, and blame whom the verdict blames (leases.md)."""

from datetime import datetime

from contracts.pool import (
    CallsRefused,
    EndAnswer,
    Outcome,
    SessionRecovered,
    UsageRecorded,
    Verdict,
)
from services.pool.domain.decide.blame import blame_servers, blame_session
from services.pool.domain.decide.bounds import cut_calls, cut_usage
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.ended import Mark
from services.pool.domain.state import Pool


def decide_end(state: Pool, usage: UsageRecorded | CallsRefused, now: datetime) -> Decision:
    """End the lease of a usage, or find that this has been done or cannot be.

    What a gateway refused itself is journalled beside the usages, and has no answer of its own.
    """
    draft = Draft(state, now)
    state.drop_due(now)
    if isinstance(usage, CallsRefused):
        # A gateway that heard no answer sends the same count again, and it has the same name.
        sort = f"{usage.key_id} {usage.service_type} {usage.code}"
        report_name = f"{usage.gateway_id} {sort} {usage.since.isoformat()}"
        if report_name not in state.refusals.reports:
            state.remember_report(report_name)
            draft.emit(cut_calls(usage))
        return Decision(draft.events)
    return Decision(draft.events, end_lease(draft, usage))


def end_lease(draft: Draft, usage: UsageRecorded) -> EndAnswer:
    """Journal a usage, with its consequences, unless it is a repetition."""
    lease = draft.pool.leases.get(usage.lease_id)
    if lease is None:
        return _end_again(draft, usage)
    if lease.reported:
        return EndAnswer.JOURNALLED
    succeeded = usage.verdict is Verdict.SUCCESS
    # Asked before the end, which clears it.
    was_trial = lease.session.trial == lease.lease_id
    draft.emit(cut_usage(usage))
    assert lease.lease_id not in draft.pool.opened
    if was_trial and succeeded:
        recovered = SessionRecovered(session_id=lease.session.session_id, reason="trial_succeeded")
        draft.emit(recovered)
    # What became of a reconciled one is settled without this usage: its verdict blames nobody.
    if succeeded and draft.pool.evidence.charges:
        blame_servers(draft)
    elif not succeeded and not lease.reconciled:
        blame_session(draft, lease, usage, was_trial=was_trial)
    return EndAnswer.JOURNALLED


def _end_again(draft: Draft, usage: UsageRecorded) -> EndAnswer:
    """Answer for a lease whose end is certain: nothing of it is journalled a second time."""
    mark = draft.pool.ended.end_of(usage.lease_id)
    if mark is None:
        return EndAnswer.UNKNOWN_LEASE
    # It was given back unsent, and this usage says otherwise.
    if mark is Mark.CANCELLED and usage.outcome is Outcome.SETTLED:
        draft.emit(cut_usage(usage))
    return EndAnswer.JOURNALLED

"""A usage comes in: end its lease, and blame whom the verdict blames (leases.md)."""

from datetime import datetime, timedelta

from contracts.base import QuotaDay, RequestId, ServerId, ServiceType
from contracts.pool import (
    CallsRefused,
    EndAnswer,
    Outcome,
    QuotaObserved,
    SessionChanged,
    SessionCooled,
    SessionRecovered,
    SessionStatus,
    SessionSuspected,
    UsageRecorded,
    Verdict,
)
from services.pool.domain.decide.bounds import cut_calls, cut_usage
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.ended import Mark
from services.pool.domain.evolve.sessions import RISK_CONTROL, recent_accusations
from services.pool.domain.records import DayAccount, Lease, Session
from services.pool.domain.state import Pool

RATE_LIMITED_S = 60.0
"""Cool-down after a 429 that names no `Retry-After`."""
RISK_CONTROL_S = 300.0
"""Cool-down after a first risk control; each further one in a row doubles it."""
COOLING_S_MAX = 86_400.0
_DOUBLINGS_MAX = 9
_NO_REQUEST = RequestId("")
_SUSPECTABLE = (SessionStatus.ACTIVE, SessionStatus.DRAINING)


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
    elif not succeeded and not lease.reconciled:
        _blame_session(draft, lease, usage, was_trial=was_trial)
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


def _blame_session(draft: Draft, lease: Lease, usage: UsageRecorded, *, was_trial: bool) -> None:
    """Penalise the session, if the verdict says so and the request has cost no other one."""
    own = lease.session.session_id
    # A request that fails by its own fault would fail on one session after the other.
    if draft.pool.ended.penalised_session(lease.request_id) not in {None, own}:
        return
    match usage.verdict:
        case Verdict.RATE_LIMITED:
            seconds = RATE_LIMITED_S if usage.retry_after_s is None else usage.retry_after_s
            _cool_session(draft, lease, seconds, "rate_limited")
        case Verdict.RISK_CONTROL:
            seconds = RISK_CONTROL_S * 2 ** min(lease.session.risks, _DOUBLINGS_MAX)
            _cool_session(draft, lease, seconds, RISK_CONTROL)
        case Verdict.QUOTA_EXHAUSTED:
            session, day, request_id = lease.session, lease.quota_day, lease.request_id
            close_day(draft, session, lease.service_type, day, lease.account, request_id=request_id)
        case Verdict.LOGIN_EXPIRED:
            if was_trial:
                _disable_session(draft, lease)
            elif lease.session.lasting_status() in _SUSPECTABLE:
                _suspect_session(draft, lease, usage)
        case _:
            pass


def _cool_session(draft: Draft, lease: Lease, seconds: float, reason: str) -> None:
    """Cool the session, unless it is cooling for longer already."""
    session = lease.session
    until = draft.now + timedelta(seconds=max(0.0, min(COOLING_S_MAX, seconds)))
    if session.cooling_until is None or until > session.cooling_until:
        cooled = SessionCooled(
            session_id=session.session_id,
            until=until,
            reason=reason,
            request_id=lease.request_id,
        )
        draft.emit(cooled)


def close_day(
    draft: Draft,
    session: Session,
    service_type: ServiceType,
    day: QuotaDay,
    account: DayAccount | None,
    *,
    request_id: RequestId = _NO_REQUEST,
    by: str = "",
) -> None:
    """Believe the upstream's own count: nothing of this type is left on this day.

    `account` is the session's of both; None while there is none. Open leases end as ever.
    """
    if account is None or not account.closed:
        observed = QuotaObserved(
            session_id=session.session_id,
            service_type=service_type,
            quota_day=day,
            request_id=request_id,
            by=by,
        )
        draft.emit(observed)


def _disable_session(draft: Draft, lease: Lease) -> None:
    """Believe a second invalid login."""
    disabled = SessionChanged(
        session_id=lease.session.session_id,
        status=SessionStatus.DISABLED,
        reason="login_expired",
        by="pool",
    )
    draft.emit(disabled)


def _suspect_session(draft: Draft, lease: Lease, usage: UsageRecorded) -> None:
    """Suspect the session, or the server, when it says so of several."""
    session_id = lease.session.session_id
    server_id = usage.attempts[-1].server_id if usage.attempts else ServerId("")
    others = recent_accusations(draft.pool, server_id, session_id, draft.now)
    suspected = SessionSuspected(
        session_id=session_id, server_id=server_id, request_id=lease.request_id
    )
    draft.emit(suspected)
    # Several sessions in one minute: it is not they who have expired.
    if not others:
        return
    for suspect in (*(other.session_id for other in others), session_id):
        if draft.pool.sessions[suspect].suspected_at is not None:
            blamed = SessionRecovered(
                session_id=suspect, reason="server_blamed", server_id=server_id
            )
            draft.emit(blamed)

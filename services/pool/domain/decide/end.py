"""A usage comes in: end its lease, and blame whom the verdict blames (leases.md)."""

from datetime import datetime, timedelta

from contracts.base import ServerId
from contracts.pool import (
    CallsRefused,
    EndAnswer,
    Outcome,
    PoolEvent,
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
from services.pool.domain.decide.decision import Decision, emit
from services.pool.domain.evolve.sessions import RISK_CONTROL, recent_accusers
from services.pool.domain.records import Lease
from services.pool.domain.state import Pool

RATE_LIMITED_S = 60.0
"""Cool-down after a 429 that names no `Retry-After`."""
RISK_CONTROL_S = 300.0
"""Cool-down after a first risk control; each further one in a row doubles it."""
COOLING_S_MAX = 86_400.0
_DOUBLINGS_MAX = 9
_DOUBTABLE = (SessionStatus.ACTIVE, SessionStatus.DRAINING)


def decide_end(state: Pool, usage: UsageRecorded | CallsRefused, now: datetime) -> Decision:
    """End the lease of a usage, or find that this has been done or cannot be.

    What a gateway refused itself is journalled beside the usages, and has no answer of its own.
    """
    events: list[PoolEvent] = []
    state.drop_departed(now)
    if isinstance(usage, CallsRefused):
        sort = f"{usage.key_id} {usage.service_type} {usage.code}"
        report_name = f"{usage.gateway_id} {sort} {usage.since.isoformat()}"
        if report_name not in state.refusals.answers:
            state.remember_answer(report_name, None)
            emit(state, events, cut_calls(usage), now)
        return Decision(events)
    return Decision(events, end_lease(state, events, usage, now))


def end_lease(
    state: Pool, events: list[PoolEvent], usage: UsageRecorded, now: datetime
) -> EndAnswer:
    """Journal a usage, with its consequences, unless it is a repetition."""
    lease = state.leases.get(usage.lease_id)
    if lease is None:
        return EndAnswer.UNKNOWN_LEASE
    if lease.reported:
        return EndAnswer.JOURNALLED
    if lease.state == Outcome.CANCELLED and usage.outcome is not Outcome.SETTLED:
        return EndAnswer.JOURNALLED
    certain = lease.reconciled or lease.state == Outcome.CANCELLED
    was_trial = lease.session.trial == lease.lease_id
    emit(state, events, cut_usage(usage), now)
    if was_trial and usage.verdict is Verdict.SUCCESS:
        recovered = SessionRecovered(session_id=lease.session.session_id, reason="trial_succeeded")
        emit(state, events, recovered, now)
    elif usage.verdict is not Verdict.SUCCESS and not certain:
        _blame_session(state, events, lease, usage, now, was_trial=was_trial)
    return EndAnswer.JOURNALLED


def _blame_session(
    state: Pool,
    events: list[PoolEvent],
    lease: Lease,
    usage: UsageRecorded,
    now: datetime,
    *,
    was_trial: bool,
) -> None:
    """Penalise the session, if the verdict says so and the request has cost no other one."""
    if state.penalised.get(lease.request_id, lease.session.session_id) != lease.session.session_id:
        return
    match usage.verdict:
        case Verdict.RATE_LIMITED:
            seconds = RATE_LIMITED_S if usage.retry_after_s is None else usage.retry_after_s
            _cool_session(state, events, lease, seconds, "rate_limited", now)
        case Verdict.RISK_CONTROL:
            seconds = RISK_CONTROL_S * 2 ** min(lease.session.risks, _DOUBLINGS_MAX)
            _cool_session(state, events, lease, seconds, RISK_CONTROL, now)
        case Verdict.QUOTA_EXHAUSTED:
            _exhaust_day(state, events, lease, now)
        case Verdict.LOGIN_EXPIRED:
            if was_trial:
                _disable_session(state, events, lease, now)
            elif lease.session.lasting_status() in _DOUBTABLE:
                _doubt_session(state, events, lease, usage, now)
        case _:
            pass


def _cool_session(
    state: Pool, events: list[PoolEvent], lease: Lease, seconds: float, reason: str, now: datetime
) -> None:
    """Cool the session, unless it is cooling for longer already."""
    session = lease.session
    until = now + timedelta(seconds=max(0.0, min(COOLING_S_MAX, seconds)))
    if session.cooling_until is None or until > session.cooling_until:
        cooled = SessionCooled(
            session_id=session.session_id,
            until=until,
            reason=reason,
            request_id=lease.request_id,
        )
        emit(state, events, cooled, now)


def _exhaust_day(state: Pool, events: list[PoolEvent], lease: Lease, now: datetime) -> None:
    """Believe the upstream's own count for the lease's quota day."""
    if not lease.account.closed:
        observed = QuotaObserved(
            session_id=lease.session.session_id,
            service_type=lease.service_type,
            quota_day=lease.quota_day,
            request_id=lease.request_id,
        )
        emit(state, events, observed, now)


def _disable_session(state: Pool, events: list[PoolEvent], lease: Lease, now: datetime) -> None:
    """Believe a second invalid login."""
    disabled = SessionChanged(
        session_id=lease.session.session_id,
        status=SessionStatus.DISABLED,
        reason="login_expired",
        by="pool",
    )
    emit(state, events, disabled, now)


def _doubt_session(
    state: Pool, events: list[PoolEvent], lease: Lease, usage: UsageRecorded, now: datetime
) -> None:
    """Suspect the session, or the server, when it says so of several."""
    session_id = lease.session.session_id
    server_id = usage.attempts[-1].server_id if usage.attempts else ServerId("")
    others = recent_accusers(state, server_id, session_id, now)
    suspected = SessionSuspected(
        session_id=session_id, server_id=server_id, request_id=lease.request_id
    )
    emit(state, events, suspected, now)
    if not others:
        return
    for innocent in (*(other.session_id for other in others), session_id):
        if state.sessions[innocent].suspected_at is not None:
            blamed = SessionRecovered(
                session_id=innocent, reason="server_blamed", server_id=server_id
            )
            emit(state, events, blamed, now)

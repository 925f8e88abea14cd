"""What operators, provisioners and the configuration file may change."""

from datetime import datetime, timedelta

from contracts.base import NUMBER_MAX, Failed, FailedCode
from contracts.pool import (
    AddSession,
    AddSessions,
    ChangeSession,
    Done,
    LeaseReconciled,
    Policy,
    PolicyChanged,
    PoolAdmin,
    PoolEvent,
    QuotaObserved,
    ReconcileLease,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionRetired,
    SessionRevived,
    SessionStatus,
)
from runtime.texts import as_quoted
from services.pool.domain.decide.bounds import too_great
from services.pool.domain.decide.decision import Decision, emit
from services.pool.domain.quota import zone_named
from services.pool.domain.records import Lease, Session
from services.pool.domain.state import Pool

COOL_S_MAX = 366 * 86_400.0
_OPERATOR = "operator"
_LIMITS = f"limits: expected numbers of at most {NUMBER_MAX:,}"


def decide_admin(state: Pool, command: PoolAdmin, now: datetime, origin: str = "admin") -> Decision:
    """Do what an operator asked, or say what was wrong with it.

    `origin` is journalled with sessions added: `admin`, or the provisioner's kind.
    """
    state.drop_departed(now)
    if isinstance(command, AddSessions):
        return _add_sessions(state, command, now, origin)
    if isinstance(command, ChangeSession):
        return _change_session(state, command, now)
    return _reconcile_lease(state, command, now)


def decide_policy(
    state: Pool, policy: Policy, source: str, by: str, now: datetime
) -> list[PoolEvent]:
    """Put `policy` in force, unless it comes from the source that the last one came from."""
    events: list[PoolEvent] = []
    if source != state.policy_source:
        emit(state, events, PolicyChanged(policy=policy, source=source, by=by), now)
    return events


def _admin_failure(message: str, code: FailedCode = "bad_request") -> Decision:
    return Decision([], Failed(code=code, message=message))


def _add_sessions(state: Pool, command: AddSessions, now: datetime, origin: str) -> Decision:
    """Add every session of the command, or none when one of them is wrong."""
    for item in command.items:
        if not item.session_id:
            return _admin_failure("session_id: expected an id")
        if item.quota_timezone and zone_named(item.quota_timezone) is None:
            return _admin_failure(
                f"quota_timezone: there is no time zone {as_quoted(item.quota_timezone)}"
            )
        if too_great(item.limits.values()):
            return _admin_failure(_LIMITS)
    events: list[PoolEvent] = []
    changed = [
        str(item.session_id)
        for item in command.items
        if _add_one(state, events, item, command.by, now, origin)
    ]
    revived = [str(event.session_id) for event in events if isinstance(event, SessionRevived)]
    return Decision(events, Done(changed=changed, revived=revived))


def _add_one(
    state: Pool, events: list[PoolEvent], item: AddSession, by: str, now: datetime, origin: str
) -> bool:
    """Add or revive one session; one that is there only gets its new ciphertext, elsewhere."""
    session = state.sessions.get(item.session_id)
    if session is None:
        added = SessionAdded(
            session_id=item.session_id,
            region=item.region,
            limits=item.limits,
            quota_timezone=item.quota_timezone,
            origin=origin,
            by=by,
        )
        emit(state, events, added, now)
        return True
    if session.status is not SessionStatus.RETIRED:
        return False
    emit(state, events, SessionRevived(session_id=item.session_id, origin=origin, by=by), now)
    if item.limits and item.limits != session.limits:
        limits = SessionChanged(session_id=item.session_id, limits=item.limits, by=by)
        emit(state, events, limits, now)
    return True


def _change_session(state: Pool, command: ChangeSession, now: datetime) -> Decision:
    """Change what the command names of a session, or say what was wrong with it."""
    session = state.sessions.get(command.session_id)
    if session is None:
        return _admin_failure(f"session_id: there is no session {command.session_id}", "not_found")
    status, cool_s = command.status, command.cool_s
    if status in (SessionStatus.COOLING, SessionStatus.SUSPECT):
        return _admin_failure(
            f"status: {status} is not set by hand; expected cool_s, or another status"
        )
    if cool_s is not None and not 0 <= cool_s <= COOL_S_MAX:
        return _admin_failure(f"cool_s: expected 0 to {COOL_S_MAX:.0f} seconds")
    if command.limits is not None and too_great(command.limits.values()):
        return _admin_failure(_LIMITS)
    retired = session.status is SessionStatus.RETIRED
    if retired and status not in (SessionStatus.ACTIVE, SessionStatus.RETIRED):
        return _admin_failure("the session is retired: make it active first")
    events: list[PoolEvent] = []
    by = command.by or _OPERATOR
    _change_status(state, events, session, command, by, now)
    if cool_s is not None:
        cooled = SessionCooled(
            session_id=session.session_id,
            until=now + timedelta(seconds=cool_s),
            reason=command.reason or _OPERATOR,
            by=by,
        )
        emit(state, events, cooled, now)
    if command.used_up:
        _close_day(state, events, session, by, now)
    return Decision(events, Done(changed=[str(session.session_id)] if events else []))


def _close_day(
    state: Pool, events: list[PoolEvent], session: Session, by: str, now: datetime
) -> None:
    """Believe the upstream's own count: nothing is left of any service type on this quota day.

    Open leases end as ever.
    """
    day = state.index_at(now).zone_of(session).day
    for service_type in state.policy.daily_limits:
        account = session.days.get(day, {}).get(service_type)
        if state.daily_limit(session, service_type) > 0 and not (account and account.closed):
            observed = QuotaObserved(
                session_id=session.session_id, service_type=service_type, quota_day=day, by=by
            )
            emit(state, events, observed, now)


def _change_status(
    state: Pool,
    events: list[PoolEvent],
    session: Session,
    command: ChangeSession,
    by: str,
    now: datetime,
) -> None:
    """Retire, revive or change the session, as far as it is not so already."""
    session_id, status, limits = session.session_id, command.status, command.limits
    if status is SessionStatus.RETIRED:
        if session.status is not SessionStatus.RETIRED:
            reason = command.reason or _OPERATOR
            emit(state, events, SessionRetired(session_id=session_id, reason=reason, by=by), now)
        status = None
    elif session.status is SessionStatus.RETIRED:
        emit(state, events, SessionRevived(session_id=session_id, by=by), now)
        status = None
    if limits == session.limits:
        limits = None
    if status is not None or limits is not None:
        changed = SessionChanged(
            session_id=session_id, status=status, limits=limits, reason=command.reason, by=by
        )
        emit(state, events, changed, now)


def _reconcile_lease(state: Pool, command: ReconcileLease, now: datetime) -> Decision:
    """Settle a lease of uncertain end by an operator's word; said twice, it changes nothing."""
    lease = state.leases.get(command.lease_id)
    if lease is None:
        return _admin_failure(f"lease_id: there is no lease {command.lease_id}", "not_found")
    if lease.reconciled and lease.charged == command.units:
        return Decision([], Done())
    objection = _reconcile_objection(state, lease, command, now)
    if objection:
        return _admin_failure(objection)
    events: list[PoolEvent] = []
    reconciled = LeaseReconciled(
        lease_id=lease.lease_id,
        session_id=lease.session.session_id,
        units=command.units,
        reason=command.reason,
        by=command.by or _OPERATOR,
    )
    emit(state, events, reconciled, now)
    return Decision(events, Done(changed=[str(lease.lease_id)]))


def _reconcile_objection(
    state: Pool, lease: Lease, command: ReconcileLease, now: datetime
) -> str | None:
    """Say why the lease cannot be settled so, or not yet; None when it can."""
    if lease.lease_id not in state.uncertain:
        settled = "reconciled" if lease.reconciled else lease.state
        return f"lease_id: the lease is {settled}; expected unknown or expired"
    if not command.reason:
        return "reason: expected why the lease is settled so"
    if command.units > lease.units:
        return f"units: expected at most the {lease.units} that were reserved"
    after = state.policy.reconcile_after_s
    if (now - lease.expires_at).total_seconds() < after:
        return f"lease_id: not before {after:.0f} s past the lease's deadline {lease.expires_at}"
    return None

"""What operators, provisioners and the configuration file may change."""

from datetime import datetime, timedelta

from contracts.base import NUMBER_MAX, Failed, FailedCode, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    ChangeSession,
    Done,
    DropWaits,
    LeaseReconciled,
    Policy,
    PolicyChanged,
    PoolAdmin,
    PoolEvent,
    ReconcileLease,
    RecordCheck,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionLabelled,
    SessionRetired,
    SessionRevived,
    SessionStatus,
)
from runtime.texts import as_quoted, label_objection
from services.pool.domain.decide.blame import close_day
from services.pool.domain.decide.bounds import too_great
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.decide.keeping.checks import decide_check
from services.pool.domain.decide.waiting.ending import drop_waits
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
    draft = Draft(state, now)
    state.drop_due(now)
    if isinstance(command, AddSessions):
        return _add_sessions(draft, command, origin)
    if isinstance(command, ChangeSession):
        return change_session(draft, command)
    if isinstance(command, DropWaits):
        dropped = drop_waits(draft, command)
        return Decision(draft.events, Done(changed=[str(name) for name in dropped]))
    if isinstance(command, RecordCheck):
        return decide_check(draft, command)
    return _reconcile_lease(draft, command)


def decide_policy(
    state: Pool, policy: Policy, source: str, by: str, now: datetime
) -> list[PoolEvent]:
    """Put `policy` in force, unless it comes from the source that the last one came from."""
    draft = Draft(state, now)
    if source != state.policy_source:
        draft.emit(PolicyChanged(policy=policy, source=source, by=by))
    return draft.events


def _admin_failure(message: str, code: FailedCode = "bad_request") -> Decision:
    return Decision([], Failed(code=code, message=message))


def _add_sessions(draft: Draft, command: AddSessions, origin: str) -> Decision:
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
        objection = label_objection(item.label)
        if objection:
            return _admin_failure(objection)
    for item in command.items:
        _add_session(draft, item, command.by, origin)
        if item.label:
            _label_session(draft, item.session_id, item.label, command.by)
    changed = [
        str(event.session_id)
        for event in draft.events
        if isinstance(event, SessionAdded | SessionRevived)
    ]
    revived = [str(event.session_id) for event in draft.events if isinstance(event, SessionRevived)]
    labelled = [
        str(event.session_id)
        for event in draft.events
        if isinstance(event, SessionLabelled) and event.session_id not in changed
    ]
    return Decision(draft.events, Done(changed=changed, revived=revived, labelled=labelled))


def _add_session(draft: Draft, item: AddSession, by: str, origin: str) -> None:
    """Add or revive one session; one that is there only gets its new ciphertext, elsewhere."""
    session = draft.pool.sessions.get(item.session_id)
    if session is None:
        added = SessionAdded(
            session_id=item.session_id,
            region=item.region,
            limits=item.limits,
            quota_timezone=item.quota_timezone,
            origin=origin,
            by=by,
        )
        draft.emit(added)
        return
    if session.status is not SessionStatus.RETIRED:
        return
    draft.emit(SessionRevived(session_id=item.session_id, origin=origin, by=by))
    # A revival keeps the limits that the session had.
    if item.limits and item.limits != session.limits:
        limits = SessionChanged(session_id=item.session_id, limits=item.limits, by=by)
        draft.emit(limits)


def _label_session(draft: Draft, session_id: SessionId, label: str, by: str) -> None:
    """Call a session so, unless it is called so already."""
    if draft.pool.labels.get(session_id, "") != label:
        draft.emit(SessionLabelled(session_id=session_id, label=label, by=by))


def change_session(draft: Draft, command: ChangeSession) -> Decision:
    """Change what the command names of a session, or say what was wrong with it."""
    session = draft.pool.sessions.get(command.session_id)
    if session is None:
        return _admin_failure(f"session_id: there is no session {command.session_id}", "not_found")
    objection = change_objection(command)
    if objection:
        return _admin_failure(objection)
    status, cool_s = command.status, command.cool_s
    if session.status is SessionStatus.RETIRED and status is not SessionStatus.RETIRED:
        return _admin_failure(
            "the session is retired, and its credential with it: add its credential again"
        )
    by = command.by or _OPERATOR
    _change_status(draft, session, command, by)
    if cool_s is not None:
        cooled = SessionCooled(
            session_id=session.session_id,
            until=draft.now + timedelta(seconds=cool_s),
            reason=command.reason or _OPERATOR,
            by=by,
        )
        draft.emit(cooled)
    if command.label is not None:
        _label_session(draft, session.session_id, command.label, by)
    if command.used_up:
        _close_day_of_all(draft, session, by)
    changed = [str(session.session_id)] if draft.events else []
    return Decision(draft.events, Done(changed=changed))


def change_objection(command: ChangeSession) -> str | None:
    """Say what is wrong with a change whatever its session is like; None when nothing is."""
    status, cool_s = command.status, command.cool_s
    if status in (SessionStatus.COOLING, SessionStatus.SUSPECT):
        return f"status: {status} is not set by hand; expected cool_s, or another status"
    if cool_s is not None and not 0 <= cool_s <= COOL_S_MAX:
        return f"cool_s: expected 0 to {COOL_S_MAX:.0f} seconds"
    if command.limits is not None and too_great(command.limits.values()):
        return _LIMITS
    return label_objection(command.label or "")


def _close_day_of_all(draft: Draft, session: Session, by: str) -> None:
    """Nothing is left of any service type on this quota day."""
    pool = draft.pool
    day = pool.index_at(draft.now).zone_of(session).day
    for service_type in pool.policy.daily_limits:
        if pool.daily_limit(session, service_type) > 0:
            account = session.days.get(day, {}).get(service_type)
            close_day(draft, session, service_type, day, account, by=by)


def _change_status(draft: Draft, session: Session, command: ChangeSession, by: str) -> None:
    """Retire or change the session, as far as it is not so already."""
    session_id, status, limits = session.session_id, command.status, command.limits
    if status is SessionStatus.RETIRED:
        if session.status is not SessionStatus.RETIRED:
            reason = command.reason or _OPERATOR
            draft.emit(SessionRetired(session_id=session_id, reason=reason, by=by))
        status = None
    # What is so already is no event: said twice, a command changes nothing.
    if limits == session.limits:
        limits = None
    if status is not None or limits is not None:
        changed = SessionChanged(
            session_id=session_id, status=status, limits=limits, reason=command.reason, by=by
        )
        draft.emit(changed)


def _reconcile_lease(draft: Draft, command: ReconcileLease) -> Decision:
    """Settle a lease of uncertain end by an operator's word; said twice, it changes nothing."""
    lease = draft.pool.leases.get(command.lease_id)
    if lease is None:
        mark = draft.pool.ended.end_of(command.lease_id)
        if mark is not None:
            return _admin_failure(_certain_objection(mark.outcome))
        return _admin_failure(f"lease_id: there is no lease {command.lease_id}", "not_found")
    if lease.reconciled and lease.charged == command.units:
        return Decision([], Done())
    objection = _reconcile_objection(draft, lease, command)
    if objection:
        return _admin_failure(objection)
    reconciled = LeaseReconciled(
        lease_id=lease.lease_id,
        session_id=lease.session.session_id,
        units=command.units,
        reason=command.reason,
        by=command.by or _OPERATOR,
    )
    draft.emit(reconciled)
    return Decision(draft.events, Done(changed=[str(lease.lease_id)]))


def _certain_objection(end: str | None) -> str:
    """Word that there is nothing to reconcile."""
    return f"lease_id: the lease is {end}; expected unknown or expired"


def _reconcile_objection(draft: Draft, lease: Lease, command: ReconcileLease) -> str | None:
    """Say why the lease cannot be settled so, or not yet; None when it can."""
    if lease.lease_id not in draft.pool.uncertain:
        return _certain_objection("reconciled" if lease.reconciled else lease.state)
    if not command.reason:
        return "reason: expected why the lease is settled so"
    if command.units > lease.units:
        return f"units: expected at most the {lease.units} that were reserved"
    # A late usage would be the better witness, and may yet come.
    after = draft.pool.policy.reconcile_after_s
    if (draft.now - lease.expires_at).total_seconds() < after:
        return f"lease_id: not before {after:.0f} s past the lease's deadline {lease.expires_at}"
    return None

"""What operators, provisioners and the configuration file may change."""

from datetime import datetime, timedelta

from contracts.base import NUMBER_MAX, Failed, FailedCode, SessionId
from contracts.pool import (
    AccountChanged,
    AddSession,
    AddSessions,
    ChangeSession,
    Done,
    DropWaits,
    LeaseReconciled,
    Policy,
    PolicyChanged,
    PoolAdmin,
    ReconcileLease,
    RecordCheck,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionJoined,
    SessionLabelled,
    SessionRetired,
    SessionRevived,
    SessionStatus,
)
from runtime.texts import as_quoted, label_objection
from services.pool.domain.decide.accounts.joining import (
    addition_objection,
    join_account,
    joining_objection,
    name_objection,
)
from services.pool.domain.decide.accounts.telling import (
    change_account,
    hour_objection,
    tier_objection,
    tiers_objection,
)
from services.pool.domain.decide.blame import close_day
from services.pool.domain.decide.bounds import too_great
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.decide.keeping.checks import decide_check
from services.pool.domain.decide.keeping.growth import place_objection
from services.pool.domain.decide.waiting.ending import drop_waits
from services.pool.domain.quota import zone_named
from services.pool.domain.records import Lease, Session
from services.pool.domain.state import Pool

COOL_S_MAX = 366 * 86_400.0
_OPERATOR = "operator"
_USED = f"used: expected numbers of at most {NUMBER_MAX:,}"
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


def decide_policy(state: Pool, policy: Policy, source: str, by: str, now: datetime) -> Decision:
    """Put `policy` in force, unless it comes from the source that the last one came from.

    One that lacks a tier which is in use is refused: what is in force stays so.
    """
    draft = Draft(state, now)
    if source != state.policy_source:
        if objection := tiers_objection(state, policy):
            return _admin_failure(objection)
        draft.emit(PolicyChanged(policy=policy, source=source, by=by))
    return Decision(draft.events, Done())


def _admin_failure(message: str, code: FailedCode = "bad_request") -> Decision:
    return Decision([], Failed(code=code, message=message))


def _add_sessions(draft: Draft, command: AddSessions, origin: str) -> Decision:
    """Add the sessions of the command, none when one of them is wrong by itself.

    One that does not fit its account, or has no place, is refused by name; the others are added.
    """
    for item in command.items:
        if not item.session_id:
            return _admin_failure("session_id: expected an id")
        if item.quota_timezone and zone_named(item.quota_timezone) is None:
            return _admin_failure(
                f"quota_timezone: there is no time zone {as_quoted(item.quota_timezone)}"
            )
        if too_great(item.limits.values()):
            return _admin_failure(_LIMITS)
        if too_great(item.used.values()):
            return _admin_failure(_USED)
        objection = (
            label_objection(item.label)
            or name_objection(item.account)
            or hour_objection(item.quota_reset_hour)
        )
        if objection:
            return _admin_failure(objection)
    refused: dict[str, str] = {}
    for item in command.items:
        objection = addition_objection(draft.pool, item) or place_objection(draft.pool, item)
        if objection:
            refused[str(item.session_id)] = objection
            continue
        _add_session(draft, item, command.by, origin)
        if item.label:
            _label_session(draft, item.session_id, item.label, command.by)
    changed = draft.sessions_of(SessionAdded, SessionRevived)
    done = Done(
        changed=changed,
        revived=draft.sessions_of(SessionRevived),
        labelled=draft.sessions_of(SessionLabelled, but=changed),
        joined=draft.sessions_of(SessionJoined, but=changed),
        restated=draft.sessions_of(AccountChanged, but=changed),
        refused=refused,
    )
    return Decision(draft.events, done)


def _add_session(draft: Draft, item: AddSession, by: str, origin: str) -> None:
    """Add or revive one session; one that is there gets its new ciphertext, elsewhere.

    Whichever it is, it joins the account that is named for it.
    """
    pool = draft.pool
    session = pool.sessions.get(item.session_id)
    # What the account is to have is said of it by the first that uses it.
    is_first = session is None and item.account not in pool.accounts
    if session is None:
        account = pool.accounts.get(item.account)
        added = SessionAdded(
            session_id=item.session_id,
            region=item.region,
            limits=item.limits if account is None else account.limits,
            quota_timezone=item.quota_timezone if account is None else account.quota_timezone,
            origin=origin,
            by=by,
        )
        draft.emit(added)
    elif session.status is SessionStatus.RETIRED:
        draft.emit(SessionRevived(session_id=item.session_id, origin=origin, by=by))
        # A revival keeps the limits that the session had.
        if item.limits and item.limits != session.account.limits:
            limits = SessionChanged(session_id=item.session_id, limits=item.limits, by=by)
            draft.emit(limits)
    session = pool.sessions[item.session_id]
    join_account(draft, session, item.account, by)
    hour = item.quota_reset_hour if is_first else None
    change_account(draft, session, by, tier=item.tier or None, reset_hour=hour, used=item.used)


def _label_session(draft: Draft, session_id: SessionId, label: str, by: str) -> None:
    """Call a session so, unless it is called so already."""
    if draft.pool.labels.get(session_id, "") != label:
        draft.emit(SessionLabelled(session_id=session_id, label=label, by=by))


def change_session(draft: Draft, command: ChangeSession) -> Decision:
    """Change what the command names of a session, or say what was wrong with it."""
    session = draft.pool.sessions.get(command.session_id)
    if session is None:
        return _admin_failure(f"session_id: there is no session {command.session_id}", "not_found")
    objection = change_objection(command) or _tier_objection(draft, session, command)
    if objection:
        return _admin_failure(objection)
    if objection := joining_objection(draft.pool, session, command.account):
        return _admin_failure(objection, "conflict")
    cool_s = command.cool_s
    by = command.by or _OPERATOR
    join_account(draft, session, command.account, by)
    _change_status(draft, session, command, by)
    change_account(draft, session, by, tier=command.tier, used={})
    if cool_s is not None:
        cooled = SessionCooled(
            session_id=session.session_id,
            until=draft.now + timedelta(seconds=cool_s),
            # One that cools no more has no reason for it either.
            reason=command.reason or (_OPERATOR if cool_s else ""),
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


def _tier_objection(draft: Draft, session: Session, command: ChangeSession) -> str | None:
    """Say why a session as it is cannot be changed so; None when it can."""
    if session.status is SessionStatus.RETIRED and command.status is not SessionStatus.RETIRED:
        return "the session is retired, and its credential with it: add its credential again"
    return tier_objection(draft.pool.policy, command.tier or "")


def _close_day_of_all(draft: Draft, session: Session, by: str) -> None:
    """Nothing is left of any service type on this quota day."""
    pool = draft.pool
    day = pool.index_at(draft.now).zone_of(session).day
    for service_type in pool.policy.daily_limits:
        if session.account.daily_limit(pool.policy, service_type) > 0:
            tally = session.account.days.get(day, {}).get(service_type)
            close_day(draft, session, service_type, day, tally, by=by)


def _change_status(draft: Draft, session: Session, command: ChangeSession, by: str) -> None:
    """Retire or change the session, as far as it is not so already."""
    session_id, status, limits = session.session_id, command.status, command.limits
    if status is SessionStatus.RETIRED:
        if session.status is not SessionStatus.RETIRED:
            reason = command.reason or _OPERATOR
            draft.emit(SessionRetired(session_id=session_id, reason=reason, by=by))
        status = None
    # What is so already is no event: said twice, a command changes nothing.
    if limits == session.account.limits:
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

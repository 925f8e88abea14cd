"""Events about sessions, and the policy they live under, into state."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from contracts.base import LeaseId, RequestId, ServerId, SessionId
from contracts.pool import (
    AccountChanged,
    CheckRecorded,
    CredentialsRefused,
    PolicyChanged,
    QuotaObserved,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionDoubted,
    SessionJoined,
    SessionLabelled,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionStatus,
    SessionSuspected,
)
from services.pool.domain.evolve.accounts import on_account_changed, on_session_joined
from services.pool.domain.evolve.blame import (
    clear_doubts,
    drop_accusations,
    note_accusation,
    note_standing,
    on_credentials_refused,
    on_session_doubted,
)
from services.pool.domain.evolve.keeping import forget_types, note_check, note_joined
from services.pool.domain.index.choice import SUSPICION
from services.pool.domain.records import Account, Accusation, Session
from services.pool.domain.state import Pool
from services.pool.domain.violations import ViolationKind

RISK_CONTROL = "risk_control"
"""Reason of the cool-downs that grow."""
_SET_BY_HAND = {SessionStatus.ACTIVE, SessionStatus.DRAINING, SessionStatus.DISABLED}


def _on_policy_changed(state: Pool, event: PolicyChanged) -> None:
    state.set_field(state, "policy", event.policy)
    state.set_field(state, "policy_source", event.source)
    forget_types(state, event)
    # Limits, zones and the guard of the reset are built into the index.
    state.set_field(state, "index", None)


def _on_session_added(state: Pool, event: SessionAdded) -> None:
    """Enter a new session; one that is there already is a violation and stays as it is."""
    if event.session_id in state.sessions:
        message = "added, though it was there"
        state.note_violation(ViolationKind.IMPOSSIBLE_CHANGE, event.session_id, message)
        return
    session = Session(
        session_id=event.session_id,
        created_at=state.at,
        account=Account(limits=event.limits, quota_timezone=event.quota_timezone),
        region=event.region,
        origin=event.origin,
    )
    # Rolling back SessionAdded drops the whole index, which cannot forget a session; it is rebuilt
    # on next use.
    state.on_rollback(setattr, state, "index", None)
    state.put_entry(state.sessions, session.session_id, session)
    state.session_ids.append(session.session_id)
    state.on_rollback(state.session_ids.pop)
    _count_status(state, session)
    note_joined(state, event)
    if state.index is None:
        return
    if state.index.is_reordered_by(session):
        state.index = None
    else:
        state.index.add_session(session)


def _on_session_changed(state: Pool, session: Session, event: SessionChanged) -> None:
    if event.status in _SET_BY_HAND:
        state.set_field(session, "status", event.status)
        # Somebody has decided about it: what a server said before counts no longer.
        _drop_suspicion(state, session)
        clear_doubts(state, session)
    elif event.status is not None:
        message = f"{event.status} is not set by a change"
        state.note_violation(ViolationKind.IMPOSSIBLE_CHANGE, session.session_id, message)
    state.set_field(session, "reason", event.reason)
    if event.limits is not None:
        state.set_field(session.account, "limits", event.limits)
        # How much of each type the pool can do has changed, and with it which types are rare.
        state.set_field(state, "index", None)


def _on_session_labelled(state: Pool, session: Session, event: SessionLabelled) -> None:
    if event.label:
        state.put_entry(state.labels, session.session_id, event.label)
    else:
        state.drop_entry(state.labels, session.session_id)


def _on_session_revived(state: Pool, session: Session, event: SessionRevived) -> None:
    state.set_field(session, "status", SessionStatus.ACTIVE)
    state.set_field(session, "origin", event.origin)
    state.set_field(session, "reason", "")
    state.set_field(session, "revived_at", state.at)
    state.set_field(session, "retired_at", None)
    state.set_field(session, "retired_by_pool", False)
    _drop_suspicion(state, session)
    clear_doubts(state, session)
    note_joined(state, event)


def _on_session_retired(state: Pool, session: Session, event: SessionRetired) -> None:
    state.set_field(session, "status", SessionStatus.RETIRED)
    state.set_field(session, "reason", event.reason)
    clear_doubts(state, session)
    drop_accusations(state, session)
    state.set_field(session, "retired_at", state.at)
    state.set_field(session, "retired_by_pool", event.by_pool)


def _on_session_cooled(state: Pool, session: Session, event: SessionCooled) -> None:
    _note_penalty(state, event.request_id, session)
    until = session.cooling_until
    # An operator may shorten a cool-down; the upstream's answers only ever lengthen it.
    if event.by or until is None or event.until > until:
        state.set_field(session, "cooling_until", event.until)
        state.set_field(session, "reason", event.reason)
    if event.reason == RISK_CONTROL:
        state.set_field(session, "risks", session.risks + 1)


def _on_session_suspected(state: Pool, session: Session, event: SessionSuspected) -> None:
    _note_penalty(state, event.request_id, session)
    state.set_field(session, "suspected_at", state.at)
    state.set_field(session, "accuser", event.server_id)
    state.set_field(session, "reason", "login_expired")
    note_accusation(state, session, event.server_id)
    if event.server_id:
        others = recent_accusations(state, event.server_id, session.session_id, state.at)
        recent = (*others, Accusation(session.session_id, state.at))
        state.put_entry(state.accusations, event.server_id, recent)


def recent_accusations(
    state: Pool, server_id: ServerId, session_id: SessionId, at: datetime
) -> list[Accusation]:
    """List the other sessions that `server_id` called invalid so shortly before `at`."""
    return [
        accusation
        for accusation in state.accusations.get(server_id, ())
        if accusation.session_id != session_id and at - accusation.at <= SUSPICION
    ]


def _on_session_recovered(state: Pool, session: Session, event: SessionRecovered) -> None:
    _drop_suspicion(state, session)
    state.set_field(session, "reason", "")
    if event.by:
        # Only an operator ends a cool-down early or enables what was disabled.
        state.set_field(session, "cooling_until", None)
        state.set_field(session, "risks", 0)
        clear_doubts(state, session)
        if session.status is SessionStatus.DISABLED:
            state.set_field(session, "status", SessionStatus.ACTIVE)


def _on_quota_observed(state: Pool, session: Session, event: QuotaObserved) -> None:
    _note_penalty(state, event.request_id, session)
    tally = state.open_tally(session.account, event.quota_day, event.service_type)
    state.set_field(tally, "closed", True)


def _on_session_event(state: Pool, event: Any) -> None:
    """Take an event about one session, and put the session where it stands afterwards."""
    session = state.sessions.get(event.session_id)
    if session is None:
        state.note_violation(ViolationKind.UNKNOWN_SESSION, event.session_id, "no such session")
        return
    if state.index is not None:
        # Registered first: the session is placed again once its fields are as they were.
        state.on_rollback(state.index.place_session, session)
    before = session.lasting_status()
    _ON_SESSION[type(event)](state, session, event)
    if session.lasting_status() is not before:
        assert state.standing[before] > 0
        state.put_entry(state.standing, before, state.standing[before] - 1)
        _count_status(state, session)
    state.place_session(session)


def _count_status(state: Pool, session: Session) -> None:
    standing = session.lasting_status()
    state.put_entry(state.standing, standing, state.standing[standing] + 1)
    note_standing(state)


def _drop_suspicion(state: Pool, session: Session) -> None:
    """Drop the suspicion against a session."""
    state.set_field(session, "suspected_at", None)
    state.set_field(session, "accuser", ServerId(""))
    state.set_field(session, "trial", LeaseId(""))
    drop_accusations(state, session)


def _note_penalty(state: Pool, request_id: RequestId, session: Session) -> None:
    """Remember which session a request cost; a second one is a violation."""
    if not request_id:
        return
    other = state.ended.penalised_session(request_id)
    if other is None:
        state.ended.put_penalty(request_id, session.session_id, state.at)
    elif other != session.session_id:
        message = f"penalised {other} and {session.session_id}"
        state.note_violation(ViolationKind.PENALISED_TWICE, request_id, message)


_ON_SESSION: dict[type, Callable[[Pool, Session, Any], None]] = {
    SessionChanged: _on_session_changed,
    SessionLabelled: _on_session_labelled,
    SessionRevived: _on_session_revived,
    SessionRetired: _on_session_retired,
    SessionCooled: _on_session_cooled,
    SessionDoubted: on_session_doubted,
    SessionJoined: on_session_joined,
    AccountChanged: on_account_changed,
    SessionSuspected: _on_session_suspected,
    SessionRecovered: _on_session_recovered,
    QuotaObserved: _on_quota_observed,
    CheckRecorded: note_check,
}
SESSION_EVENTS: dict[type, Callable[[Pool, Any], None]] = {
    PolicyChanged: _on_policy_changed,
    SessionAdded: _on_session_added,
    CredentialsRefused: on_credentials_refused,
    **dict.fromkeys(_ON_SESSION, _on_session_event),
}

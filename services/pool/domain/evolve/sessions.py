"""Events about sessions, and the policy they live under, into state."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from contracts.base import LeaseId, RequestId, ServerId, SessionId
from contracts.pool import (
    PolicyChanged,
    QuotaObserved,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionStatus,
    SessionSuspected,
)
from services.pool.domain.index.choice import SUSPICION
from services.pool.domain.records import Accusation, Session
from services.pool.domain.state import Pool
from services.pool.domain.violations import Wrong

RISK_CONTROL = "risk_control"
"""Reason of the cool-downs that grow."""
_SOMEBODYS = {SessionStatus.ACTIVE, SessionStatus.DRAINING, SessionStatus.DISABLED}


def _policy_changed(state: Pool, event: PolicyChanged) -> None:
    state.change(state, "policy", event.policy)
    state.change(state, "policy_source", event.source)
    state.change(state, "index", None)


def _added(state: Pool, event: SessionAdded) -> None:
    if event.session_id in state.sessions:
        message = "added, though it was there"
        state.wrong(Wrong.IMPOSSIBLE_CHANGE, event.session_id, message)
        return
    session = Session(
        session_id=event.session_id,
        created_at=state.at,
        region=event.region,
        limits=event.limits,
        quota_timezone=event.quota_timezone,
        origin=event.origin,
    )
    # Taking a session back leaves nothing of it on any shelf: there are no shelves then.
    state.undo.append((setattr, state, "index", None))
    state.put(state.sessions, session.session_id, session)
    _count(state, session)
    if state.index is not None and not state.index.admit(session):
        state.index = None


def _changed(state: Pool, session: Session, event: SessionChanged) -> None:
    if event.status in _SOMEBODYS:
        state.change(session, "status", event.status)
        _trust(state, session)
    elif event.status is not None:
        message = f"{event.status} is not set by a change"
        state.wrong(Wrong.IMPOSSIBLE_CHANGE, session.session_id, message)
    state.change(session, "reason", event.reason)
    if event.limits is not None:
        state.change(session, "limits", event.limits)
        state.change(state, "index", None)


def _revived(state: Pool, session: Session, event: SessionRevived) -> None:
    state.change(session, "status", SessionStatus.ACTIVE)
    state.change(session, "origin", event.origin)
    state.change(session, "reason", "")
    _trust(state, session)


def _retired(state: Pool, session: Session, event: SessionRetired) -> None:
    state.change(session, "status", SessionStatus.RETIRED)
    state.change(session, "reason", event.reason)


def _cooled(state: Pool, session: Session, event: SessionCooled) -> None:
    _penalise(state, event.request_id, session)
    until = session.cooling_until
    if event.by or until is None or event.until > until:
        state.change(session, "cooling_until", event.until)
        state.change(session, "reason", event.reason)
    if event.reason == RISK_CONTROL:
        state.change(session, "risks", session.risks + 1)


def _suspected(state: Pool, session: Session, event: SessionSuspected) -> None:
    _penalise(state, event.request_id, session)
    state.change(session, "suspected_at", state.at)
    state.change(session, "accuser", event.server_id)
    state.change(session, "reason", "login_expired")
    if event.server_id:
        others = accusers(state, event.server_id, session.session_id, state.at)
        recent = (*others, Accusation(session.session_id, state.at))
        state.put(state.accusations, event.server_id, recent)


def accusers(
    state: Pool, server_id: ServerId, session_id: SessionId, at: datetime
) -> list[Accusation]:
    """List the other sessions that `server_id` called invalid so shortly before `at`."""
    return [
        accusation
        for accusation in state.accusations.get(server_id, ())
        if accusation.session_id != session_id and at - accusation.at <= SUSPICION
    ]


def _recovered(state: Pool, session: Session, event: SessionRecovered) -> None:
    _trust(state, session)
    state.change(session, "reason", "")
    if event.by:
        # Only an operator ends a cool-down early or enables what was disabled.
        state.change(session, "cooling_until", None)
        state.change(session, "risks", 0)
        if session.status is SessionStatus.DISABLED:
            state.change(session, "status", SessionStatus.ACTIVE)


def _observed(state: Pool, session: Session, event: QuotaObserved) -> None:
    _penalise(state, event.request_id, session)
    account = state.account(session, event.quota_day, event.service_type)
    state.change(account, "closed", True)


def _on_session(state: Pool, event: Any) -> None:
    """Take an event about one session, and put the session where it stands afterwards."""
    session = state.sessions.get(event.session_id)
    if session is None:
        state.wrong(Wrong.UNKNOWN_SESSION, event.session_id, "no such session")
        return
    if state.index is not None:
        # Undone last, when the fields are restored.
        state.undo.append((state.index.place, session))
    before = session.standing()
    _ON_SESSION[type(event)](state, session, event)
    if session.standing() is not before:
        state.put(state.standing, before, state.standing[before] - 1)
        _count(state, session)
    state.replaced(session)


def _count(state: Pool, session: Session) -> None:
    standing = session.standing()
    state.put(state.standing, standing, state.standing[standing] + 1)


def _trust(state: Pool, session: Session) -> None:
    """Drop the suspicion against a session."""
    state.change(session, "suspected_at", None)
    state.change(session, "accuser", ServerId(""))
    state.change(session, "trial", LeaseId(""))


def _penalise(state: Pool, request_id: RequestId, session: Session) -> None:
    """Remember which session a request cost; a second one is a violation."""
    if not request_id:
        return
    other = state.penalised.get(request_id)
    if other is None:
        state.put(state.penalised, request_id, session.session_id)
        state.leaves_later(state.penalised, request_id)
    elif other != session.session_id:
        message = f"penalised {other} and {session.session_id}"
        state.wrong(Wrong.PENALISED_TWICE, request_id, message)


_ON_SESSION: dict[type, Callable[[Pool, Session, Any], None]] = {
    SessionChanged: _changed,
    SessionRevived: _revived,
    SessionRetired: _retired,
    SessionCooled: _cooled,
    SessionSuspected: _suspected,
    SessionRecovered: _recovered,
    QuotaObserved: _observed,
}
SESSION_EVENTS: dict[type, Callable[[Pool, Any], None]] = {
    PolicyChanged: _policy_changed,
    SessionAdded: _added,
    **dict.fromkeys(_ON_SESSION, _on_session),
}

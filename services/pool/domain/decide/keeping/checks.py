"""Accounts asked after: which session is due, and what a check's word does to it.

Calls tell more than checks do and cost nothing beside, so only a session is due that had neither a
success nor a check within `health_check_interval`, and is not at work. A check may suspect a
session or clear it; it disables none and closes no quota: that is for calls, and for operators.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec.structs import replace

from contracts.base import Failed, RequestId
from contracts.pool import (
    CheckRecorded,
    Done,
    RecordCheck,
    SessionRecovered,
    SessionStatus,
    SessionSuspected,
)
from services.pool.domain.decide.blame import blame_servers, tell_refused_logins
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.quota import policy_span
from services.pool.domain.records import Session
from services.pool.domain.state import Pool

ALIVE, DEAD = "alive", "dead"
_MESSAGE_MAX = 500
_ASKED_MAX = 10
_CHECKED = (SessionStatus.ACTIVE, SessionStatus.SUSPECT)
_SUSPECTABLE = (SessionStatus.ACTIVE, SessionStatus.DRAINING)
_NEVER = datetime.min.replace(tzinfo=UTC)


def session_to_check(state: Pool, among: Iterable[Session], now: datetime) -> Session | None:
    """Find the one of these that is due and was heard of longest ago; None: none is due."""
    interval = policy_span(state.policy.check_interval_s)
    due = [
        session
        for session in among
        if session.lasting_status() in _CHECKED
        and not session.open_leases
        and now - _heard_at(session) >= interval
    ]
    return min(due, key=_heard_at, default=None)


def decide_check(draft: Draft, command: RecordCheck) -> Decision:
    """Journal what a check showed, with what comes of it; or say what was wrong with it."""
    recorded = command.recorded
    session = draft.pool.sessions.get(recorded.session_id)
    if session is None:
        message = f"session_id: there is no session {recorded.session_id}"
        return Decision([], Failed(code="not_found", message=message))
    draft.emit(
        replace(
            recorded,
            asked=recorded.asked[:_ASKED_MAX],
            message=recorded.message[:_MESSAGE_MAX],
        )
    )
    if recorded.judged == DEAD and session.lasting_status() in _SUSPECTABLE:
        _suspect_session(draft, session, recorded)
    elif recorded.judged == ALIVE and session.lasting_status() is SessionStatus.SUSPECT:
        draft.emit(SessionRecovered(session_id=session.session_id, reason="check_succeeded"))
    return Decision(draft.events, Done(changed=[str(session.session_id)]))


def _heard_at(session: Session) -> datetime:
    """Tell when a success or a check told something of a session last."""
    instants = (session.succeeded_at, session.checked_at)
    return max((instant for instant in instants if instant is not None), default=_NEVER)


def _suspect_session(draft: Draft, session: Session, recorded: CheckRecorded) -> None:
    """Suspect the session; or the server, where another one served whom it accused."""
    session_id, server_id = session.session_id, recorded.server_id
    draft.emit(
        SessionSuspected(session_id=session_id, server_id=server_id, request_id=RequestId(""))
    )
    blame_servers(draft)
    tell_refused_logins(draft, RequestId(""))

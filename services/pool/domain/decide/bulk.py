"""One change of all sessions that fit: which these are is decided with it."""

from datetime import datetime
from typing import NamedTuple

from contracts.base import Failed, SessionId
from contracts.pool import ChangeSession, ChangeSessions, Done, SessionsChanged, SessionStatus
from services.pool.domain.decide.admin import change_objection, change_session
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.listing import session_test
from services.pool.domain.records import Session
from services.pool.domain.state import Pool

BULK_MAX = 50
"""Sessions that one decision looks at, so that what it brings fits into an envelope."""
_REASON_MAX = 500


class BulkChange(NamedTuple):
    """A stretch of a command: the sessions at `BULK_MAX` places, from the first one on."""

    command: ChangeSessions
    start: int


def decide_bulk(state: Pool, stretch: BulkChange, now: datetime) -> Decision:
    """Change those of a stretch that fit and are not so already; or say what is wrong with it."""
    command, start = stretch
    draft = Draft(state, now)
    state.drop_due(now)
    objection = _bulk_objection(command)
    if objection:
        return Decision([], Failed(code="bad_request", message=objection))
    fits = session_test(state, command.wanted, now)
    fitting = changed = 0
    for session_id in state.session_ids[start : start + BULK_MAX]:
        session = state.sessions[session_id]
        if session.status is SessionStatus.RETIRED or not fits(session):
            continue
        fitting += 1
        if _is_so_already(draft, session, command):
            continue
        changed += 1
        if not command.dry_run:
            done = change_session(draft, _one_change(command, session_id))
            assert isinstance(done.answer, Done), done.answer
    end = start + BULK_MAX
    behind = end if end < len(state.session_ids) else None
    answer = SessionsChanged(fitting=fitting, changed=changed, next=behind)
    return Decision(draft.events, answer)


def _bulk_objection(command: ChangeSessions) -> str | None:
    if len(command.reason) > _REASON_MAX:
        return f"reason: expected at most {_REASON_MAX} characters"
    return change_objection(_one_change(command, SessionId("")))


def _one_change(command: ChangeSessions, session_id: SessionId) -> ChangeSession:
    return ChangeSession(
        session_id=session_id,
        status=command.status,
        cool_s=command.cool_s,
        label=command.label,
        reason=command.reason,
        by=command.by,
    )


def _is_so_already(draft: Draft, session: Session, command: ChangeSessions) -> bool:
    """Whether nothing would be otherwise: then it is no event."""
    now = draft.now
    if command.status is not None and (
        session.lasting_status() is not command.status or session.doubts
    ):
        return False
    is_cooling = session.cooling_until is not None and session.cooling_until > now
    if command.cool_s is not None and (command.cool_s > 0 or is_cooling):
        return False
    own = draft.pool.labels.get(session.session_id, "")
    return command.label is None or command.label == own

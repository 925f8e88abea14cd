"""Which ciphertexts are to go, and when: a leader's memory of one term.

A ciphertext is stored before its session is added, so that a session of the log always has one, and
outlives its removal for a while: a lease may yet be sent. What is due is looked at again before it
goes, for a command to add the session may be on its way.
"""

from collections.abc import Iterable

from contracts.base import SessionId
from contracts.pool import PoolEvent, SessionAdded, SessionRetired, SessionRevived, SessionStatus
from services.pool.domain.state import Pool

SHREDDED_AFTER_S = 30.0


def has_session(state: Pool, session_id: SessionId) -> bool:
    """Whether there is such a session, and it was not removed."""
    session = state.sessions.get(session_id)
    return session is not None and session.status is not SessionStatus.RETIRED


class DueShreds:
    """Sessions whose ciphertext is to go, and when, in order; moments are monotonic seconds."""

    __slots__ = ("_due",)

    def __init__(self, removed: Iterable[SessionId], now_s: float) -> None:
        """Know of those that were removed in terms before."""
        self._due: dict[SessionId, float] = {}
        for session_id in removed:
            self._expect(session_id, now_s)

    def expect_unadded(self, stored: Iterable[SessionId], state: Pool, now_s: float) -> None:
        """Know what was stored for sessions that are to be added, and may be refused."""
        for session_id in stored:
            if not has_session(state, session_id):
                self._expect(session_id, now_s)

    def note_journalled(self, events: Iterable[PoolEvent], now_s: float) -> None:
        """Know who was removed, and who was added or came back, by what is in the log now."""
        for event in events:
            if type(event) is SessionRetired:
                self._expect(event.session_id, now_s)
            elif type(event) is SessionAdded or type(event) is SessionRevived:
                self.forget(event.session_id)

    def _expect(self, session_id: SessionId, now_s: float) -> None:
        self.forget(session_id)
        self._due[session_id] = now_s + SHREDDED_AFTER_S

    def forget(self, session_id: SessionId) -> None:
        """Leave one as it is, or know that it is gone."""
        self._due.pop(session_id, None)

    def is_due(self, session_id: SessionId, now_s: float) -> bool:
        """Whether one may go now."""
        due = self._due.get(session_id)
        return due is not None and due <= now_s

    def due(self, now_s: float) -> list[SessionId]:
        """Name those that may go now."""
        return [session_id for session_id, due in self._due.items() if due <= now_s]

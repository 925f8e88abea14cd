"""Which ciphertexts are to go, and when: a leader's memory of one term.

A ciphertext is stored before its session is added, so that a session of the log always has one, and
outlives its removal for a while: a lease may yet be sent. What is due is looked at again before it
goes, for a command to add the session may be on its way.
"""

from collections.abc import Iterable

from contracts.base import SessionId
from contracts.pool import PoolEvent, SessionAdded, SessionRetired, SessionRevived

SHREDDED_AFTER_S = 30.0


class DueShreds:
    """Sessions whose ciphertext is to go, and when, in order; moments are monotonic seconds."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        """Nothing is to go."""
        self._due: dict[SessionId, float] = {}

    def expect(self, unheld: Iterable[SessionId], now_s: float) -> None:
        """Know whose ciphertext is stored and has no session: removed, or to be added by now."""
        for session_id in unheld:
            self.forget(session_id)
            self._due[session_id] = now_s + SHREDDED_AFTER_S

    def note_journalled(self, events: Iterable[PoolEvent], now_s: float) -> None:
        """Know who was removed, and who was added or came back, by what is in the log now."""
        for event in events:
            if type(event) is SessionRetired:
                self.expect([event.session_id], now_s)
            elif type(event) is SessionAdded or type(event) is SessionRevived:
                self.forget(event.session_id)

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

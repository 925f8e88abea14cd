"""What calls have shown, kept for as long as something may be compared with it (ADR 37).

Who is to blame for a failure, nobody can tell from the failure. So the fold remembers what went
well elsewhere, and how many failed in the same place; it is bounded by the keys and sessions
there are. All of it follows from the events alone.
"""

from datetime import datetime, timedelta

import msgspec

from contracts.base import KeyId, SessionId

COMPARED_FOR = timedelta(minutes=10)
"""How long what went well, or failed, is compared with what fails."""
NOTED_EVERY = timedelta(seconds=10)
"""How often a key's successes are noted once two sessions are known that it succeeded with."""
KEYS_KEPT = 10_000


class KeySuccess(msgspec.Struct, frozen=True):
    """The last two sessions with which a key's calls succeeded, as they are noted."""

    session_id: SessionId
    at: datetime
    other_id: SessionId = SessionId("")
    other_at: datetime | None = None


class Evidence:
    """What speaks for keys and sessions, and against them."""

    __slots__ = ("doubted", "successes")

    def __init__(self) -> None:
        """Know of nothing."""
        self.successes: dict[KeyId, KeySuccess] = {}
        self.doubted: dict[SessionId, None] = {}
        """The sessions with failures that speak against them."""

    def success_elsewhere(
        self, key_id: KeyId, session_id: SessionId, now: datetime
    ) -> SessionId | None:
        """Find another session with which this key succeeded lately."""
        noted = self.successes.get(key_id)
        if noted is None:
            return None
        if noted.session_id != session_id and now - noted.at <= COMPARED_FOR:
            return noted.session_id
        if noted.other_at is None or noted.other_id == session_id:
            return None
        return noted.other_id if now - noted.other_at <= COMPARED_FOR else None

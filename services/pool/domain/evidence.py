"""What calls have shown, kept for as long as something may be compared with it (ADR 37).

Who is to blame for a failure, nobody can tell from the failure. So the fold remembers what went
well elsewhere, and how many failed in the same place; it is bounded by the keys and sessions
there are. All of it follows from the events alone.
"""

from datetime import datetime, timedelta

import msgspec

from contracts.base import KeyId, ServerId, SessionId

COMPARED_FOR = timedelta(minutes=10)
"""How long what went well, or failed, is compared with what fails."""
NOTED_EVERY = timedelta(seconds=10)
"""How often a key's successes are noted once two sessions are known that it succeeded with."""
KEYS_KEPT, SERVERS_KEPT = 10_000, 1000


class KeySuccess(msgspec.Struct, frozen=True):
    """The last two sessions with which a key's calls succeeded, as they are noted."""

    session_id: SessionId
    at: datetime
    other_id: SessionId = SessionId("")
    other_at: datetime | None = None


class Charge(msgspec.Struct, frozen=True):
    """Sessions, one soon after the other, whose logins one server called expired, and no other."""

    first_at: datetime
    last_at: datetime
    first_id: SessionId
    several: bool = False
    """Whether they are more than the first."""


class Evidence:
    """What speaks for keys, sessions and servers, and against them."""

    __slots__ = (
        "accused",
        "charges",
        "doubted",
        "refused_at",
        "served_at",
        "successes",
        "suspects",
        "tried_at",
    )

    def __init__(self) -> None:
        """Know of nothing."""
        self.successes: dict[KeyId, KeySuccess] = {}
        self.doubted: dict[SessionId, None] = {}
        """The sessions with failures that speak against them."""
        self.accused: dict[SessionId, None] = {}
        """The sessions whose logins servers call expired."""
        self.charges: dict[ServerId, Charge] = {}
        """Against servers; what one serves ends its own."""
        self.suspects: dict[ServerId, dict[SessionId, None]] = {}
        """Those on whose logins alone each charge rests, and who are suspect still."""
        self.served_at: dict[ServerId, datetime] = {}
        """When each server served last, as far as that was while a session was accused."""
        self.refused_at: datetime | None = None
        """Since when no login is believed."""
        self.tried_at: datetime | None = None
        """When a suspect was tried last."""

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

    def refuted_servers(self) -> list[ServerId]:
        """List the servers that refused several logins while another one served.

        No charge is older than `COMPARED_FOR`: the fold sees to it.
        """
        return [
            server_id
            for server_id, charge in self.charges.items()
            if charge.several
            and server_id in self.suspects
            and self.served_elsewhere(server_id, charge.first_at)
        ]

    def served_elsewhere(self, server_id: ServerId, since: datetime) -> bool:
        """Tell whether another server has served since then."""
        return any(at >= since for other, at in self.served_at.items() if other != server_id)

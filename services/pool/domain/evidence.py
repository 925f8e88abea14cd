"""What calls have shown, kept for as long as something may be compared with it (ADR 37).

Who is to blame for a failure, nobody can tell from the failure. So the fold remembers what went
well elsewhere, and how many failed in the same place; it is bounded by the keys and sessions
there are. Only like is compared with like: calls of one service type at one server, for what a
backend lacks says nothing of an account. All of it follows from the events alone.
"""

from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from contracts.base import KeyId, ServerId, ServiceType, SessionId
from contracts.pool import UsageRecorded

COMPARED_FOR = timedelta(minutes=10)
"""How long what went well, or failed, is compared with what fails."""
NOTED_EVERY = timedelta(seconds=10)
"""How often a key's successes are noted once two sessions are known that it succeeded with."""
KEYS_KEPT, SERVERS_KEPT = 10_000, 1000
"""Keys are counted at every server, and for every service type."""


class KeyPlace(msgspec.Struct, frozen=True):
    """Where a key's calls may be compared with each other."""

    key_id: KeyId
    service_type: ServiceType
    server_id: ServerId

    @property
    def name(self) -> str:
        """The same as one word: a key of maps that JSON has, too."""
        return f"{self.key_id}\n{self.service_type}\n{self.server_id}"

    @property
    def of_all_keys(self) -> "KeyPlace":
        """The same for whichever key: what succeeded here shows what is served."""
        return KeyPlace(KeyId(""), self.service_type, self.server_id)


@lru_cache(4096)
def place_names(key_id: KeyId, service_type: ServiceType, server_id: ServerId) -> tuple[str, str]:
    """Name a key's place, and the same for whichever key: every request asks for both."""
    place = KeyPlace(key_id, service_type, server_id)
    return place.name, place.of_all_keys.name


def place_of(usage: UsageRecorded) -> KeyPlace | None:
    """Tell where a call was answered; None where it cannot be compared with any other."""
    if not usage.key_id or not usage.attempts:
        return None
    return KeyPlace(usage.key_id, usage.service_type, usage.attempts[-1].server_id)


class KeySuccess(msgspec.Struct, frozen=True):
    """The last two sessions with which a key's calls succeeded in one place, as they are noted."""

    session_id: SessionId
    at: datetime
    path: str
    other_id: SessionId = SessionId("")
    other_at: datetime | None = None
    other_path: str = ""


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
        self.successes: dict[str, KeySuccess] = {}
        """By the names of places."""
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

    def successes_beside(
        self, place: KeyPlace, session_id: SessionId, now: datetime, path: str | None = None
    ) -> list[SessionId]:
        """List the other sessions with which this key succeeded here lately, the last one first.

        With a `path`, on that one.
        """
        noted = self.successes.get(place.name)
        if noted is None:
            return []
        last = (noted.session_id, noted.at, noted.path)
        other = (noted.other_id, noted.other_at, noted.other_path)
        return [
            name
            for name, at, on_path in (last, other)
            if name != session_id
            and at is not None
            and now - at <= COMPARED_FOR
            and path in {None, on_path}
        ]

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

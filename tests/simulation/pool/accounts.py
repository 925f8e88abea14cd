"""The oracle's accounts: whose units a session uses, how many those are, and what is gone of them.

Shares no code with the pool, and counts otherwise: units stay with the session that did them, and
an account has the sum of its sessions. Each is called here by the session that was the first to
join it, so a joining moves nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Place = tuple[str, str, str]
"""A session, a service type and a quota day."""
_LIMITING = frozenset({"policy_changed", "session_added", "session_changed", "account_changed"})


class Accounts:
    """Every account of one log, by what was journalled of its sessions."""

    def __init__(self, wrong: Callable[[str], None]) -> None:
        """`wrong` notes a finding."""
        self._wrong = wrong
        self._policy: dict[str, Any] = {}
        self._first: dict[str, str] = {}
        """By session: who was the first to use its account."""
        self._members: dict[str, list[str]] = {}
        self._named: dict[str, str] = {}
        """By the name of an account: the same."""
        self._limits: dict[str, dict[str, int]] = {}
        self._tiers: dict[str, str] = {}
        self._zones: dict[str, str] = {}
        self._hours: dict[str, int] = {}
        self._taken: Counter[Place] = Counter()
        """Used or reserved."""
        self._reserved: Counter[Place] = Counter()
        self._closed: set[Place] = set()
        self._limits_max: dict[tuple[str, str], int] = {}
        """The highest limit that an account ever had of a type."""
        self._joined_max: dict[Place, int] = {}
        """What was taken of an account when somebody had joined it, which no limit bounds."""

    # ------------------------------------------------------------------------ what is so

    def name_of(self, session: str) -> str:
        """Tell what to call a session's account: by its name, or by its only session."""
        first = self._first.get(session, session)
        return next((name for name, one in self._named.items() if one == first), session)

    def limit(self, session: str, service: str) -> int:
        """Tell the daily limit in force: the account's own, its tier's, or the type's."""
        first = self._first[session]
        tier = self._policy.get("tiers", {}).get(self._tiers.get(first, ""), {})
        of_all: dict[str, int] = self._policy.get("daily_limits", {})
        return {**of_all, **tier, **self._limits[first]}.get(service, 0)

    def day(self, session: str, now: datetime) -> str:
        """Tell the quota day that it is for a session: it begins at its account's hour."""
        first = self._first[session]
        zone = self._zones[first] or self._policy.get("quota_timezone", "UTC")
        hour = self._hours.get(first, self._policy.get("quota_reset_hour", 0))
        local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        return (local - timedelta(hours=hour)).date().isoformat()

    def taken(self, place: Place) -> int:
        """Sum what is used and reserved of the account of a session."""
        return sum(self._taken[one] for one in self._places(place))

    def left(self, place: Place) -> int:
        """Tell how many units may still be leased."""
        return self.limit(*place[:2]) - self.taken(place)

    def is_closed(self, place: Place) -> bool:
        """Whether its upstream said of one of its sessions that nothing is left."""
        return any(one in self._closed for one in self._places(place))

    def done_max(self, session: str, service: str, day: str) -> int:
        """Tell how many units backends may have done of its account, whatever befell."""
        first = self._first.get(session, session)
        joined = self._joined_max.get((first, service, day), 0)
        return max(joined, self._limits_max.get((first, service), 0))

    def sums(self, counts: Mapping[Place, int]) -> Mapping[Place, int]:
        """Sum what backends counted of credentials by their accounts, as they themselves do."""
        sums: Counter[Place] = Counter()
        for (session, service, day), units in counts.items():
            sums[self._first.get(session, session), service, day] += units
        return sums

    def _places(self, place: Place) -> Iterator[Place]:
        session, service, day = place
        for member in self._members[self._first[session]]:
            yield member, service, day

    # ---------------------------------------------------------------------- what changes

    def reserve(self, place: Place, units: int) -> None:
        """Open a lease."""
        self._taken[place] += units
        self._reserved[place] += units

    def release(self, place: Place, units: int) -> None:
        """End a lease, of which what it may cost counts as used."""
        self._reserved[place] -= units

    def correct(self, place: Place, units: int) -> None:
        """Charge so many units more than before, or fewer."""
        self._taken[place] += units

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event in."""
        take = getattr(self, f"_on_{event['type']}", None)
        if take is not None:
            take(event.get("session_id", ""), event)
        if event["type"] in _LIMITING:
            self._note_limits()

    def _note_limits(self) -> None:
        for first in self._members:
            for service in self._policy.get("daily_limits", {}):
                key, limit = (first, service), self.limit(first, service)
                self._limits_max[key] = max(self._limits_max.get(key, 0), limit)

    def _on_policy_changed(self, _: str, event: Mapping[str, Any]) -> None:
        self._policy = event["policy"]

    def _on_session_added(self, session: str, event: Mapping[str, Any]) -> None:
        if session not in self._first:
            self._first[session] = session
            self._members[session] = [session]
            self._limits[session] = event.get("limits", {})
            self._zones[session] = event.get("quota_timezone", "")

    def _on_session_changed(self, session: str, event: Mapping[str, Any]) -> None:
        if event.get("limits") is not None:
            self._limits[self._first[session]] = event["limits"]

    def _on_quota_observed(self, session: str, event: Mapping[str, Any]) -> None:
        self._closed.add((session, event["service_type"], event["quota_day"]))

    def _on_account_changed(self, session: str, event: Mapping[str, Any]) -> None:
        """Take what is said of a session's account; units that are said to be used are its own."""
        first = self._first[session]
        if event.get("tier") is not None:
            self._tiers[first] = event["tier"]
        if event.get("quota_reset_hour") is not None:
            self._hours[first] = event["quota_reset_hour"]
        for service, units in event.get("used", {}).items():
            place = session, service, event["quota_day"]
            reserved = sum(self._reserved[one] for one in self._places(place))
            self._taken[place] += max(0, units - (self.taken(place) - reserved))

    def _on_session_joined(self, session: str, event: Mapping[str, Any]) -> None:
        """Let a session use the account of whoever joined it first, from here on."""
        if self._first[session] != session or session in self._named.values():
            self._wrong(f"{session} joined {event['account']}, though it had joined before")
            return
        first = self._named.setdefault(event["account"], session)
        if first == session:
            return
        self._first[session] = first
        del self._members[session]
        self._members[first].append(session)
        for member, service, day in [*self._taken]:
            if member == session:
                place = first, service, day
                self._joined_max[place] = max(self._joined_max.get(place, 0), self.taken(place))

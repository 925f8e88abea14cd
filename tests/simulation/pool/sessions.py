"""The oracle's sessions: what the log says of each, and whether it may be leased at a moment."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_LIMITING = frozenset({"policy_changed", "session_added", "session_changed"})


class Sessions:
    """Every session of one log, by what was journalled of it; shares no code with the pool."""

    def __init__(self) -> None:
        self.policy: dict[str, Any] = {}
        self.limits: dict[str, dict[str, int]] = {}
        self._zones: dict[str, str] = {}
        self._statuses: dict[str, str] = {}
        self._suspects: set[str] = set()
        self._cooling: dict[str, datetime] = {}

    def take(self, event: Mapping[str, Any]) -> bool:
        """Take an event in; whether it may have changed a limit."""
        take = getattr(self, f"_on_{event['type']}", None)
        if take is not None:
            take(event.get("session_id", ""), event)
        return event["type"] in _LIMITING

    def _on_policy_changed(self, _: str, event: Mapping[str, Any]) -> None:
        self.policy = event["policy"]

    def _on_session_added(self, name: str, event: Mapping[str, Any]) -> None:
        self.limits.setdefault(name, event.get("limits", {}))
        self._zones.setdefault(name, event.get("quota_timezone", ""))
        self._statuses.setdefault(name, "active")

    def _on_session_changed(self, name: str, event: Mapping[str, Any]) -> None:
        """Change a session; of whom somebody has decided, that one is under no suspicion."""
        if event.get("status") is not None:
            self._statuses[name] = event["status"]
            self._suspects.discard(name)
        if event.get("limits") is not None:
            self.limits[name] = event["limits"]

    def _on_session_revived(self, name: str, _: Mapping[str, Any]) -> None:
        self._statuses[name] = "active"
        self._suspects.discard(name)

    def _on_session_retired(self, name: str, _: Mapping[str, Any]) -> None:
        self._statuses[name] = "retired"

    def _on_session_cooled(self, name: str, event: Mapping[str, Any]) -> None:
        until = datetime.fromisoformat(event["until"])
        if not event.get("by"):  # an operator alone shortens it
            until = max(until, self._cooling.get(name, _BEGINNING))
        self._cooling[name] = until

    def _on_session_suspected(self, name: str, _: Mapping[str, Any]) -> None:
        self._suspects.add(name)

    def _on_session_recovered(self, name: str, event: Mapping[str, Any]) -> None:
        self._suspects.discard(name)
        if event.get("by"):
            self._cooling.pop(name, None)
            if self._statuses[name] == "disabled":
                self._statuses[name] = "active"

    def limit(self, name: str, service: str) -> int:
        """Tell a session's daily limit in force."""
        inherited: int = self.policy.get("daily_limits", {}).get(service, 0)
        return self.limits[name].get(service, inherited)

    def day(self, name: str, now: datetime) -> str:
        """Tell the quota day that it is for a session."""
        zone = self._zones[name] or self.policy.get("quota_timezone", "UTC")
        return now.astimezone(ZoneInfo(zone)).date().isoformat()

    def countable(self) -> Iterator[str]:
        """Those whose units are the pool's to give, now or a little later."""
        for name, status in self._statuses.items():
            if status == "active" and name not in self._suspects:
                yield name

    def grants_today(self, name: str, now: datetime, margin_s: float) -> bool:
        """Whether a session's day does not end so soon that nothing is granted on it."""
        guard_s = self.policy.get("reset_guard_s", 2.0) + margin_s
        return self.day(name, now) == self.day(name, now + timedelta(seconds=guard_s))

    def bar(self, name: str, now: datetime, *, trial: bool) -> str | None:
        """Say why a session may not be leased; None when it may."""
        status = self._statuses.get(name)
        if status != "active":
            return f"which is {status or 'unknown'}"
        if self._cooling.get(name, _BEGINNING) > now:
            return f"which cools until {self._cooling[name]}"
        if (name in self._suspects) != trial:
            return "which is suspect" if not trial else "on trial, though nobody suspects it"
        return None

"""The oracle's sessions: what the log says of each, and whether it may be leased at a moment."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.simulation.pool.accounts import Accounts

_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Sessions:
    """Every session of one log, by what was journalled of it; shares no code with the pool."""

    def __init__(self, wrong: Callable[[str], None]) -> None:
        """`wrong` notes a finding."""
        self.policy: dict[str, Any] = {}
        self.accounts = Accounts(wrong)
        self._statuses: dict[str, str] = {}
        self._suspects: set[str] = set()
        self._cooling: dict[str, datetime] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event in."""
        self.accounts.take(event)
        take = getattr(self, f"_on_{event['type']}", None)
        if take is not None:
            take(event.get("session_id", ""), event)

    def _on_policy_changed(self, _: str, event: Mapping[str, Any]) -> None:
        self.policy = event["policy"]

    def _on_session_added(self, name: str, _: Mapping[str, Any]) -> None:
        self._statuses.setdefault(name, "active")

    def _on_session_changed(self, name: str, event: Mapping[str, Any]) -> None:
        """Change a session; of whom somebody has decided, that one is under no suspicion."""
        if event.get("status") is not None:
            self._statuses[name] = event["status"]
            self._suspects.discard(name)

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

    def is_there(self, name: str) -> bool:
        """Whether it was ever added."""
        return name in self._statuses

    def countable(self) -> Iterator[str]:
        """Those whose units are the pool's to give, now or a little later."""
        for name, status in self._statuses.items():
            if status == "active" and name not in self._suspects:
                yield name

    def grants_today(self, name: str, now: datetime, margin_s: float) -> bool:
        """Whether a session's day does not end so soon that nothing is granted on it."""
        guard_s = self.policy.get("reset_guard_s", 2.0) + margin_s
        day = self.accounts.day
        return day(name, now) == day(name, now + timedelta(seconds=guard_s))

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

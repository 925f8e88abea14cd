"""The quota days of the accounts of a pool: one zone for each time zone and reset hour named."""

from datetime import datetime

from contracts.pool import Policy
from services.pool.domain.quota import Zone, policy_span, turn_zone, zone_at
from services.pool.domain.records import Account


class Zones:
    """Every zone that somebody counts in, as of `now`."""

    __slots__ = ("_guard", "_now", "_policy", "by_name", "next_reset")

    def __init__(self, policy: Policy, now: datetime) -> None:
        """None is named yet."""
        self._policy = policy
        self._guard = policy_span(policy.reset_guard_s)
        self._now = now
        self.by_name: dict[tuple[str, int], Zone] = {}
        """By name and reset hour."""
        self.next_reset: datetime | None = None
        """When the first quota day ends; None when no account has one."""

    def zone_of(self, account: Account) -> Zone:
        """Tell which zone's quota day counts for an account."""
        hour = account.quota_reset_hour
        if hour is None:
            hour = self._policy.quota_reset_hour
        name = account.quota_timezone or self._policy.quota_timezone
        return self.by_name.get((name, hour)) or self._open_zone(name, hour)

    def turn_days(self, now: datetime) -> list[Zone]:
        """Let time pass, and return the zones in which another day began."""
        self._now = now
        if self.next_reset is None or now < self.next_reset:
            return []
        turned = [zone for zone in self.by_name.values() if zone.resets_at <= now]
        for zone in turned:
            turn_zone(zone, now, self._guard)
        self.next_reset = min(zone.resets_at for zone in self.by_name.values())
        return turned

    def guard_ends_at(self) -> datetime | None:
        """Tell the earliest reset that is so near that its zone grants nothing."""
        near = [zone.resets_at for zone in self.by_name.values() if zone.guard_at <= self._now]
        return min(near, default=None)

    def _open_zone(self, name: str, hour: int) -> Zone:
        zone = self.by_name[name, hour] = zone_at(name, hour, self._now, self._guard)
        if self.next_reset is None or zone.resets_at < self.next_reset:
            self.next_reset = zone.resets_at
        return zone

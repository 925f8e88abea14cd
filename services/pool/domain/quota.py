"""Quota days: calendar dates in a quota time zone, and the instants at which they change.

A day begins at the reset hour of the clock there, by default at midnight, and has the date on which
it began.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from contracts.base import QuotaDay

KEPT_DAYS = 16
"""Days of counts an account keeps; leases leave the fold after 8, so none misses its own."""


HOUR_MAX = 23
_SPAN_MAX_S = 366 * 86_400.0


@lru_cache(16)
def policy_span(seconds: float) -> timedelta:
    """Make a time of a policy's seconds: a log may hold any number, a calendar does not."""
    return timedelta(seconds=max(0.0, min(seconds, _SPAN_MAX_S)))


def is_stale(since: datetime, threshold_s: float, now: datetime) -> bool:
    """Whether nothing happened since so many seconds; with none nothing ever grows stale."""
    return threshold_s > 0 and now - since >= policy_span(threshold_s)


class Zone(msgspec.Struct, eq=False):
    """A time zone and reset hour at one moment: the day, when that ends, when granting ends."""

    name: str
    clock: tzinfo
    reset_hour: int
    day: QuotaDay
    resets_at: datetime
    guard_at: datetime
    """From here to the reset nothing is granted: it might arrive on the other day."""


def zone_named(name: str) -> tzinfo | None:
    """Find a time zone by its IANA name; None when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def zone_at(name: str, reset_hour: int, now: datetime, guard: timedelta) -> Zone:
    """Build the zone as of `now`; a name that means nothing counts in UTC, an hour at midnight."""
    hour = reset_hour if 0 <= reset_hour <= HOUR_MAX else 0
    zone = Zone(name, zone_named(name) or UTC, hour, QuotaDay(""), now, now)
    turn_zone(zone, now, guard)
    return zone


def turn_zone(zone: Zone, now: datetime, guard: timedelta) -> None:
    """Bring `zone` to the day of `now`."""
    local = now.astimezone(zone.clock)
    today = local.date() if local.hour >= zone.reset_hour else local.date() - timedelta(days=1)
    # An hour that a change of the clocks skips is read with the offset before it (PEP 495,
    # fold=0): that is the instant of the change, where the new day begins.
    reset = datetime.combine(today + timedelta(days=1), time(zone.reset_hour), zone.clock)
    zone.day = QuotaDay(today.isoformat())
    zone.resets_at = reset.astimezone(UTC)
    if zone.resets_at <= now:
        # The hour before one that comes twice: the day has already changed once.
        reset += timedelta(days=1)
        zone.resets_at = reset.astimezone(UTC)
        zone.day = QuotaDay((today + timedelta(days=1)).isoformat())
    assert zone.resets_at > now
    zone.guard_at = zone.resets_at - guard


@lru_cache(16)
def oldest_kept(day: QuotaDay) -> QuotaDay:
    """Tell the first day whose counts are still kept when `day` begins; '' for no real date."""
    try:
        return QuotaDay((date.fromisoformat(day) - timedelta(days=KEPT_DAYS)).isoformat())
    except (ValueError, OverflowError):
        return QuotaDay("")

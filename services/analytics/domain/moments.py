"""When and where in the log an event stands."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from services.analytics.domain.rows import Moment


class LogPlace(msgspec.Struct, frozen=True, gc=False):
    """The envelope's sequence, the event's position in it, its time, and that time's day."""

    sequence: int
    position: int
    subject: str
    ts: Moment
    day: str


Routes = dict[type, Callable[[Any, LogPlace], None]]
"""Which event goes where."""


def as_micros(instant: datetime) -> Moment:
    """Write an instant as the store has it: microseconds since 1970, UTC."""
    # Rounded: a float has the microseconds of this century, but each a little beside itself.
    return Moment(round(instant.timestamp() * 1e6))


def as_instant(moment: int) -> datetime:
    """Read an instant, aware and in UTC, of microseconds since 1970."""
    return datetime.fromtimestamp(moment / 1e6, UTC)


def zone_named(name: str) -> tzinfo:
    """The time zone of that name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC

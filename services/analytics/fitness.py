"""What a row can hold, told of an event before it is folded: what does not fit is set aside.

Bounds are checked where a command is taken in, never in the type of an event, so a log may hold
any number that JSON can write. An upstream's code is no reason to set an event aside: `leases`
leaves out a code that no column holds. What a policy or a limit says is kept as text.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

from contracts.balancer import ServerAdded, ServerChanged, ServerEjected
from contracts.base import Event, day_of
from contracts.gateway import KeyChanged, KeyIssued
from contracts.pool import (
    CallsRefused,
    LeaseCancelled,
    LeaseGranted,
    LeaseReconciled,
    LeaseRefused,
    LeaseRenewed,
    SessionCooled,
    SessionRequested,
    UsageRecorded,
)

INTEGER_MAX = 2**63 - 1
"""Of a BIGINT; its negative is the least, so that a sum may take away what it added."""
DURATION_MAX = 1e15
"""Milliseconds or seconds: more of them add up to no number."""
_YEAR_MIN, _YEAR_MAX = 2, 9998
"""Within them a moment has a date in every time zone."""
Check = Callable[[Any], str | None]
"""Says why an event does not fit; None when it does."""
_Wording = Callable[[Any], str]


def event_misfit(event: Event) -> str | None:
    """Say which value of an event no row holds; None when they all fit."""
    check = _CHECKS.get(type(event))
    return check(event) if check else None


def moment_misfit(moment: datetime) -> str | None:
    """Say why a moment has no day in some time zone; None when it has."""
    if _YEAR_MIN <= moment.year <= _YEAR_MAX:
        return None
    return f"{moment.isoformat()} is not between the years {_YEAR_MIN} and {_YEAR_MAX}"


def number_misfit(number: int) -> str | None:
    """Say why an envelope's number is none that a row holds; None when it is."""
    return None if number <= INTEGER_MAX else f"number: {_size_misfit(number)}"


def _integer_check(*names: str) -> Check:
    return _bounds_check(names, INTEGER_MAX, _size_misfit)


def _check_count(event: Any) -> str | None:
    """Check how often something happened: it is folded into sums that nothing takes away again."""
    return None if event.count >= 0 else f"count: {event.count} is less than none"


def _duration_check(*names: str) -> Check:
    return _bounds_check(
        names, DURATION_MAX, lambda time: f"{time:g} is more than {DURATION_MAX:g}"
    )


def _bounds_check(names: tuple[str, ...], most: float, why: _Wording) -> Check:
    """Check the size of fields; nearly always all of them fit, and every event is checked."""
    values = attrgetter(*names) if len(names) > 1 else lambda event: (getattr(event, names[0]),)

    def bound_excess(event: Any) -> str | None:
        for value in values(event):
            if not -most <= value <= most:
                field = next(name for name in names if not -most <= getattr(event, name) <= most)
                return f"{field}: {why(value)}"
        return None

    return bound_excess


def _moment_check(name: str) -> Check:
    def bad_moment(event: Any) -> str | None:
        why = moment_misfit(getattr(event, name))
        return f"{name}: {why}" if why else None

    return bad_moment


def _optional_moment_check(name: str) -> Check:
    check = _moment_check(name)
    return lambda event: None if getattr(event, name) is None else check(event)


def _day_check(name: str) -> Check:
    def bad_day(event: Any) -> str | None:
        day = getattr(event, name)
        return (
            None if _is_storable_day(day) else f"{name}: {day!r:.60} is no date such as 2026-01-31"
        )

    return bad_day


def _size_misfit(value: int) -> str:
    return f"a number of {len(str(abs(value)))} digits is more than {INTEGER_MAX}"


@lru_cache(1024)
def _is_storable_day(text: str) -> bool:
    day = day_of(text)
    return day is not None and _YEAR_MIN <= day.year <= _YEAR_MAX


def _joint_check(*checks: Check) -> Check:
    def first_misfit(event: Any) -> str | None:
        for part_check in checks:
            if why := part_check(event):
                return why
        return None

    return first_misfit


def _part_check(name: str, check: Check) -> Check:
    """Check a part of an event, or every part of a list; a part that is absent fits."""

    def part_misfit(event: Any) -> str | None:
        value = getattr(event, name)
        parts: Iterable[Any] = value if isinstance(value, list) else (value,)
        for part in parts:
            if part is not None and (why := check(part)):
                return f"{name}.{why}"
        return None

    return part_misfit


_ATTEMPT = _joint_check(
    _integer_check("status"), _duration_check("connect_ms", "first_byte_ms", "total_ms")
)
_SERVER = _part_check("server", _integer_check("priority", "weight", "max_sessions"))
_BOUNDS = _part_check("bounds", _integer_check("requests_per_minute", "concurrency", "weight"))
_CHECKS: dict[type, Check] = {
    SessionRequested: _joint_check(
        _integer_check("number", "units"),
        _moment_check("asked_at"),
        _optional_moment_check("waiting_since"),
    ),
    LeaseGranted: _joint_check(
        _integer_check("number", "units"), _moment_check("expires_at"), _day_check("quota_day")
    ),
    LeaseRefused: _joint_check(
        _integer_check("number", "count"),
        _check_count,
        _duration_check("retry_after_s"),
        _optional_moment_check("since"),
        _optional_moment_check("until"),
    ),
    CallsRefused: _joint_check(
        _integer_check("status", "count"),
        _check_count,
        _moment_check("since"),
        _moment_check("until"),
    ),
    LeaseCancelled: _integer_check("status", "number"),
    LeaseRenewed: _moment_check("expires_at"),
    UsageRecorded: _joint_check(
        _integer_check("units", "units_over", "status", "bytes_in", "bytes_out"),
        _duration_check("lease_ms", "total_ms"),
        _part_check("attempts", _ATTEMPT),
    ),
    LeaseReconciled: _integer_check("units"),
    SessionCooled: _moment_check("until"),
    ServerAdded: _SERVER,
    ServerChanged: _SERVER,
    ServerEjected: _moment_check("until"),
    KeyIssued: _BOUNDS,
    KeyChanged: _BOUNDS,
}

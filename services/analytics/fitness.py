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
Check = Callable[[Any], str]
"""Says why an event does not fit; empty when it does."""


def unfit(event: Event) -> str:
    """Say which value of an event no row holds; empty when they all fit."""
    check = _CHECKS.get(type(event))
    return check(event) if check else ""


def unfit_moment(moment: datetime) -> str:
    """Say why a moment has no day in some time zone; empty when it has."""
    if _YEAR_MIN <= moment.year <= _YEAR_MAX:
        return ""
    return f"{moment.isoformat()} is not between the years {_YEAR_MIN} and {_YEAR_MAX}"


def unfit_number(number: int) -> str:
    """Say why an envelope's number is none that a row holds; empty when it is."""
    return "" if number <= INTEGER_MAX else f"number: {_too_great(number)}"


def _integers(*names: str) -> Check:
    return _bounded(names, INTEGER_MAX, _too_great)


def _durations(*names: str) -> Check:
    return _bounded(names, DURATION_MAX, lambda time: f"{time:g} is more than {DURATION_MAX:g}")


def _bounded(names: tuple[str, ...], most: float, why: Check) -> Check:
    """Check the size of fields; nearly always all of them fit, and every event is checked."""
    values = attrgetter(*names) if len(names) > 1 else lambda event: (getattr(event, names[0]),)

    def check(event: Any) -> str:
        for value in values(event):
            if not -most <= value <= most:
                wrong = next(one for one in names if not -most <= getattr(event, one) <= most)
                return f"{wrong}: {why(value)}"
        return ""

    return check


def _moment(name: str) -> Check:
    def check(event: Any) -> str:
        why = unfit_moment(getattr(event, name))
        return f"{name}: {why}" if why else ""

    return check


def _moment_if_any(name: str) -> Check:
    check = _moment(name)
    return lambda event: "" if getattr(event, name) is None else check(event)


def _day(name: str) -> Check:
    def check(event: Any) -> str:
        day = getattr(event, name)
        return "" if _is_day(day) else f"{name}: {day!r:.60} is no date such as 2026-01-31"

    return check


def _too_great(value: int) -> str:
    return f"a number of {len(str(abs(value)))} digits is more than {INTEGER_MAX}"


@lru_cache(1024)
def _is_day(text: str) -> bool:
    day = day_of(text)
    return day is not None and _YEAR_MIN <= day.year <= _YEAR_MAX


def _all(*checks: Check) -> Check:
    def check(event: Any) -> str:
        for one in checks:
            if why := one(event):
                return why
        return ""

    return check


def _within(name: str, check: Check) -> Check:
    """Check a part of an event, or every part of a list; a part that is absent fits."""

    def inner(event: Any) -> str:
        found = getattr(event, name)
        parts: Iterable[Any] = found if isinstance(found, list) else (found,)
        for part in parts:
            if part is not None and (why := check(part)):
                return f"{name}.{why}"
        return ""

    return inner


_ATTEMPT = _all(_integers("status"), _durations("connect_ms", "first_byte_ms", "total_ms"))
_SERVER = _within("server", _integers("priority", "weight", "max_sessions"))
_BOUNDS = _within("bounds", _integers("requests_per_minute", "concurrency"))
_CHECKS: dict[type, Check] = {
    SessionRequested: _all(_integers("number", "units"), _moment("asked_at")),
    LeaseGranted: _all(_integers("number", "units"), _moment("expires_at"), _day("quota_day")),
    LeaseRefused: _all(
        _integers("number", "count"),
        _durations("retry_after_s"),
        _moment_if_any("since"),
        _moment_if_any("until"),
    ),
    CallsRefused: _all(_integers("status", "count"), _moment("since"), _moment("until")),
    LeaseCancelled: _integers("status", "number"),
    LeaseRenewed: _moment("expires_at"),
    UsageRecorded: _all(
        _integers("units", "units_over", "status", "bytes_in", "bytes_out"),
        _durations("lease_ms", "total_ms"),
        _within("attempts", _ATTEMPT),
    ),
    LeaseReconciled: _integers("units"),
    SessionCooled: _moment("until"),
    ServerAdded: _SERVER,
    ServerChanged: _SERVER,
    ServerEjected: _moment("until"),
    KeyIssued: _BOUNDS,
    KeyChanged: _BOUNDS,
}

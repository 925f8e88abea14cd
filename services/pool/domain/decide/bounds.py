"""What a command may bring: the log is bounded where it is written, never where it is read.

A request of absurd numbers is refused; a usage never is, for what was done was done: what is out
of bounds in it is cut to them.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from contracts.base import NUMBER_MAX
from contracts.pool import Attempt, CallsRefused, SessionRequested, UsageRecorded

_CODE_MAX = 10**18 - 1
_DURATION_MAX = 1e12
"""Milliseconds or seconds: some thirty years at least."""


def asks_within(requested: SessionRequested) -> bool:
    """Tell whether a request's numbers may stand in the log."""
    return (
        -NUMBER_MAX <= requested.units <= NUMBER_MAX
        and 0 <= requested.number <= NUMBER_MAX
        and 0 <= requested.wait_ms <= NUMBER_MAX
        and 0 <= requested.weight <= NUMBER_MAX
    )


def too_great(numbers: Iterable[int]) -> bool:
    """Tell whether one of these numbers is more than a command may bring."""
    return any(number > NUMBER_MAX for number in numbers)


def cut_calls(calls: CallsRefused) -> CallsRefused:
    """Cut what a gateway's count says beyond bounds; nearly always it says nothing so."""
    count, status = cut_count(calls.count), cut_count(calls.status)
    if (count, status) == (calls.count, calls.status):
        return calls
    return replace(calls, count=count, status=status)


def cut_usage(usage: UsageRecorded) -> UsageRecorded:
    """Cut what is out of bounds; nearly always nothing is, and the usage is the same."""
    if _all_fit(usage) and all(map(_attempt_fits, usage.attempts)):
        return usage
    wait_s = usage.retry_after_s
    return replace(
        usage,
        units=cut_count(usage.units),
        units_over=cut_count(usage.units_over),
        status=cut_count(usage.status),
        bytes_in=cut_count(usage.bytes_in),
        bytes_out=cut_count(usage.bytes_out),
        retry_after_s=None if wait_s is None else _cut_duration(wait_s),
        lease_ms=_cut_duration(usage.lease_ms),
        total_ms=_cut_duration(usage.total_ms),
        attempts=[_cut_attempt(attempt) for attempt in usage.attempts],
    )


def _all_fit(usage: UsageRecorded) -> bool:
    return (
        0 <= usage.units <= NUMBER_MAX
        and 0 <= usage.units_over <= NUMBER_MAX
        and 0 <= usage.status <= NUMBER_MAX
        and 0 <= usage.bytes_in <= NUMBER_MAX
        and 0 <= usage.bytes_out <= NUMBER_MAX
        and 0 <= usage.lease_ms <= _DURATION_MAX
        and 0 <= usage.total_ms <= _DURATION_MAX
        and 0 <= (usage.retry_after_s or 0.0) <= _DURATION_MAX
    )


def _attempt_fits(attempt: Attempt) -> bool:
    return (
        0 <= attempt.status <= NUMBER_MAX
        and 0 <= attempt.connect_ms <= _DURATION_MAX
        and 0 <= attempt.first_byte_ms <= _DURATION_MAX
        and 0 <= attempt.total_ms <= _DURATION_MAX
        and -_CODE_MAX <= (attempt.upstream_code or 0) <= _CODE_MAX
        and -_CODE_MAX <= (attempt.inner_code or 0) <= _CODE_MAX
    )


def _cut_attempt(attempt: Attempt) -> Attempt:
    return replace(
        attempt,
        status=cut_count(attempt.status),
        upstream_code=_cut_code(attempt.upstream_code),
        inner_code=_cut_code(attempt.inner_code),
        connect_ms=_cut_duration(attempt.connect_ms),
        first_byte_ms=_cut_duration(attempt.first_byte_ms),
        total_ms=_cut_duration(attempt.total_ms),
    )


def cut_count(number: int) -> int:
    """Cut a number of things, or a status, to what may stand in the log."""
    return min(max(number, 0), NUMBER_MAX)


def _cut_duration(time: float) -> float:
    return min(max(time, 0.0), _DURATION_MAX)


def _cut_code(code: int | None) -> int | None:
    """Leave out what is no code of anybody's."""
    return code if code is not None and -_CODE_MAX <= code <= _CODE_MAX else None

"""One cell: the events of the log → what the failing server cost, and what breaks the bound. Pure.

The bound (balancer, health): a server that fails every call costs at most `consecutive_failures`
units, and what was sent before the first failure was in the log; afterwards one a period.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.balancer import (
    Health,
    ServerEjected,
    ServerFellSilent,
    ServerHalfOpened,
    ServerHealthChanged,
    ServerReadmitted,
)
from contracts.pool import LeaseExpired, LeaseGranted, Outcome, UsageRecorded, Verdict
from tests.failing.log import Logged
from tests.failing.ways import MANNERS, Way

_NEVER = (sys.maxsize, 0)
_BLAMES = frozenset({Verdict.OUTCOME_UNKNOWN, Verdict.UNREACHABLE, Verdict.LOGIN_EXPIRED})


@dataclass(frozen=True)
class Cell:
    """One way to fail, under one strategy, alone or among others."""

    way: Way
    strategy: str
    servers: int

    def __str__(self) -> str:
        company = "alone" if self.servers == 1 else f"among {self.servers}"
        return f"{self.way} {company}, {self.strategy}"


@dataclass(frozen=True)
class Course:
    """When it happened, and which server it was, in the log's words."""

    server_id: str
    failing_at: datetime
    well_at: datetime
    concurrency: int
    consecutive_failures: int


@dataclass(frozen=True)
class Figures:
    """What the log tells of one cell; seconds are None for what never happened."""

    calls: int
    """Calls that this server was tried for while it failed."""
    before: int
    """Units lost that were granted before the first failure was in the log."""
    until_out: int
    """Those granted from then on until it was ejected, or called down."""
    after: int
    """Those granted after."""
    calls_until_out: int | None
    """Those that ended from its first failure on."""
    out_s: float | None
    back_s: float | None
    """From the end of the fault until it answered a call again."""
    periods: int
    """How often it was tried again while it failed."""
    resets: int
    """Calls of before that it answered after its first failure: its count began anew."""
    expired: int
    reason: str
    """Why it went out, in the log's words."""

    @property
    def lost(self) -> int:
        """Units that nobody knows of, so that they stay used."""
        return self.before + self.until_out + self.after


def cell_figures(events: Sequence[Logged], course: Course) -> Figures:
    """Read one cell's events, from its beginning to its end."""
    granted = {
        logged.event.lease_id: logged.place
        for logged in events
        if isinstance(logged.event, LeaseGranted)
    }
    ends = [
        (logged, logged.event)
        for logged in events
        if isinstance(logged.event, UsageRecorded)
        and any(tried.server_id == course.server_id for tried in logged.event.attempts)
        and logged.at >= course.failing_at
    ]
    failed = [
        (logged, end)
        for logged, end in ends
        if any(
            tried.server_id == course.server_id and tried.verdict in _BLAMES
            for tried in end.attempts
        )
    ]
    first = failed[0][0].place if failed else None
    well = next((logged.place for logged in events if logged.at >= course.well_at), _NEVER)
    out = next(outs(events, course), None)
    lost = [
        granted[end.lease_id]
        for logged, end in ends
        if end.outcome is Outcome.UNKNOWN and end.attempts[-1].server_id == course.server_id
    ]
    begun_before = [place for place in lost if first is None or place < first]
    begun_after = [place for place in lost if out is not None and place > out.place]
    answered = [
        logged
        for logged, end in ends
        if end.verdict is Verdict.SUCCESS and end.attempts[-1].server_id == course.server_id
    ]
    # What it was sent while it failed may be answered now, and does not say that it is back.
    back = next((logged.at for logged in answered if granted[_lease(logged)] > well), None)
    return Figures(
        calls=sum(logged.at <= course.well_at for logged, _ in ends),
        before=len([place for place in begun_before if place not in begun_after]),
        until_out=len(lost) - len({*begun_before, *begun_after}),
        after=len(begun_after),
        calls_until_out=None
        if out is None
        else sum(first is not None and first <= logged.place < out.place for logged, _ in ends),
        out_s=None if out is None else (out.at - course.failing_at).total_seconds(),
        back_s=None if back is None else (back - course.well_at).total_seconds(),
        periods=sum(
            isinstance(logged.event, ServerHalfOpened)
            and logged.event.server_id == course.server_id
            for logged in events
        ),
        resets=sum(
            first is not None and logged.place > first and (out is None or logged.place < out.place)
            for logged in answered
        ),
        expired=sum(isinstance(logged.event, LeaseExpired) for logged in events),
        reason="" if out is None else _reason(out),
    )


def bound_breaks(cell: Cell, course: Course, found: Figures) -> Iterator[str]:
    """Say what breaks the bound."""
    manner = MANNERS[cell.way]
    limit = course.consecutive_failures
    if not manner.costs_units and found.lost:
        yield f"{found.lost} units lost, though nothing of it should cost one"
    # A client hears of its failure a moment before the log does, and may call once more.
    if found.before > 2 * course.concurrency:
        yield f"{found.before} units lost of {course.concurrency} calls at once"
    # The first failure was of before. Each answer of before lets it count anew.
    allowed = (limit - 1) * (1 + found.resets)
    if found.until_out > allowed:
        yield f"{found.until_out} units lost after its first failure, at most {allowed} may be"
    if found.after > found.periods:
        yield f"{found.after} units lost after it went out, and it was tried {found.periods} times"
    goes_out = manner.goes_out if cell.servers > 1 else manner.goes_out_alone
    # A strategy that goes by time leaves alone who failed: fewer failures than eject are no break.
    left_alone = manner.fault is not None and manner.costs_units and found.lost < limit
    if goes_out and found.out_s is None and not left_alone:
        yield f"never ejected, in {found.calls} calls"
    if not goes_out and found.out_s is not None:
        yield f"went out: {found.reason}"
    if found.back_s is None:
        yield "never answered a call again"
    if found.expired:
        yield f"{found.expired} leases expired"


def outs(events: Sequence[Logged], course: Course) -> Iterator[Logged]:
    """Name what took the server out of the choice, for all service types or one."""
    for logged in events:
        event = logged.event
        if logged.at < course.failing_at or getattr(event, "server_id", "") != course.server_id:
            continue
        down = isinstance(event, ServerHealthChanged) and event.health is Health.DOWN
        if down or isinstance(event, ServerEjected | ServerFellSilent):
            yield logged


def _reason(out: Logged) -> str:
    event = out.event
    if isinstance(event, ServerFellSilent):
        return f"silent for {event.waited_s:g} s"
    assert isinstance(event, ServerHealthChanged | ServerEjected | ServerReadmitted)
    return event.reason


def _lease(logged: Logged) -> str:
    assert isinstance(logged.event, UsageRecorded)
    return logged.event.lease_id

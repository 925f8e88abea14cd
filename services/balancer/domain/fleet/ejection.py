"""What the log says of a server's ejection, of one service type or of all: how far it is back.

    ejected -- time over, then a good probe -----> half open
    silent  -- its exchanges are over -----------> half open
    half open -- a call was answered ------------> slow start -- by the clock --> over
    half open -- three probes, no call ----------> slow start, unproven
    ejected -- nobody else is up, no unit lost --> slow start of no length
    any of these -- failures --------------------> ejected, for longer

What is over is kept: the next ejection is longer than this one was, unless it is long ago.
"""

from math import ceil
from typing import Literal

from msgspec.structs import replace

from contracts.balancer import ServerEjected, ServerHalfOpened, ServerReadmitted
from contracts.base import Instant, Part

EjectionState = Literal["ejected", "half_open", "slow_start", "over"]
EjectionEvent = ServerEjected | ServerHalfOpened | ServerReadmitted


class Ejection(Part, frozen=True, kw_only=True):
    """One ejection and what came after it."""

    state: Literal["ejected", "half_open", "slow_start"]
    reason: str = ""
    """Why it was ejected."""
    since: Instant | None = None
    """When this state began; None for events that nobody dated."""
    until: Instant | None = None
    """The end of the ejection; None where there was none, after a silence."""
    times: int = 0
    """How often in a row it was ejected."""
    costs_units: bool = False
    failures: int = 0
    """0: not failures put it out, but the pool's word or its slowness."""
    slow_start_s: float = 0.0
    unproven: bool = False
    """Let in without a call that was answered."""

    def state_at(self, now: Instant) -> EjectionState:
        """Tell how far it is back; a slow start ends by the clock."""
        if self.state == "slow_start" and self.warm_share(now) >= 1:
            return "over"
        return self.state

    def is_time_over(self, now: Instant) -> bool:
        """Whether it has lasted as long as it should, and nothing came after it yet."""
        return self.state == "ejected" and self.until is not None and self.until <= now

    def warm_share(self, now: Instant) -> float:
        """The part of its bounds that a slow start allows, from 0 to 1; 1 in any other state."""
        if self.state != "slow_start" or self.since is None or not self.slow_start_s:
            return 1.0
        return min(1.0, max(0.0, (now - self.since).total_seconds() / self.slow_start_s))


def warm_part(whole: int, share: float) -> int:
    """Take a share of a bound, rounded up, at least 1; in whole numbers, however large it is."""
    return max(1, -(-whole * ceil(share * 1000) // 1000))


def ejection_after(before: Ejection | None, event: EjectionEvent, at: Instant | None) -> Ejection:
    """Fold one event that was journalled `at`."""
    match event:
        case ServerEjected():
            return Ejection(
                state="ejected",
                reason=event.reason,
                since=at,
                until=event.until,
                times=event.times,
                costs_units=event.costs_units,
                failures=event.failures,
            )
        case ServerHalfOpened():
            if before is not None and before.state == "ejected":
                return replace(before, state="half_open", since=at)
            # After a silence: what was waited for there may have cost units.
            times = 0 if before is None else before.times
            until = None if before is None else before.until
            return Ejection(
                state="half_open",
                reason=event.reason,
                since=at,
                until=until,
                times=times,
                costs_units=True,
            )
        case _:
            known = before or Ejection(state="slow_start")
            return replace(
                known,
                state="slow_start",
                since=event.at or at,
                slow_start_s=event.slow_start_s,
                unproven=event.unproven,
            )

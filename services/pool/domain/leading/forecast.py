"""When places will come free: what runs is played forward, lasting as long as what ended lately.

A rate of ends is not enough: a pool that idled, or whose calls begin and end together, ends nothing
for a while however busy it is. So each exchange that runs is given the rest of a duration that was
seen, longer than it has run already, and the place that it frees is taken for another. Durations
are picked in a sequence that covers them evenly (multiples of the golden ratio, modulo one), so
that the same state always gives the same answer.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterable, MutableMapping, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush

import msgspec

FORECAST_FOR = timedelta(seconds=1)
"""How long one is told that was made once."""
AHEAD_MAX = 2048
"""Further ahead goes on as it went so far."""
PLAYED_MAX = 2048
"""Places that are played, of more every second one, and so on: it happens in the writer's loop."""
_GOLDEN = 0.6180339887498949


class Running(msgspec.Struct, frozen=True):
    """What keeps a place."""

    account: Hashable
    """Whose units are used when the place is taken anew."""
    age_s: float
    durations: Sequence[float]
    """Of its kind, in seconds, the shortest first."""


class Forecast(msgspec.Struct, frozen=True):
    """When places of a service type come free, as it looked at a moment."""

    made_at: datetime
    moments: Sequence[float]
    """Seconds from then, the soonest first."""
    complete: bool
    """No more will: the units are used up by then."""
    each: int = 1
    """Of so many places one was played, where there are very many."""
    share: float = 1.0
    """Of the places that come free; the others are had by those who wait for other types."""

    def places_before(self, position: int) -> int:
        """Tell how many of the places played come free before theirs who stands there."""
        return int(((position + 1) / self.share - 1) / self.each + 1e-9)

    def seconds_until(self, position: int, now: datetime) -> float | None:
        """Tell how long until whoever so many stand before has a place; None: not by an end."""
        before = self.places_before(position)
        if before < len(self.moments):
            moment = self.moments[before]
        elif self.complete:
            return None
        else:
            moment = self.moments[-1] * (before + 1) / len(self.moments)
        return max(0.0, moment - (now - self.made_at).total_seconds())


def play_forward(
    running: Iterable[Running],
    recoveries: Iterable[tuple[float, Hashable]],
    durations: Sequence[float],
    left: MutableMapping[Hashable, int],
    units: int,
    ahead: int,
) -> tuple[list[float], bool]:
    """Tell in how many seconds the next `ahead` places come free, and whether those are all.

    `recoveries`: places that nothing keeps but time, with the seconds that it takes. `left`: units
    of each account, which are used up, `units` a place.
    """
    ends: list[tuple[float, int, Hashable]] = []
    outlasting: list[float] = []
    for turn, one in enumerate(running, 1):
        rest_s = _rest_of(one, turn)
        ends.append((rest_s, turn, one.account))
        if one.age_s > durations[-1]:
            outlasting.append(one.age_s + rest_s)
    # Where few have ended yet, those are the short ones; the long ones still run.
    durations = [*durations, *sorted(outlasting)]
    for in_s, account in recoveries:
        ends.append((in_s, len(ends) + 1, account))
    turn = len(ends)
    heapify(ends)
    moments: list[float] = []
    while ends and len(moments) < ahead:
        at, _, account = heappop(ends)
        if left[account] < units:
            continue
        left[account] -= units
        moments.append(at)
        turn += 1
        heappush(ends, (at + _pick(durations, turn), turn, account))
    return moments, not ends


def _rest_of(running: Running, turn: int) -> float:
    """Pick how long it will last: of what lasted longer than it has, else of its own excess."""
    durations = running.durations
    longer = bisect_right(durations, running.age_s)
    if longer == len(durations):
        return running.age_s - durations[-1]
    return _pick(durations[longer:], turn) - running.age_s


def _pick(durations: Sequence[float], turn: int) -> float:
    return durations[int(turn * _GOLDEN % 1 * len(durations))]

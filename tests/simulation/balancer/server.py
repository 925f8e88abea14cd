"""One simulated server: its calls share its cores, whoever comes first is no sooner done.

Processor sharing, by virtual time: while `n` calls are at work each gets `min(1, cores / n)` of a
core, so a call is done once the virtual clock has advanced by its work. A change of cores, an
arrival or an end changes the pace of that clock, and nothing of the order in which calls are done.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kind:
    """How a server is."""

    speed: float = 1.0
    """Work done in a second by a whole core."""
    cores: float = 8.0
    network_s: float = 0.05
    """Before the first byte, whatever the server does."""
    fits: Sequence[tuple[float, float]] = ()
    """From when to when it fails every call that comes."""
    fails_after_s: float = 0.05


@dataclass
class SimServer:
    """One server at work."""

    kind: Kind
    cores: float
    clock: float = 0.0
    """Virtual: work that each call has been given."""
    at_s: float = 0.0
    version: int = 0
    """Of its course; what was foreseen by an older one is void."""
    _due: list[tuple[float, int]] = field(default_factory=list)
    _working: set[int] = field(default_factory=set)

    def fails_at(self, now_s: float) -> bool:
        """Whether it fails what comes now."""
        return any(since <= now_s < until for since, until in self.kind.fits)

    def begin(self, call: int, work_s: float, now_s: float) -> None:
        """Take a call in."""
        self._advance(now_s)
        heapq.heappush(self._due, (self.clock + work_s, call))
        self._working.add(call)

    def drop(self, call: int, now_s: float) -> None:
        """Work on a call no longer."""
        self._advance(now_s)
        self._working.discard(call)

    def set_cores(self, cores: float, now_s: float) -> None:
        """Have more or fewer from now on."""
        self._advance(now_s)
        self.cores = cores

    def finish_one(self, now_s: float) -> int:
        """End the call that is done now."""
        self._advance(now_s)
        due, call = heapq.heappop(self._due)
        self.clock = due
        self._working.discard(call)
        return call

    def next_end_s(self) -> float | None:
        """When the next call is done, if nothing changes; None: there is none."""
        while self._due and self._due[0][1] not in self._working:
            heapq.heappop(self._due)
        if not self._due:
            return None
        return self.at_s + max(0.0, self._due[0][0] - self.clock) / self._pace()

    def _advance(self, now_s: float) -> None:
        if self._working:
            self.clock += (now_s - self.at_s) * self._pace()
        self.at_s = now_s
        self.version += 1

    def _pace(self) -> float:
        return self.kind.speed * min(1.0, self.cores / len(self._working))

"""How long servers take to the first byte of an answer, by service type: what strategies rank by.

Theory of operation. The pool's log tells each attempt's time to first byte and how many exchanges
its server carried then. Of one service type the fleet keeps its last `FLEET_KEPT` times, of which
the median is what anybody is taken for who has shown nothing; and each server two things:

    peak EWMA  -- a moving average that jumps to every longer time at once and comes down slowly
                  (Finagle, `PeakEwma.scala`); between two answers it fades into the fleet's median
    ten lists  -- of `SAMPLES_KEPT` times each, by exchanges in flight: 1, 2 to 3, 4 to 7, … 512 and
                  more. A time is forgotten after `KEPT_DECAYS` decays

A failure counts as `FAILURE_FACTOR` times the fleet's median, so that who fails fast attracts
nobody. While the fleet has answered nothing it counts for nothing: there is no median to count by.
One decay is 10 s, or ten medians where that is longer: films are seen seldom.

Where this differs from Finagle: there the average fades to zero, which calls back who was slow, but
also sends one call after the other to a server that hangs and answers nothing any more.
"""

from bisect import bisect_left, insort
from collections.abc import Callable
from functools import partial
from math import exp
from typing import TypeVar

import msgspec

from contracts.base import ServiceType
from contracts.pool import Attempt, Verdict

Entry = TypeVar("Entry")
FLEET_KEPT = 255
BUCKETS = 10
SAMPLES_KEPT = 16
FAILURE_FACTOR = 10.0
DECAY_S = 10.0
DECAY_MEDIANS = 10.0
KEPT_DECAYS = 3.0
SERVICE_TYPES_MAX = 64
_FIRST_BYTE_MS_MAX = 86_400_000.0


def _distance(home: int, other: int) -> tuple[int, int]:
    return abs(other - home), other


_NEAREST = [sorted(range(BUCKETS), key=partial(_distance, home)) for home in range(BUCKETS)]
"""Every bucket by how near it is to another one; of two, that of fewer exchanges comes first."""


class FleetLatency(msgspec.Struct, kw_only=True, gc=False):
    """The last times to first byte of one service type, whoever answered."""

    recent_ms: list[float] = []
    """A ring of `FLEET_KEPT`; the oldest stands at `oldest`."""
    ordered_ms: list[float] = []
    oldest: int = 0

    def add_time(self, first_byte_ms: float) -> None:
        """Keep one more; the oldest goes."""
        if len(self.recent_ms) < FLEET_KEPT:
            self.recent_ms.append(first_byte_ms)
        else:
            gone = self.recent_ms[self.oldest]
            self.recent_ms[self.oldest] = first_byte_ms
            self.oldest = (self.oldest + 1) % FLEET_KEPT
            del self.ordered_ms[bisect_left(self.ordered_ms, gone)]
        insort(self.ordered_ms, first_byte_ms)

    @property
    def median_ms(self) -> float:
        """The lower median; there is one, since a fleet is kept from its first answer on."""
        return self.ordered_ms[(len(self.ordered_ms) - 1) // 2]


class LatencySample(msgspec.Struct, frozen=True, gc=False):
    """One attempt's time to first byte, or what its failure counts as."""

    at_s: float
    first_byte_ms: float


class LoadBucket(msgspec.Struct, kw_only=True):
    """The last times at about one number of exchanges in flight."""

    samples: list[LatencySample] = []
    """At most `SAMPLES_KEPT`, newest last."""
    _median_ms: float | None = None
    """Found when it is asked for: every call adds a sample, and one strategy alone asks."""

    def add_sample(self, sample: LatencySample) -> None:
        """Keep one more; the oldest goes."""
        self.samples.append(sample)
        del self.samples[:-SAMPLES_KEPT]
        self._median_ms = None

    def recent_median_ms(self, oldest_s: float) -> float | None:
        """The lower median; what is older than `oldest_s` is forgotten, and None says: all is."""
        if self.samples and self.samples[0].at_s < oldest_s:
            self.samples = [sample for sample in self.samples if sample.at_s >= oldest_s]
            self._median_ms = None
        if self._median_ms is None and self.samples:
            times = sorted(sample.first_byte_ms for sample in self.samples)
            self._median_ms = times[(len(times) - 1) // 2]
        return self._median_ms


class ServerLatency(msgspec.Struct, kw_only=True):
    """What one server showed of one service type."""

    ewma_ms: float = 0.0
    """As it was at `seen_s`."""
    seen_s: float = 0.0
    buckets: list[LoadBucket] = msgspec.field(
        default_factory=lambda: [LoadBucket() for _ in range(BUCKETS)]
    )

    def add_sample(self, sample: LatencySample, in_flight: int, median_ms: float) -> None:
        """Take in one more attempt, with `in_flight` exchanges at the server."""
        if sample.first_byte_ms > self.ewma_ms:
            self.ewma_ms = sample.first_byte_ms
        else:
            kept = self._share_kept(sample.at_s, median_ms)
            self.ewma_ms = sample.first_byte_ms + (self.ewma_ms - sample.first_byte_ms) * kept
        self.seen_s = sample.at_s
        self.buckets[bucket_of(in_flight)].add_sample(sample)

    def peak_ewma_ms(self, median_ms: float, now_s: float) -> float:
        """The average as it is worth now, on its way to the fleet's median."""
        return median_ms + (self.ewma_ms - median_ms) * self._share_kept(now_s, median_ms)

    def median_at_ms(self, in_flight: int, median_ms: float, now_s: float) -> float:
        """The median at about so many exchanges; the fleet's where nothing is remembered."""
        oldest_s = now_s - KEPT_DECAYS * decay_s(median_ms)
        for near in _NEAREST[bucket_of(in_flight)]:
            bucket = self.buckets[near]
            # Asked here as well, since most are empty and this is done for every server.
            if bucket.samples:
                remembered_ms = bucket.recent_median_ms(oldest_s)
                if remembered_ms is not None:
                    return remembered_ms
        return median_ms

    def _share_kept(self, now_s: float, median_ms: float) -> float:
        # A log's clock never goes back, but the pool's and the balancer's are two.
        return exp(min(0.0, self.seen_s - now_s) / decay_s(median_ms))


def decay_s(median_ms: float) -> float:
    """How long until a time counts for 1 ÷ e of what it did, where the fleet's median is this."""
    return max(DECAY_S, DECAY_MEDIANS * median_ms / 1000)


def bucket_of(in_flight: int) -> int:
    """Which of the ten lists holds times at `in_flight` exchanges; 0, from older logs, is as 1."""
    return min(max(in_flight, 1).bit_length(), BUCKETS) - 1


def fleet_median_ms(fleet: dict[ServiceType, FleetLatency], service_type: ServiceType) -> float:
    """The median time to first byte of a service type; 0 while nobody has answered."""
    latency = fleet.get(service_type)
    return 0.0 if latency is None else latency.median_ms


def note_attempt(
    fleet: dict[ServiceType, FleetLatency],
    latencies: dict[ServiceType, ServerLatency],
    service_type: ServiceType,
    attempt: Attempt,
    at_s: float,
    *,
    blamed: bool,
) -> None:
    """Take in an attempt at the server that `latencies` are of; `blamed`: it failed, by its fault.

    What was refused for reasons of the client's or the session's says nothing of its server.
    """
    if blamed:
        first_byte_ms = FAILURE_FACTOR * fleet_median_ms(fleet, service_type)
    elif attempt.verdict is Verdict.SUCCESS:
        first_byte_ms = min(attempt.first_byte_ms, _FIRST_BYTE_MS_MAX)
    else:
        return
    if not first_byte_ms > 0:  # nothing was measured, or not a number
        return
    if not blamed:
        bounded_entry(fleet, service_type, FleetLatency).add_time(first_byte_ms)
    sample = LatencySample(at_s, first_byte_ms)
    median_ms = fleet_median_ms(fleet, service_type)
    bounded_entry(latencies, service_type, ServerLatency).add_sample(
        sample, attempt.in_flight, median_ms
    )


def bounded_entry(
    entries: dict[ServiceType, Entry], service_type: ServiceType, kind: Callable[[], Entry]
) -> Entry:
    """What is kept of a service type; of too many the one that came first is forgotten."""
    entry = entries.get(service_type)
    if entry is None:
        if len(entries) >= SERVICE_TYPES_MAX:
            del entries[next(iter(entries))]
        entry = entries[service_type] = kind()
    return entry

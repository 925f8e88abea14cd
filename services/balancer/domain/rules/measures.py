"""What is measured of a service type: the calls of the last minute, and the servers as they stand.

Calls are sampled only while there are rules, within bounds: of the last minute no more than a
thousand of each service type, the latest.
"""

from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from math import ceil

import msgspec

from contracts.base import Instant, ServiceType
from services.balancer.domain.fleet import Member
from services.balancer.domain.rules.conditions import Measure
from services.balancer.domain.standing import ServerStanding

_WINDOW = timedelta(minutes=1)
_SAMPLES_MAX = 1000
_SERVICE_TYPES_MAX = 256
_SHARE = 0.99


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One attempt; `first_byte_ms` is 0 where no answer came."""

    at: Instant
    blamed: bool
    first_byte_ms: float


class CallSamples:
    """The attempts of the last minute, by service type."""

    def __init__(self) -> None:
        """None was made yet."""
        self._by_type: dict[ServiceType, deque[Sample]] = {}

    def note_attempt(
        self, service_type: ServiceType, now: Instant, *, blamed: bool, first_byte_ms: float
    ) -> None:
        """Keep one attempt."""
        samples = self._by_type.get(service_type)
        if samples is None:
            if len(self._by_type) >= _SERVICE_TYPES_MAX:
                self._by_type.clear()
            samples = self._by_type[service_type] = deque(maxlen=_SAMPLES_MAX)
        samples.append(Sample(now, blamed, first_byte_ms))

    def forget_all(self) -> None:
        """Keep nothing: nobody asks."""
        self._by_type.clear()

    def recent(self, service_type: ServiceType, now: Instant) -> deque[Sample]:
        """Those of the last minute; older ones are let go."""
        samples = self._by_type.get(service_type, deque())
        while samples and now - samples[0].at > _WINDOW:
            samples.popleft()
        return samples


def measure_value(
    measure: Measure,
    service_type: ServiceType,
    samples: CallSamples,
    servers: Iterable[tuple[Member, ServerStanding]],
    now: Instant,
) -> float | None:
    """Measure a service type; None where there is nothing to measure."""
    if measure == "failure_rate":
        recent = samples.recent(service_type, now)
        return sum(sample.blamed for sample in recent) / len(recent) if recent else None
    if measure == "p99_s":
        answered = sorted(
            sample.first_byte_ms
            for sample in samples.recent(service_type, now)
            if sample.first_byte_ms > 0
        )
        return answered[ceil(_SHARE * len(answered)) - 1] / 1000 if answered else None
    able = [pair for pair in servers if pair[0].can_do(service_type)]
    well = [
        standing
        for member, standing in able
        if member.is_usable and member.ejection_of(service_type) is None
    ]
    if not able:
        return None
    if measure == "out":
        return 1 - len(well) / len(able)
    limit = sum(standing.max_sessions for standing in well)
    return sum(standing.in_flight for standing in well) / limit if limit else 1.0

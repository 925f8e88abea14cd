"""What is known outside the pool: by backends of units, by gateways of leases and of who waits."""

from collections import Counter

from contracts.base import LeaseId, ServiceType
from contracts.pool import UsageRecorded


class Wait:
    """One call that waits for a lease, and would take any session: for what, since when."""

    __slots__ = ("began_at", "ended_at", "heard", "service_type", "units")

    def __init__(self, began_at: float, service_type: ServiceType, units: int) -> None:
        """`began_at`: when the pool said so first, in seconds of the run."""
        self.began_at = began_at
        self.ended_at = float("inf")
        self.service_type = service_type
        self.units = units
        self.heard: list[tuple[float, float]] = []
        """When the pool was asked for it, and when it said to wait, each time that it did."""

    def end(self, at: float) -> None:
        """It has its lease, or its refusal, or nobody waits any more."""
        self.ended_at = min(self.ended_at, at)

    def heard_until(self, since: float, every_s: float) -> float:
        """Tell until when the pool heard of it without a gap, from `since` on."""
        last = since
        for _, told_at in self.heard:
            if told_at > last + every_s:
                break
            last = max(last, told_at)
        return min(last, self.ended_at)

    def waited_at(self, at: float, recently_s: float) -> bool:
        """Whether it was waiting at a moment, and had been told to within so many seconds."""
        return at < self.ended_at and any(
            at - recently_s < asked_at and told_at < at for asked_at, told_at in self.heard
        )


class Ledger:
    """What backends and gateways of one run have written down."""

    def __init__(self) -> None:
        self.accepted: Counter[tuple[str, str, str]] = Counter()
        """Units done, by session, type and quota day: a backend counts what it accepts."""
        self.done: Counter[str] = Counter()
        """The same by lease."""
        self.granted: dict[LeaseId, str] = {}
        self.journalled: dict[LeaseId, UsageRecorded] = {}
        """Ends that rode on a question which was answered: so they are in the log."""
        self.recorded: dict[LeaseId, tuple[str, UsageRecorded]] = {}
        """Ends that a gateway's life has kept to be told."""
        self.answers: Counter[str] = Counter()
        self.waits: dict[LeaseId, Wait] = {}
        """Those who would take any session, by the lease they wait for."""
        self.busy = False
        """Exchanges take long, so that calls have to wait for each other."""

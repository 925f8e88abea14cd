"""What the pool counts and measures, for `/metrics`."""

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.base import ServiceType
from contracts.pool import (
    CheckRecorded,
    LeaseCancelled,
    LeaseExpired,
    LeaseGranted,
    LeaseReconciled,
    LeaseRefused,
    Outcome,
    PoolEvent,
    SessionRequested,
    SessionRetired,
    UsageRecorded,
)
from services.pool.domain.leading.line import WaitingLine

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_WAIT_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Metrics:
    """One registry, and the instruments in it."""

    def __init__(self) -> None:
        """Register everything under `tidegate_pool_`."""
        self.registry = CollectorRegistry()
        self._waiting: dict[ServiceType, int] = {}
        """How many wait of which type, as it was told last."""
        self.granted = self._counter("leases_granted", "Leases granted.", "service_type")
        self.refused = self._counter("leases_refused", "Refusals.", "service_type", "reason")
        self.ended = self._counter("leases_ended", "Ends of leases.", "outcome")
        self.unjournalled = self._counter(
            "commands_unjournalled", "Commands turned away before any decision.", "reason"
        )
        self.unknown = self._gauge("unknown_events", "Events of an unknown tag in the fold.")
        self.doubted = self._gauge(
            "sessions_doubted", "Sessions tried after all others: failures speak against them."
        )
        self.logins_refused = self._gauge(
            "logins_refused", "1 while every session is suspect or disabled, by what servers say."
        )
        self.violations = self._gauge("violations", "What should never be, seen by the fold.")
        self.decided_again = self._counter("decided_again", "Batches that a fence made void.")
        self.commit_size = self._histogram("commit_commands", "Commands in one envelope.", _SIZES)
        self.commit_seconds = self._histogram(
            "commit_seconds", "From decision to acknowledgement.", _SECONDS
        )
        self.queued = self._gauge("queued_commands", "Commands not yet answered.")
        self.waiting = self._gauge("waiting", "Requests that wait for a session.")
        self.waiting_by_type = Gauge(
            "tidegate_pool_waiting_by_type",
            "Requests that wait for a session, by service type.",
            ["service_type"],
            registry=self.registry,
        )
        self.wait_seconds = Histogram(
            "tidegate_pool_wait_seconds",
            "How long requests waited for a session, by how that ended: granted, left (the client"
            " or its gateway gave up), deadline, hopeless, unheard, full, dropped.",
            ["service_type", "end"],
            buckets=_WAIT_SECONDS,
            registry=self.registry,
        )
        self.leading = self._gauge("leading", "1 while this process leads its shard.")
        self.sequence = self._gauge("log_sequence", "Log sequence of the fold.")
        self.unwritable = self._gauge(
            "log_unwritable_seconds", "How long the log has taken no write; 0 below ten."
        )
        self.places = self._gauge("places", "Sessions neither retired nor disabled.")
        self.growth_held = self._gauge(
            "growth_held", "1 while sessions are lacking and none is asked for."
        )
        self.stale_retired = self._counter(
            "stale_sessions_retired", "Sessions that retired because they were not used."
        )
        self.checks = self._counter(
            "account_checks", "Accounts asked after, by what was said.", "judged"
        )
        self.snapshots = self._counter(
            "snapshots", "Snapshots that this process had made, or not, and why.", "result"
        )
        self.snapshot_sequence = self._gauge(
            "snapshot_sequence", "Log sequence of the newest snapshot, as last looked at."
        )
        self.full = self._gauge("log_full", "1 past 90 % of the log's bound.")

    def count_waits(self, line: WaitingLine) -> None:
        """Count the waits that ended since the last time, and those that go on."""
        for wait in line.over:
            self.wait_seconds.labels(wait.service_type, wait.how).observe(wait.seconds)
        line.over.clear()
        waiting = {name: lanes.waiting for name, lanes in line.lanes.items()}
        if waiting != self._waiting:
            for service_type in waiting.keys() | self._waiting.keys():
                count = waiting.get(service_type, 0)
                self.waiting_by_type.labels(service_type).set(count)
            self._waiting = waiting

    def count_events(self, events: Sequence[PoolEvent]) -> None:
        """Count what one envelope says of leases."""
        tally: Tally[tuple[Counter, tuple[str, ...]]] = Tally()
        for event in events:
            match event:
                case SessionRequested():
                    pass
                case LeaseGranted():
                    tally[self.granted, (event.service_type,)] += 1
                case UsageRecorded():
                    tally[self.ended, (event.outcome,)] += 1
                case LeaseRefused():
                    tally[self.refused, (event.service_type, event.reason)] += event.count
                case LeaseCancelled():
                    tally[self.ended, (Outcome.CANCELLED,)] += bool(event.session_id)
                case LeaseExpired():
                    tally[self.ended, (Outcome.EXPIRED,)] += 1
                case LeaseReconciled():
                    tally[self.ended, ("reconciled",)] += 1
                case _:
                    tally.update(self._upkeep_tally(event))
        for (counter, labels), count in tally.items():
            (counter.labels(*labels) if labels else counter).inc(count)

    def _upkeep_tally(self, event: PoolEvent) -> dict[tuple[Counter, tuple[str, ...]], int]:
        """Count what one event says of how the pool is kept."""
        match event:
            case CheckRecorded():
                return {(self.checks, (event.judged,)): 1}
            case SessionRetired(by_pool=True):
                return {(self.stale_retired, ()): 1}
            case _:
                return {}

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"tidegate_pool_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str) -> Gauge:
        return Gauge(f"tidegate_pool_{name}", help_text, registry=self.registry)

    def _histogram(self, name: str, help_text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(
            f"tidegate_pool_{name}", help_text, buckets=buckets, registry=self.registry
        )

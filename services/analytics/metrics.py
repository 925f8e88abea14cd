"""What the process counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.analytics.domain.fold import RowBatch

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The registry of one process and what stands in it."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        self.checkpoint = self._gauge("checkpoint", "Log sequence up to which rows are stored")
        self.lag = self._gauge("lag_messages", "Log messages behind the checkpoint")
        self.events = self._counter("events", "Events projected")
        self.envelopes = self._counter("envelopes", "Envelopes projected")
        self.rows = self._counter("rows", "Rows written, rollups included")
        self.rebuilds = self._counter("rebuilds", "Times the projection began anew")
        self.failures = self._counter("batch_failures", "Batches that failed and were taken again")
        self.set_aside = self._counter(
            "set_aside", "Events, and whole envelopes, that no row holds: see the view anomalies"
        )
        self.unknown = Counter(
            "tidegate_analytics_unknown_events",
            "Events this version cannot read, by tag",
            ["tag"],
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "tidegate_analytics_batch_seconds",
            "Time to write and commit a batch",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.question_seconds = Histogram(
            "tidegate_analytics_question_seconds",
            "Time to answer, by named query (sql: the caller's own)",
            ["name"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.sql_copy_seconds = Histogram(
            "tidegate_analytics_sql_copy_seconds",
            "Time to copy the file for the process that answers SQL; commits wait for it",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.sql_killed = Counter(
            "tidegate_analytics_sql_killed",
            "Processes that answered SQL and were given up: time, memory, or ended by themselves",
            ["why"],
            registry=self.registry,
        )
        self.refused = self._counter("questions_refused", "Questions answered by a refusal")

    def count_batch(self, batch: RowBatch, rows: int, seconds: float) -> None:
        """Count a committed batch: the `rows` it became, in so many `seconds`."""
        self.batch_seconds.observe(seconds)
        self.envelopes.inc(batch.envelopes)
        self.events.inc(batch.events)
        self.rows.inc(rows)
        self.set_aside.inc(batch.set_aside)
        for tag, count in batch.unknown.items():
            self.unknown.labels(tag).inc(count)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"tidegate_analytics_{name}", meaning, registry=self.registry)

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(f"tidegate_analytics_{name}", meaning, registry=self.registry)

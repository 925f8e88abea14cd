"""What a gateway counts; documented in docs/reference/metrics.md."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.02, 0.1, 0.5, 2, 10, 30, 120, 600)


class Metrics:
    """The counters of one gateway process, in a registry of its own.

    The children that every request touches are kept by their labels: finding one costs more
    than counting.
    """

    def __init__(self) -> None:
        """Register everything at zero."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tidegate_gateway_requests",
            "Generation requests answered, by service type and status (0: client gone).",
            ["service_type", "status"],
            registry=self.registry,
        )
        self.errors = Counter(
            "tidegate_gateway_errors",
            "Errors given to clients, by code.",
            ["code"],
            registry=self.registry,
        )
        self.attempts = Counter(
            "tidegate_gateway_attempts",
            "Attempts at servers, by server and verdict.",
            ["server_id", "verdict"],
            registry=self.registry,
        )
        self.not_accepted = Counter(
            "tidegate_gateway_not_accepted",
            "Attempts of which the server said that nothing was submitted, by server.",
            ["server_id"],
            registry=self.registry,
        )
        self.echoed = Counter(
            "tidegate_gateway_credentials_echoed",
            "Answers that repeated the credential that was sent: concealed, or cut; by server.",
            ["server_id"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "tidegate_gateway_request_seconds",
            "Duration of generation requests.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.models_cache = Counter(
            "tidegate_gateway_models_cache",
            "Answers to /v1/models, by where they came from (hit, miss).",
            ["result"],
            registry=self.registry,
        )
        self._register_gauges()
        self._answered: dict[tuple[str, int], Counter] = {}
        self._attempted: dict[tuple[str, str], Counter] = {}

    def _register_gauges(self) -> None:
        """Register what is read where the figures are."""
        self.open = Gauge(
            "tidegate_gateway_open_exchanges",
            "Exchanges with servers under way.",
            registry=self.registry,
        )
        self.unacknowledged = Gauge(
            "tidegate_gateway_unacknowledged",
            "Usages and cancellations the pool has not yet acknowledged.",
            registry=self.registry,
        )
        self.batches = Gauge(
            "tidegate_gateway_coalesced_batches",
            "Batches sent, by question.",
            ["question"],
            registry=self.registry,
        )
        self.items = Gauge(
            "tidegate_gateway_coalesced_items",
            "Questions that travelled in batches, by question.",
            ["question"],
            registry=self.registry,
        )
        self.unknown = Gauge(
            "tidegate_gateway_unknown_events",
            "Events of an unknown tag in the log of keys.",
            registry=self.registry,
        )
        self._register_connections()

    def _register_connections(self) -> None:
        """Register the gauges of the clients' connections."""
        self.connections = Gauge(
            "tidegate_gateway_connections",
            "Connections of clients.",
            registry=self.registry,
        )
        self.turned_away = Gauge(
            "tidegate_gateway_connections_turned_away",
            "Connections refused since the start: none was free, or too many of one address.",
            registry=self.registry,
        )
        self.too_slow = Gauge(
            "tidegate_gateway_connections_overdue",
            "Connections ended since the start for what their clients did not send or take.",
            registry=self.registry,
        )

    def record_answer(self, service_type: str, status: int, seconds: float) -> None:
        """Count one answer (status 0: the client was gone)."""
        child = self._answered.get((service_type, status))
        if child is None:
            child = self._answered[service_type, status] = self.requests.labels(
                service_type, status
            )
        child.inc()
        self.seconds.observe(seconds)

    def record_attempt(self, server_id: str, verdict: str) -> None:
        """Count one attempt by server and verdict; their label is looked up once, for it costs."""
        child = self._attempted.get((server_id, verdict))
        if child is None:
            child = self._attempted[server_id, verdict] = self.attempts.labels(server_id, verdict)
        child.inc()

"""What Prometheus is told of the balancer."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from contracts.balancer import BalancerEvent, NoServer, Selected, ServerEjected
from contracts.base import ServerId, ServiceType
from runtime.clock import system_clock
from services.balancer.domain import Balancer, server_views, state_troubles


class Metrics(Collector):
    """Counters of what was answered, and gauges read from the state when somebody asks."""

    def __init__(self, balancer: Balancer) -> None:
        """Register everything in a registry of this process's own."""
        self.registry = CollectorRegistry()
        self.leading = False
        self._balancer = balancer
        self._selections = Counter(
            "tidegate_balancer_selections",
            "Servers named, by server and strategy.",
            ["server", "strategy"],
            registry=self.registry,
        )
        self._refused = Counter(
            "tidegate_balancer_refused",
            "Selections for which there was no server, by service type.",
            ["service_type"],
            registry=self.registry,
        )
        self._probes = Counter(
            "tidegate_balancer_probes",
            "Probes, by server and result.",
            ["server", "result"],
            registry=self.registry,
        )
        self._ejections = Counter(
            "tidegate_balancer_ejections",
            "Ejections, by server.",
            ["server"],
            registry=self.registry,
        )
        self._named: dict[tuple[str, str], Counter] = {}
        self.registry.register(self)

    def count_selection(self, answer: Selected | NoServer, service_type: ServiceType) -> None:
        """Count one selection."""
        if isinstance(answer, NoServer):
            self._refused.labels(service_type).inc()
            return
        by = answer.server_id, answer.strategy
        counter = self._named.get(by)
        if counter is None:
            counter = self._named[by] = self._selections.labels(*by)
        counter.inc()

    def count_probe(self, server_id: ServerId, failure: str | None) -> None:
        """Count one probe; `failure` is None for a good one."""
        self._probes.labels(server_id, "good" if failure is None else "bad").inc()

    def count_events(self, events: Sequence[BalancerEvent]) -> None:
        """Count the ejections among the events of a commit."""
        for event in events:
            if isinstance(event, ServerEjected):
                self._ejections.labels(event.server_id).inc()

    def collect(self) -> Iterable[Metric]:
        """Read the gauges."""
        leading = GaugeMetricFamily("tidegate_balancer_leading", "1 while this process leads.")
        leading.add_metric([], float(self.leading))
        yield leading
        in_flight = GaugeMetricFamily(
            "tidegate_balancer_in_flight", "Exchanges in flight, by server.", labels=["server"]
        )
        up = GaugeMetricFamily(
            "tidegate_balancer_server_up", "1 while up and not ejected.", labels=["server"]
        )
        for member, standing in self._balancer.member_standings():
            in_flight.add_metric([standing.server_id], standing.in_flight)
            up.add_metric([standing.server_id], float(member.is_healthy))
        yield in_flight
        yield up
        yield from self._server_states()
        unknown = GaugeMetricFamily(
            "tidegate_balancer_unknown_events", "Events of an unknown tag in what it read."
        )
        unknown.add_metric([], float(self._balancer.unknown_events))
        yield unknown

    def _server_states(self) -> Iterable[Metric]:
        """Say in which state each server is and why, as `servers list` does."""
        states = GaugeMetricFamily(
            "tidegate_balancer_server_state",
            "1 for the state that a server is in: up, down, ejected, half_open, slow_start, silent"
            " or draining.",
            labels=["server", "state"],
        )
        reasons = GaugeMetricFamily(
            "tidegate_balancer_server_reason",
            "1 for the state and the reason of each server that is not simply up, for all service"
            " types (`service_type` empty) or for one.",
            labels=["server", "service_type", "state", "reason"],
        )
        back_in_s = GaugeMetricFamily(
            "tidegate_balancer_back_in_seconds",
            "How soon an ejection of a server, or of one service type of it, is over.",
            labels=["server", "service_type"],
        )
        now = system_clock()
        for view in server_views(self._balancer, now):
            states.add_metric([view.server.server_id, view.state], 1.0)
        for trouble in state_troubles(self._balancer, now):
            of = [trouble.server_id, trouble.service_type]
            reasons.add_metric([*of, trouble.state, trouble.reason], 1.0)
            if trouble.back_in_s is not None:
                back_in_s.add_metric(of, trouble.back_in_s)
        return [states, reasons, back_in_s]

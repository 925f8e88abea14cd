"""One server as it stands now: what strategies rank by, and what probes and outcomes showed."""

from datetime import timedelta

import msgspec
from msgspec.structs import replace

from contracts.balancer import Server
from contracts.base import Instant, ServerId, ServiceType, SessionId
from runtime.geography.regions import region_named
from services.balancer.domain.fleet.ejection import Ejection, warm_part
from services.balancer.domain.latency import ServerLatency
from services.balancer.strategies import Criteria

ANY_BREADTH = 100
"""A server that names no capability does every service type: the broadest there is."""
_ALL = ServiceType("")
_SPAN = timedelta(minutes=1)
_SPANS_KEPT = 5


class AttemptSpan(msgspec.Struct, kw_only=True, gc=False):
    """Attempts of one minute."""

    began_at: Instant
    attempts: int = 0
    blamed: int = 0
    answered: int = 0
    answered_ms: float = 0.0


class CallResult(msgspec.Struct, frozen=True, gc=False):
    """How one attempt ended that says something of its server."""

    at: Instant
    session_id: SessionId
    failed: bool
    costs_unit: bool
    """Whether its unit may be lost; never where nothing was sent."""
    first_byte_ms: float = 0.0


class Streak(msgspec.Struct, kw_only=True):
    """Failures in a row, since the last call that was answered."""

    failures: int = 0
    costs_units: bool = False
    sessions: set[SessionId] = msgspec.field(default_factory=set)
    service_types: set[ServiceType] = msgspec.field(default_factory=set)
    on_probation: bool = False
    """It comes back from an ejection: the next failure puts it out, whoever's session it was."""


def moved_trial(streak: Streak, more: int) -> Streak:
    """Leave a trial as far from the next ejection as it was, where that takes so many more."""
    return replace(streak, failures=streak.failures + more) if streak.on_probation else streak


class Pace(msgspec.Struct, kw_only=True, gc=False):
    """How far apart calls of one service type are kept."""

    apart: timedelta
    next_at: Instant


class ServerStanding(msgspec.Struct, kw_only=True):
    """A server and its present load; changes with every selection, and is in no event."""

    server_id: ServerId
    server: Server
    priority: int = 1
    weight: int = 1
    breadth: int = ANY_BREADTH
    max_sessions: int = 1
    region: str = ""
    """As `runtime.geography` names it."""
    serves: frozenset[str] = frozenset()
    """Regions of sessions; empty: it serves every one."""
    in_flight: int = 0
    open_of: dict[ServiceType, int] | None = None
    """Exchanges of each service type that began in its present term, and of all of them under the
    empty one; counted only while something restrains it (`inflight.count_open`)."""
    terms: dict[ServiceType, int] = {}
    """One more with each ejection of a service type, or of all, and each return: see `term_of`."""
    terms_since: dict[ServiceType, Instant] = {}
    """When the last of each began, by the log."""
    restrained: bool = False
    """Whether it may take fewer exchanges than its bound; how many, `health.restraint` says."""
    turn: int = 0
    credit: int = 0
    probes_failed: int = 0
    """In a row."""
    probe_failure: str | None = None
    """What failed at the last probe; None when it was good."""
    answers_probes: bool = False
    """The last probe was good, and nothing has spoken against the server since."""
    unreachable: int = 0
    """Connections in a row that gateways could not make."""
    probed_at: list[Instant] = []
    """When the last good probes were, newest last; a bad one takes them all away."""
    answered_at: Instant | None = None
    """When it last answered a call."""
    streaks: dict[ServiceType, Streak] = {}
    """Failures in a row by service type, and of any under the empty one; only while there are."""
    recent: dict[ServiceType, list[CallResult]] = {}
    """The last outcomes of each service type."""
    warming: dict[ServiceType, Ejection] = {}
    """Slow starts; that of all service types, under the empty one, scales the bounds."""
    paces: dict[ServiceType, Pace] = {}
    """Of the service types that risk control has slowed down here."""
    spans: list[AttemptSpan] = []
    """The last minutes, newest last."""
    latencies: dict[ServiceType, ServerLatency] = {}
    """Of the service types that were tried here."""

    def serve_as(self, server: Server) -> None:
        """Take the server's present configuration; another address is another server."""
        if server.url != self.server.url:
            self.forget_all()
        self.server = server
        self.priority = server.priority
        self.weight = server.weight
        self.breadth = len(server.capabilities) or ANY_BREADTH
        self.max_sessions = server.max_sessions
        self.region = region_named(server.region)
        self.serves = frozenset(server.serves)

    def term_of(self, service_type: ServiceType) -> int:
        """Number the times of a service type: what began in another says nothing of this one."""
        if not self.terms:  # it never went out
            return 0
        return self.terms.get(_ALL, 0) + self.terms.get(service_type, 0)

    def since_of(self, service_type: ServiceType) -> Instant | None:
        """When the present term of a service type began; None: it never went out."""
        of_all, of_type = self.terms_since.get(_ALL), self.terms_since.get(service_type)
        if of_all is None or of_type is None:
            return of_all or of_type
        return max(of_all, of_type)

    def forget_all(self) -> None:
        """Drop what was seen of the server, as when it moved; what is open is of before, too."""
        self._begin_term(_ALL)
        self.warming = {}
        self.probes_failed = 0
        self.probe_failure = None
        self.answers_probes = False
        self.unreachable = 0
        self.probed_at = []
        self.answered_at = None
        self.streaks = {}
        self.recent = {}
        self.paces = {}
        self.spans = []
        self.latencies = {}
        self.restrained = False

    def peak_ewma_ms(self, criteria: Criteria) -> float:
        """Average time to first byte, remembering peaks; the fleet's median of what is unknown."""
        latency = self.latencies.get(criteria.service_type)
        if latency is None:
            return criteria.median_ms
        return latency.peak_ewma_ms(criteria.median_ms, criteria.now_s)

    def median_at_ms(self, in_flight: int, criteria: Criteria) -> float:
        """Median time to first byte at about so many exchanges; the fleet's of what is unknown."""
        latency = self.latencies.get(criteria.service_type)
        if latency is None:
            return criteria.median_ms
        return latency.median_at_ms(in_flight, criteria.median_ms, criteria.now_s)

    def count_attempt(self, now: Instant, *, blamed: bool, answer_ms: float | None) -> None:
        """Count one attempt; `answer_ms` is None when no answer came."""
        if not self.spans or now - self.spans[-1].began_at >= _SPAN:
            # A span begins with its first attempt: a quiet server keeps old ones, and
            # `_recent_spans` passes over them.
            self.spans = [*self.spans[1 - _SPANS_KEPT :], AttemptSpan(began_at=now)]
        span = self.spans[-1]
        span.attempts += 1
        span.blamed += blamed
        if answer_ms is not None:
            span.answered += 1
            span.answered_ms += answer_ms

    def note_restraint(self) -> None:
        """Note whether anything restrains it, after whatever may have changed that."""
        self.restrained = bool(self.streaks or self.paces or self.warming)
        if not self.restrained:
            self.open_of = None

    def on_ejection(
        self, service_type: ServiceType, ejection: Ejection, consecutive_failures: int
    ) -> None:
        """Take in how far it is back from an ejection of this service type, or of all."""
        if ejection.state == "slow_start" and not ejection.unproven:
            self._forget_outcomes(service_type)
            if ejection.slow_start_s:
                self.warming[service_type] = ejection
            self.note_restraint()
            return
        self._begin_term(service_type)
        if ejection.since is not None:
            self.terms_since = {**self.terms_since, service_type: ejection.since}
        self._forget_outcomes(service_type)
        if ejection.state != "ejected":
            # One failure short of the next ejection: so there is one call at a time.
            self.streaks[service_type] = Streak(
                failures=consecutive_failures - 1,
                costs_units=ejection.costs_units,
                on_probation=True,
            )
        self.note_restraint()

    def move_trials(self, more: int) -> None:
        """Let trials be as far from the next ejection as before, where it takes so many more."""
        self.streaks = {key: moved_trial(streak, more) for key, streak in self.streaks.items()}

    def warm_up(self, now: Instant) -> None:
        """Let its bounds grow as far as a slow start has come; what is over is forgotten."""
        whole = self.warming.get(_ALL)
        share = 1.0 if whole is None else whole.warm_share(now)
        self.max_sessions = warm_part(self.server.max_sessions, share)
        self.weight = warm_part(self.server.weight, share)
        for service_type in [*self.warming]:
            if self.warming[service_type].state_at(now) == "over":
                del self.warming[service_type]
        self.note_restraint()

    def _begin_term(self, service_type: ServiceType) -> None:
        """Let what is open of a type, or of all, be of before: it says nothing of after."""
        self.terms = {**self.terms, service_type: self.terms.get(service_type, 0) + 1}
        self.open_of = None

    def _forget_outcomes(self, service_type: ServiceType) -> None:
        """Drop the counts of a type, or of all; trials of others stand until they are decided."""
        self.warming.pop(service_type, None)
        # Streaks of all are of this type, too; a streak of another type stands.
        concerned = [*self.streaks] if service_type == _ALL else [_ALL, service_type]
        for key in concerned:
            streak = self.streaks.get(key)
            if streak is not None and (key == service_type or not streak.on_probation):
                del self.streaks[key]
        if service_type == _ALL:
            self.recent.clear()
        else:
            self.recent.pop(service_type, None)

    def attempts(self, now: Instant) -> int:
        """Count the attempts of the last minutes."""
        return sum(span.attempts for span in self._recent_spans(now))

    def avg_response_ms(self, now: Instant) -> float:
        """Mean time of the answers of the last minutes; 0 without any."""
        recent = self._recent_spans(now)
        answered = sum(span.answered for span in recent)
        return sum(span.answered_ms for span in recent) / answered if answered else 0.0

    def success_rate(self, now: Instant) -> float:
        """Share of the last minutes' attempts for which the server was not to blame."""
        recent = self._recent_spans(now)
        attempts = sum(span.attempts for span in recent)
        return 1 - sum(span.blamed for span in recent) / attempts if attempts else 1.0

    def _recent_spans(self, now: Instant) -> list[AttemptSpan]:
        oldest = now - _SPAN * _SPANS_KEPT
        return [span for span in self.spans if span.began_at > oldest]

"""The balancer's whole state: the fleet of the log, and what is open at whom right now."""

from collections import OrderedDict
from collections.abc import Callable, Mapping

import msgspec

from contracts.balancer import HeldConfiguration, Selected, Server, StrategyFailed
from contracts.base import Event, GatewayId, Instant, LeaseId, ServerId, ServiceType, SessionId
from contracts.events import UnknownEvent
from contracts.pool import Candidate
from services.balancer.domain.bounds import HealthBounds
from services.balancer.domain.fleet import EjectionEvent, Fleet, Member, evolve
from services.balancer.domain.latency import FirstBytes, FleetLatency
from services.balancer.domain.rules import RuleWatch
from services.balancer.domain.standing import ServerStanding
from services.balancer.strategies import Strategy, is_custom, no_chance


class Placement(msgspec.Struct, kw_only=True):
    """A lease at the server that was named for it: one exchange in flight.

    `answer` is None while no server could be named; then nothing is in flight, and the placement
    only remembers whose failure was counted.
    """

    gateway_id: GatewayId
    deadline: Instant
    service_type: ServiceType = ServiceType("")
    began_at: Instant
    term: int = 0
    """The server's term of its service type in which the exchange began."""
    answer: Selected | None = None
    failed_at: ServerId = ServerId("")
    """The server whose failure the last selection reported."""
    reported: frozenset[ServerId] = frozenset()
    """All of those: the lease's end tells of them once more."""
    lost: bool = False
    """Nothing is heard of its gateway any more: nobody waits for its answer."""


class Inheritance(msgspec.Struct, kw_only=True):
    """What one gateway said last, and its exchanges that an earlier leader placed."""

    until: Instant
    said_at: Instant
    said: Mapping[ServerId, int] = {}
    """How many exchanges it had open at each server."""
    most: dict[ServerId, int] = {}
    """More cannot be left of an earlier leader's: no report had fewer open."""
    open: dict[ServerId, int] = {}
    """Those counted in flight now."""


class Options(msgspec.Struct, frozen=True):
    """Who may do a service type, load aside; and why the others may not."""

    able: list[ServerStanding]
    out: list[Candidate]
    """Who could do it, and is drained, ejected, silent or down."""
    unable: list[Candidate]
    """Who never does it."""
    shortage: str | None
    """Why there is nobody able; None when there is somebody."""
    levels: list[int]
    """Those of the able, lowest first; none where all have one."""
    strategy_name: str
    strategy: Strategy
    """Who chooses among those able: whatever changes that changes the fleet."""
    reads_criteria: bool
    """Whether that depends on the call."""


class Balancer(msgspec.Struct, kw_only=True):
    """Changed in place by the one process that leads; `fleet` follows from the log alone."""

    fleet: Fleet = Fleet()
    standings: dict[ServerId, ServerStanding] = {}
    placements: dict[LeaseId, Placement] = {}
    ended: OrderedDict[LeaseId, None] = msgspec.field(default_factory=OrderedDict)
    """Leases whose end was seen lately, oldest first: a late selection puts none in flight."""
    placed: dict[tuple[GatewayId, ServerId], int] = {}
    """How many placements of each gateway name each server."""
    inherited: dict[GatewayId, Inheritance] = {}
    options: dict[ServiceType, Options] = {}
    """Kept until the fleet changes."""
    bounds: HealthBounds = HealthBounds()
    accused: dict[ServerId, None] = {}
    """Servers of which the pool said that they called several logins expired."""
    doubted: dict[SessionId, None] = {}
    """Sessions that the pool doubts: their failures say nothing of servers."""
    warming: set[ServerId] = set()
    """Servers that start slowly."""
    first_bytes: dict[ServiceType, FirstBytes] = {}
    """How long the fleet's answers take to begin."""
    latencies: dict[ServiceType, FleetLatency] = {}
    """How long the fleet takes to the first byte; each server's own is in its standing."""
    held_configuration: HeldConfiguration | None = None
    """The configuration that waits for an operator's word."""
    open_to: frozenset[str] | None = None
    """Where sessions are made up for the demo: the addresses of its servers; else None."""
    service_types: frozenset[str] | None = None
    """Those that are configured; None: nobody said."""
    chance: Callable[[], float] = no_chance
    """From 0 up to 1, for strategies that leave something to it."""
    rule_watch: RuleWatch = msgspec.field(default_factory=RuleWatch)
    """Since when measures speak for or against rules."""
    turn: int = 0
    asks_own: bool = False
    """Whether a strategy in force is an operator's own."""
    strategies_failed: dict[str, tuple[StrategyFailed, Instant]] = {}
    """What the log says last of each that is in force and failed, and when."""
    unknown_events: int = 0
    """Events of a later version, of this log and of the pool's, that were skipped."""
    skipped: set[str] = set()
    """Their tags, of this log alone."""

    def judge_by(self, bounds: HealthBounds) -> None:
        """Let health be judged by these bounds; who is on trial stays one failure short."""
        more = bounds.failures_max - self.bounds.failures_max
        self.bounds = bounds
        for standing in self.standings.values():
            standing.move_trials(more)

    def take_event(self, event: Event, at: Instant | None = None) -> None:
        """Fold one event of `evt.balancer`, of an envelope of the time `at`."""
        if isinstance(event, StrategyFailed) and at is not None:
            self._note_failed_strategy(event, at)
        if isinstance(event, UnknownEvent):
            self.unknown_events += 1
            self.skipped.add(event.tag)
        fleet = evolve(self.fleet, event, at)
        if fleet is self.fleet:  # an election, say: `options` stay as they are
            return
        before, self.fleet = self.fleet, fleet
        self.options = {}
        self.asks_own = any(map(is_custom, fleet.strategies_in_force()))
        for server_id, member in fleet.members.items():
            standing = self.standings.get(server_id)
            if standing is None:
                self.standings[server_id] = _new_standing(member.server)
                continue
            if server_id not in before.members:  # removed, and added again before it was idle
                standing.forget_all()
            standing.serve_as(member.server)
        # Kept until it is idle: its exchanges are still to be left.
        for server_id in [*self.standings]:
            if server_id not in fleet.members and not self.standings[server_id].in_flight:
                del self.standings[server_id]
        if isinstance(event, EjectionEvent):
            self._on_ejection(event.server_id, event.service_type)

    def _note_failed_strategy(self, event: StrategyFailed, at: Instant) -> None:
        """Remember it; of those that are not in force any more nobody asks."""
        in_force = self.fleet.strategies_in_force()
        before = self.strategies_failed.items()
        still_there = {name: failure for name, failure in before if name in in_force}
        self.strategies_failed = {**still_there, event.strategy: (event, at)}

    def start_anew(self) -> None:
        """Drop what is in no event: a process that takes the lead knows nothing else."""
        self.placements = {}
        self.ended = OrderedDict()
        self.placed = {}
        self.inherited = {}
        self.options = {}
        self.latencies = {}
        self.held_configuration = None
        self.rule_watch = RuleWatch()
        self.standings = {
            server_id: _new_standing(member.server)
            for server_id, member in self.fleet.members.items()
        }
        self.accused = {}
        self.doubted = {}
        self.warming = set()
        for server_id, member in self.fleet.members.items():
            for service_type in member.ejections:
                self._on_ejection(server_id, service_type)

    def _on_ejection(self, server_id: ServerId, service_type: ServiceType) -> None:
        """Let the counts follow what the log says of an ejection."""
        standing = self.standings[server_id]
        ejection = self.fleet.members[server_id].ejections[service_type]
        standing.on_ejection(service_type, ejection, self.bounds.failures_max)
        self.accused.pop(server_id, None)
        if standing.warming:
            self.warming.add(server_id)

    def member_standings(self) -> list[tuple[Member, ServerStanding]]:
        """Every server of the fleet with its standing."""
        return [
            (member, self.standings[server_id]) for server_id, member in self.fleet.members.items()
        ]


def _new_standing(server: Server) -> ServerStanding:
    standing = ServerStanding(server_id=server.server_id, server=server)
    standing.serve_as(server)
    return standing

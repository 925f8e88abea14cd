"""A fleet at work: calls on record go where the balancer's own code sends them.

One heap of happenings, by time: a call arrives and is selected for; it is done, fails or is given
up at its deadline; a little later its end is in the pool's log, from which the balancer learns; a
server's cores change. Nothing reads a clock, and all chance is drawn before or from one seed.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random

from contracts.balancer import (
    Health,
    Selected,
    SelectServer,
    Server,
    ServerAdded,
    ServerHealthChanged,
    StrategyChanged,
)
from contracts.base import GatewayId, LeaseId, RequestId, ServerId, ServiceType, SessionId, WriterId
from contracts.envelope import Envelope
from contracts.pool import Attempt, Outcome, UsageRecorded, Verdict
from services.balancer.domain import Balancer, observe_envelope, select_server
from tests.moments import NOON
from tests.simulation.balancer.server import Kind, SimServer

LOG_S = 0.02
"""From the end of a call to its place in the log."""
GATEWAY = GatewayId("gateway-1")


@dataclass(frozen=True)
class RecordedCall:
    """One call, as every strategy gets it."""

    at_s: float
    service_type: ServiceType
    work_s: float


@dataclass(frozen=True)
class FleetMember:
    """A server as the balancer has it, and as it is."""

    server: Server
    kind: Kind


@dataclass(frozen=True)
class CoreChange:
    """A server has so many cores from then on."""

    at_s: float
    server_id: ServerId
    cores: float


@dataclass(frozen=True)
class Fate:
    """What became of a call."""

    call: RecordedCall
    server_id: str
    """Empty: nobody could be chosen."""
    took_s: float
    failed: bool


@dataclass
class World:
    """One run: `run` it once."""

    members: Sequence[FleetMember]
    strategy: str
    deadline_s: float
    client_region: str = ""
    seed: int = 1
    fates: list[Fate] = field(default_factory=list)
    busy_s: dict[str, float] = field(default_factory=dict)
    """Exchanges in flight, summed over time, by server."""

    def __post_init__(self) -> None:
        """Everybody is up, and has nothing to do."""
        self._now_s = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._open: dict[int, tuple[RecordedCall, Selected]] = {}
        self._balancer = Balancer(chance=Random(self.seed).random)
        self._servers: dict[ServerId, SimServer] = {}
        for member in self.members:
            server_id = member.server.server_id
            self._servers[server_id] = SimServer(member.kind, member.kind.cores)
            self._balancer.take_event(ServerAdded(server=member.server))
            up = ServerHealthChanged(server_id=server_id, health=Health.UP, reason="simulated")
            self._balancer.take_event(up)
            self.busy_s[server_id] = 0.0
        self._balancer.take_event(StrategyChanged(strategy=self.strategy, reason="simulated"))

    def run(self, calls: Sequence[RecordedCall], changes: Sequence[CoreChange] = ()) -> list[Fate]:
        """Live through all of it; return the fates of the calls, in the order they were sealed."""
        for number, call in enumerate(calls):
            self._at(call.at_s, partial(self._arrive, number, call))
        for change in changes:
            self._at(change.at_s, partial(self._change_cores, change))
        while self._heap:
            self._now_s, _, happen = heapq.heappop(self._heap)
            happen()
        return self.fates

    def _at(self, at_s: float, happen: Callable[[], None]) -> None:
        self._count += 1  # of two at the same instant, the one that was known first
        heapq.heappush(self._heap, (at_s, self._count, happen))

    def _arrive(self, number: int, call: RecordedCall) -> None:
        """Choose a server for a call, and let it begin there."""
        wanted = SelectServer(
            request_id=RequestId(f"r{number}"),
            lease_id=LeaseId(f"r{number}.1"),
            service_type=call.service_type,
            expires_in_s=900.0,
            client_region=self.client_region,
        )
        now = NOON + timedelta(seconds=self._now_s)
        selected = select_server(self._balancer, wanted, GATEWAY, now)
        if not isinstance(selected, Selected):
            self.fates.append(Fate(call, "", 0.0, failed=True))
            return
        self._open[number] = call, selected
        server = self._servers[selected.server_id]
        if server.fails_at(self._now_s):
            fails_at_s = self._now_s + server.kind.fails_after_s
            self._at(fails_at_s, partial(self._end, number, Verdict.OUTCOME_UNKNOWN))
            return
        # Of the network the first half is over before the server works.
        begins_at_s = self._now_s + server.kind.network_s / 2
        self._at(begins_at_s, partial(self._begin, number, call, selected.server_id))
        self._at(call.at_s + self.deadline_s, partial(self._give_up, number, selected.server_id))

    def _begin(self, number: int, call: RecordedCall, server_id: ServerId) -> None:
        self._servers[server_id].begin(number, call.work_s, self._now_s)
        self._foresee(server_id)

    def _foresee(self, server_id: ServerId) -> None:
        """Note when a server's next call is done."""
        server = self._servers[server_id]
        end_s = server.next_end_s()
        if end_s is not None:
            self._at(end_s, partial(self._finish, server_id, server.version))

    def _finish(self, server_id: ServerId, version: int) -> None:
        server = self._servers[server_id]
        if server.version != version:
            return
        number = server.finish_one(self._now_s)
        arrives_s = self._now_s + server.kind.network_s / 2
        self._at(arrives_s, partial(self._end, number, Verdict.SUCCESS))
        self._foresee(server_id)

    def _give_up(self, number: int, server_id: ServerId) -> None:
        """End a call at its deadline; its server stops working on it."""
        if number in self._open:
            self._servers[server_id].drop(number, self._now_s)
            self._foresee(server_id)
            self._end(number, Verdict.OUTCOME_UNKNOWN)

    def _change_cores(self, change: CoreChange) -> None:
        self._servers[change.server_id].set_cores(change.cores, self._now_s)
        self._foresee(change.server_id)

    def _end(self, number: int, verdict: Verdict) -> None:
        """Seal a call's fate; the log tells of it a little later."""
        if number not in self._open:
            return
        call, selected = self._open.pop(number)
        took_s = self._now_s - call.at_s
        self.fates.append(Fate(call, selected.server_id, took_s, verdict is not Verdict.SUCCESS))
        self.busy_s[selected.server_id] += took_s
        good = verdict is Verdict.SUCCESS
        tried = Attempt(
            server_id=selected.server_id,
            verdict=verdict,
            status=200 if good else 500,
            sent=True,
            in_flight=selected.in_flight,
            first_byte_ms=took_s * 1000,
            total_ms=took_s * 1000,
        )
        usage = UsageRecorded(
            request_id=RequestId(f"r{number}"),
            lease_id=LeaseId(f"r{number}.1"),
            session_id=SessionId("session"),
            service_type=call.service_type,
            outcome=Outcome.SETTLED if good else Outcome.UNKNOWN,
            verdict=verdict,
            attempts=[tried],
        )
        self._at(self._now_s + LOG_S, partial(self._observe, usage))

    def _observe(self, usage: UsageRecorded) -> None:
        now = NOON + timedelta(seconds=self._now_s)
        envelope = Envelope(
            writer=WriterId("pool"), epoch=1, number=1, time=now, previous_hash="", events=[usage]
        )
        observe_envelope(self._balancer, envelope, now)


def loads_by_server(world: World, seconds: float) -> Mapping[str, float]:
    """Each server's exchanges in flight, on average, as a share of what it may carry."""
    return {
        member.server.server_id: world.busy_s[member.server.server_id]
        / seconds
        / member.server.max_sessions
        for member in world.members
    }

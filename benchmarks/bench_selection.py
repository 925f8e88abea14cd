"""What naming a server costs: the balancer's own rule, in this process, strategy by strategy.

Each selection is for a lease of its own, and every lease ends 32 selections later by an envelope of
the pool, with an attempt in it: so servers are busy, and latencies are known. A turn of every
strategy after another, so that a machine which slows down slows all of them; the best of the turns
is shown. Beside another revision: the file runs by the code it is started with (`PYTHONPATH`).
"""

import gc
import time
from collections import deque
from datetime import UTC, datetime, timedelta
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
from services.balancer.strategies import STRATEGIES

FLEETS = (4, 100)
SELECTIONS = 1000
TURNS = 7
OPEN = 32
IMAGE = ServiceType("image")
START = datetime(2026, 1, 1, tzinfo=UTC)


def busy_balancer(strategy: str, servers: int) -> Balancer:
    """A fleet that is up, half of it able to do one service type and half of it two."""
    balancer = Balancer(chance=Random(7).random)
    for at in range(servers):
        server_id = ServerId(f"server-{at}")
        able = [IMAGE, ServiceType("video")][: 1 + at % 2]
        server = Server(server_id=server_id, url=f"http://server-{at}", capabilities=able)
        balancer.take_event(ServerAdded(server=server))
        balancer.take_event(
            ServerHealthChanged(server_id=server_id, health=Health.UP, reason="bench")
        )
    balancer.take_event(StrategyChanged(strategy=strategy, reason="bench"))
    return balancer


def selection_us(balancer: Balancer, chance: Random, now: datetime) -> tuple[float, datetime]:
    """The mean cost of a selection, and when the last of them was."""
    spent_ns = 0
    under_way: deque[tuple[LeaseId, ServerId]] = deque()
    for number in range(SELECTIONS):
        now += timedelta(milliseconds=20)
        lease_id = LeaseId(f"{now.timestamp()}.1")
        wanted = SelectServer(
            request_id=RequestId(str(number)),
            lease_id=lease_id,
            service_type=IMAGE,
            expires_in_s=900.0,
        )
        began_ns = time.perf_counter_ns()
        answer = select_server(balancer, wanted, GatewayId("gateway-1"), now)
        spent_ns += time.perf_counter_ns() - began_ns
        assert isinstance(answer, Selected)
        under_way.append((lease_id, answer.server_id))
        if len(under_way) > OPEN or number >= SELECTIONS - OPEN:
            end_lease(balancer, *under_way.popleft(), 200 + 800 * chance.random(), now)
    while under_way:
        end_lease(balancer, *under_way.popleft(), 500.0, now)
    return spent_ns / SELECTIONS / 1000, now


def end_lease(
    balancer: Balancer, lease_id: LeaseId, server_id: ServerId, took_ms: float, now: datetime
) -> None:
    """Let the pool's log tell of a success."""
    tried = Attempt(
        server_id=server_id,
        verdict=Verdict.SUCCESS,
        status=200,
        in_flight=4,
        first_byte_ms=took_ms,
        total_ms=took_ms,
    )
    usage = UsageRecorded(
        request_id=RequestId("r"),
        lease_id=lease_id,
        session_id=SessionId("s"),
        service_type=IMAGE,
        outcome=Outcome.SETTLED,
        verdict=Verdict.SUCCESS,
        attempts=[tried],
    )
    told = Envelope(
        writer=WriterId("pool"), epoch=1, number=1, time=now, previous_hash="", events=[usage]
    )
    observe_envelope(balancer, told, now)


def main() -> None:
    """Measure every strategy with few servers and with many."""
    gc.disable()
    print("µs a selection, the best of", TURNS, "turns:")
    print(f"{'strategy':24}" + "".join(f"{servers:>5} servers" for servers in FLEETS))
    runs = {
        (name, servers): busy_balancer(name, servers) for name in STRATEGIES for servers in FLEETS
    }
    moments = dict.fromkeys(runs, START)
    best = dict.fromkeys(runs, float("inf"))
    chance = Random(8)
    for _ in range(TURNS):
        for run, balancer in runs.items():
            us, moments[run] = selection_us(balancer, chance, moments[run])
            best[run] = min(best[run], us)
    for name in STRATEGIES:
        print(f"{name:24}" + "".join(f"{best[name, servers]:13.1f}" for servers in FLEETS))


if __name__ == "__main__":
    main()

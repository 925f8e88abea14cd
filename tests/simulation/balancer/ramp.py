"""Prequal's ramp: a hundred servers, neighbours that burst on part of them, ever more load.

After Wydrowski, Kleinberg, Rumble and Archer, Load is not what you should balance: Introducing
Prequal (NSDI 2024, arXiv 2312.10172), their comparison of rules along a ramp of load from 0.75 to
1.74 of what was allocated, in nine steps of 10/9, with a deadline of 5 s. As there, work is normal
with a deviation equal to its mean, cut off at nothing, and above 1 the fleet lives on what its
neighbours leave. Not as there: a whole step is seconds and not minutes; a machine is a core that is
allocated and 1.2 that are spare unless the neighbour has them; the balancer is one, and counts.
"""

from random import Random

from contracts.balancer import Server
from contracts.base import ServerId, ServiceType
from tests.simulation.balancer.fleet import CoreChange, FleetMember, RecordedCall
from tests.simulation.balancer.server import Kind

LOADS = tuple(round(0.75 * (10 / 9) ** step, 2) for step in range(9))
DEADLINE_S = 5.0
STEP_S = 8.0
SERVERS = 100
CONTENDED = 30
"""So many have neighbours that burst."""
_ALLOCATED, _WHOLE = 1.0, 2.2
"""Cores: what a server is sure of, and what it has while its neighbour is still."""
_WORK_S = 0.25
_BURST_S = 5.0
"""Mean length of a burst, and of the calm after it."""
_LIMIT = 40
IMAGE = ServiceType("image")


def ramp_calls(
    loads: tuple[float, ...] = LOADS, step_s: float = STEP_S, seed: int = 84
) -> list[RecordedCall]:
    """Record the calls of one step after the other."""
    chance = Random(seed)
    calls = []
    for step, load in enumerate(loads):
        now_s, until_s = step * step_s, (step + 1) * step_s
        per_s = load * SERVERS * _ALLOCATED / _mean_work_s()
        while (now_s := now_s + chance.expovariate(per_s)) < until_s:
            calls.append(RecordedCall(now_s, IMAGE, _work_s(chance)))
    return calls


def ramp_fleet() -> list[FleetMember]:
    """A hundred alike."""
    kind = Kind(cores=_WHOLE, network_s=0.002)
    return [
        FleetMember(
            Server(
                server_id=ServerId(f"server-{at:03}"),
                url=f"http://server-{at}:9000",
                max_sessions=_LIMIT,
            ),
            kind,
        )
        for at in range(SERVERS)
    ]


def neighbours(seconds: float, seed: int = 10) -> list[CoreChange]:
    """When the neighbours of the contended servers burst, and when they are still."""
    chance = Random(seed)
    changes = []
    for at in range(0, SERVERS, SERVERS // CONTENDED)[:CONTENDED]:
        now_s, bursts = 0.0, chance.random() < 0.5
        while now_s < seconds:
            cores = _ALLOCATED if bursts else _WHOLE
            changes.append(CoreChange(now_s, ServerId(f"server-{at:03}"), cores))
            now_s += chance.expovariate(1 / _BURST_S)
            bursts = not bursts
    return changes


def step_of(call: RecordedCall, step_s: float = STEP_S) -> int:
    """In which step of the ramp a call came."""
    return int(call.at_s / step_s)


def _work_s(chance: Random) -> float:
    while True:
        work_s = chance.normalvariate(_WORK_S, _WORK_S)
        if work_s > 0:
            return work_s


def _mean_work_s() -> float:
    """The mean of a normal whose mean is its deviation, once what is below nothing is cut off."""
    return _WORK_S * (1 + 0.24197 / 0.84134)

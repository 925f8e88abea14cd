"""One recorded mix over eight servers, no two kinds alike.

Two are fast, one does images alone, one is ten times slower than most, one fails everything for
10 s out of 40, one is far away. Two thirds of the calls come in waves of twice the usual rate.
What is recorded, from one seed, is when each call came, of what type it was and how much work; so
every strategy has the same day.
"""

from random import Random

from contracts.balancer import Server
from contracts.base import ServerId, ServiceType
from tests.simulation.balancer.fleet import FleetMember, RecordedCall
from tests.simulation.balancer.server import Kind

SECONDS = 240.0
SEED = 12
"""Of the recorded day."""
OTHER_SEEDS = range(1, 11)
DEADLINE_S = 60.0
CLIENT_REGION = "asia-east"
CALLS_PER_S = 9.0
WAVE_S, WAVE_EVERY_S, WAVE_FACTOR = 12.0, 40.0, 2.0
IMAGE, VIDEO = ServiceType("image"), ServiceType("video")
_VIDEOS = 0.15
_WORK_S = {IMAGE: 2.0, VIDEO: 8.0}
_SPREAD = 0.5


def recorded_calls(seed: int = SEED, seconds: float = SECONDS) -> list[RecordedCall]:
    """Record the calls: Poisson arrivals in waves, log-normal work."""
    chance = Random(seed)
    calls: list[RecordedCall] = []
    now_s = 0.0
    while True:
        wave = now_s % WAVE_EVERY_S < WAVE_S
        now_s += chance.expovariate(CALLS_PER_S * (WAVE_FACTOR if wave else 1.0))
        if now_s >= seconds:
            return calls
        service_type = VIDEO if chance.random() < _VIDEOS else IMAGE
        # Its mean is the type's: that of a log-normal is above its median.
        work_s = _WORK_S[service_type] * chance.lognormvariate(-(_SPREAD**2) / 2, _SPREAD)
        calls.append(RecordedCall(now_s, service_type, work_s))


def mixed_fleet() -> list[FleetMember]:
    """The eight; weights are what an operator would write who knows the machines."""
    flaps = [(at, at + 10.0) for at in range(20, int(SECONDS), 40)]
    return [
        _member("fast-1", Kind(speed=2.0), weight=2),
        _member("fast-2", Kind(speed=2.0), weight=2),
        _member("plain-1", Kind()),
        _member("plain-2", Kind()),
        _member("images", Kind(), capabilities=(IMAGE,)),
        _member("slow", Kind(speed=0.1)),
        _member("flapping", Kind(fits=flaps)),
        _member("far", Kind(network_s=1.5), region="us-east"),
    ]


def _member(
    name: str,
    kind: Kind,
    *,
    weight: int = 1,
    region: str = CLIENT_REGION,
    capabilities: tuple[ServiceType, ...] = (IMAGE, VIDEO),
) -> FleetMember:
    server = Server(
        server_id=ServerId(name),
        url=f"http://{name}:9000",
        region=region,
        weight=weight,
        max_sessions=24,
        capabilities=[*capabilities],
    )
    return FleetMember(server, kind)

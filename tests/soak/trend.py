"""How fast something grows, and which growth is too much. Pure.

The slope is Theil and Sen's: the median of the slopes between pairs of samples, which no single
peak moves. (Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968.)
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.soak.samples import Latency, Sample

WARM_UP = 0.3
"""Share of a life that is not judged: imports, caches and connections come to be in it."""
_SAMPLES_MIN = 10
_POINTS_MAX = 120


@dataclass(frozen=True)
class Bound:
    """How much more memory, over the time that is judged, is still well."""

    mb: float
    """Whatever the load."""
    kb_per_call: float = 0.0
    """For what is kept by design: the pool keeps a lease for 8 days, DuckDB its caches."""


BOUNDS = {
    "gateway": Bound(12.0),
    "pool": Bound(12.0, kb_per_call=4.0),
    "balancer": Bound(10.0),
    "analytics": Bound(120.0, kb_per_call=4.0),
    "nats": Bound(60.0, kb_per_call=4.0),
}
"""By the beginning of a process's name."""
DESCRIPTORS_MAX = 40
"""How many more descriptors at rest, after all calls, than before the first: kept connections."""
LATENCY_RATIO_MAX = 3.0
"""How much the median latency of the last third may exceed that of the first."""


@dataclass(frozen=True)
class Growth:
    """One process's life, after its warm-up."""

    name: str
    pid: int
    seconds: float
    rss_mb: float
    """At its end."""
    rss_growth_mb: float
    """By trend, over `seconds`."""
    rss_bound_mb: float
    descriptors: int
    sockets: int


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median slope between any two points; 0 of fewer than two."""
    step = max(1, len(points) // _POINTS_MAX)
    thinned = points[::step]
    slopes = [
        (later[1] - sooner[1]) / (later[0] - sooner[0])
        for place, sooner in enumerate(thinned)
        for later in thinned[place + 1 :]
        if later[0] > sooner[0]
    ]
    return median(slopes) if slopes else 0.0


def growths(samples: Sequence[Sample], calls_per_s: float) -> list[Growth]:
    """What each life of each process grew by; lives too short to be judged are left out."""
    lives: dict[tuple[str, int], list[Sample]] = defaultdict(list)
    for sample in samples:
        lives[sample.name, sample.pid].append(sample)
    found = []
    for (name, pid), life in lives.items():
        judged = life[int(len(life) * WARM_UP) :]
        if len(judged) < _SAMPLES_MIN:
            continue
        seconds = judged[-1].at_s - judged[0].at_s
        bound = BOUNDS.get(name.partition("-")[0])
        allowed = bound.mb + bound.kb_per_call / 1000 * calls_per_s * seconds if bound else 1e9
        found.append(
            Growth(
                name=name,
                pid=pid,
                seconds=seconds,
                rss_mb=judged[-1].rss_mb,
                rss_growth_mb=slope([(one.at_s, one.rss_mb) for one in judged]) * seconds,
                rss_bound_mb=allowed,
                descriptors=judged[-1].descriptors,
                sockets=judged[-1].sockets,
            )
        )
    return found


def complaints(found: Sequence[Growth], latencies: Sequence[Latency]) -> list[str]:
    """Say what grew too much."""
    told = []
    for growth in found:
        where = f"{growth.name} ({growth.pid}) in {growth.seconds:.0f} s"
        if growth.rss_growth_mb > growth.rss_bound_mb:
            told.append(
                f"{where}: memory by {growth.rss_growth_mb:.1f} MB,"
                f" at most {growth.rss_bound_mb:.1f} is well"
            )
    told += _slower([one for one in latencies if one.p50_ms])
    return told


def leaks(before: Sequence[Sample], after: Sequence[Sample]) -> list[str]:
    """Compare the descriptors of each life at rest: under load they follow the calls."""
    known = {(one.name, one.pid): one.descriptors for one in before}
    more = [
        (one, one.descriptors - known[one.name, one.pid])
        for one in after
        if (one.name, one.pid) in known
    ]
    return [
        f"{one.name} ({one.pid}): {count} descriptors more at rest"
        for one, count in more
        if count > DESCRIPTORS_MAX
    ]


def _slower(latencies: Sequence[Latency]) -> list[str]:
    third = len(latencies) // 3
    if third == 0:
        return []
    first, last = (
        median(one.p50_ms for one in part) for part in (latencies[:third], latencies[-third:])
    )
    if last <= first * LATENCY_RATIO_MAX:
        return []
    return [f"calls take {last:.0f} ms at the end, {first:.0f} at the beginning"]

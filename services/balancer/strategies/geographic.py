"""Geographic: the region nearest to the client, and the next ones as room there becomes scarce.

Source: the original's `geographic` (the servers of the client's region), and Envoy's "Priority
levels" for spilling: a level takes min(100 %, its health x 1.4) of the calls, the next one of what
is left. Here a level is all servers that are equally far, its health is its headroom (what is left
of its limits, by the true number in flight), and the factor is 5: the nearest region takes
everything while a fifth of it is free, half of everything when a tenth is, so that it is never full
while the next one has room. Within a region the least loaded by its size, then the preferred one
(lowest priority number), then the one that waited longest.

Regions that nobody knows, and none, are equally far: without any to go by this is least loaded.
Score: kilometres from the client's region; lower is better.
"""

from collections.abc import Callable, Sequence

from runtime.geography.distances import FAR_KM, distance_km
from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking

SPILL_FACTOR = 5.0
"""A region's share of the calls is its headroom times this, and at most all of them."""


def geographic(eligible: Sequence[EligibleServer], criteria: Criteria) -> Ranking:
    """Rank by distance; the region whose turn it is comes first, though it be farther."""
    levels: dict[int, list[EligibleServer]] = {}
    for server in eligible:
        far = distance_km(criteria.client_region, server.region)
        levels.setdefault(far, []).append(server)
    order = sorted(levels)
    taken = _level_taken([levels[far] for far in order], criteria.chance)
    nearest = order[0]
    order.insert(0, order.pop(taken))
    ranked = [server for far in order for server in sorted(levels[far], key=_rank_key)]
    why = "nobody knows the client's region"
    if criteria.client_region:
        why = f"client in {criteria.client_region}: {_place_in_words(ranked[:1], order[0])}"
    if taken:
        used = round(100 * (1 - _headroom(levels[nearest])))
        why += f"; {_place_in_words(levels[nearest], nearest)} is used to {used} %"
    return Ranking(ranked, [far for far in order for _ in levels[far]], why=why)


def _level_taken(levels: Sequence[Sequence[EligibleServer]], chance: Callable[[], float]) -> int:
    """Draw which level takes the call, each as likely as its share; the nearest when it has all."""
    shares: list[float] = []
    left = 1.0
    for servers in levels:
        shares.append(min(left, _headroom(servers) * SPILL_FACTOR))
        left -= shares[-1]
        if left <= 0:
            break
    # Where all of them together have little room their shares are less than the whole.
    drawn = chance() * sum(shares) if len(shares) > 1 else 0.0
    for level, share in enumerate(shares[:-1]):
        drawn -= share
        if drawn < 0:
            return level
    return len(shares) - 1


def _headroom(servers: Sequence[EligibleServer]) -> float:
    limit = sum(server.max_sessions for server in servers)
    return 1 - sum(server.in_flight for server in servers) / limit


def _place_in_words(servers: Sequence[EligibleServer], far: int) -> str:
    names = " or ".join(sorted({server.region or "no region" for server in servers}))
    return f"{names} ({'nobody knows how far' if far == FAR_KM else f'{far:,} km'})"


def _rank_key(server: EligibleServer) -> tuple[float, int, int]:
    return server.in_flight / server.max_sessions, server.priority, server.turn

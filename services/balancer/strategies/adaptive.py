"""Adaptive: Prequal's rule of hot and cold servers.

Source: Bartek Wydrowski, Robert Kleinberg, Stephen M. Rumble and Aaron Archer, Load is not what you
should balance: Introducing Prequal (NSDI 2024, arXiv 2312.10172). A server is hot if its load, in
flight by `max_sessions`, is at or above the quantile `Q_RIF` of all that may be chosen. While any
is cold, the cold one of the lowest latency is taken: the median time to first byte that it had with
about as many exchanges as it would carry. Are all hot, the one with the fewest in flight is taken.
The paper's balancer probes a few servers; ours counts all of them, so the quantile is exact: the
⌈Q n⌉th of the sorted loads. Among equals the least loaded, then the faster one (so that an idle
fleet, of which all are equally hot, is no lottery), then the preferred one, then the one that
waited longest.
Score: of a cold server its median in ms, lower is better; of a hot one the exchanges in flight
with this one as a negative number (-3: three), nearer to zero is better. Cold ones come first.
"""

from collections.abc import Sequence
from math import ceil

from services.balancer.strategies.least_response_time import load_of
from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking

Q_RIF = 0.84


def adaptive(eligible: Sequence[EligibleServer], criteria: Criteria) -> Ranking:
    """Rank the cold by latency, then the hot by exchanges in flight."""
    loads = [load_of(server) for server in eligible]
    hot_from = hot_threshold(loads)
    ranked = []
    for place, (server, load) in enumerate(zip(eligible, loads, strict=True)):
        in_flight = server.in_flight + 1
        median_ms = server.median_at_ms(in_flight, criteria)
        hot = load >= hot_from
        measure = in_flight if hot else median_ms
        ranked.append((hot, measure, load, median_ms, server.priority, server.turn, place))
    ranked.sort()
    scores = [-key[1] if key[0] else round(key[1], 3) for key in ranked]
    return Ranking([eligible[key[-1]] for key in ranked], scores)


def hot_threshold(loads: Sequence[float]) -> float:
    """The load from which on a server is hot: the ⌈Q n⌉th, counted from 1."""
    return sorted(loads)[ceil(Q_RIF * len(loads)) - 1]

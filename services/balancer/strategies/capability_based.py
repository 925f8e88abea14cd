"""Capability based, the default: keep the servers that can do much for the work only they can do.

Source: the original's `selectByCapability`: prefer specialists, then
the least loaded. A specialist offers the fewest service types; load is exchanges in flight by
`max_sessions`, so servers of different size fill evenly. A full specialist is not eligible, and the
work moves on to the next broader server. One that names no capability is the broadest: beside one
that names its own it gets of those types what is left over, however slow the other is. Among equals
the preferred one (lowest priority number), then the one that waited longest.
Score: service types offered plus load (below 1); lower is better.
"""

from collections.abc import Sequence

from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking


def capability_based(eligible: Sequence[EligibleServer], _: Criteria) -> Ranking:
    """Rank by breadth, then load."""
    ranked = sorted(eligible, key=_rank_key)
    return Ranking(ranked, [_load_score(server) for server in ranked])


def _load_score(server: EligibleServer) -> float:
    # In thousandths, so that the log does not hold sixteen digits of it.
    return server.breadth + server.in_flight * 1000 // server.max_sessions / 1000


def _rank_key(server: EligibleServer) -> tuple[float, int, int]:
    # Load stays below 1, so a broader server never comes before a narrower one.
    return server.breadth + server.in_flight / server.max_sessions, server.priority, server.turn

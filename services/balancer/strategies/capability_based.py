"""Capability based, the default: keep the servers that can do much for the work only they can do.

Source: the original's `selectByCapability` as architecture §6 settles it: prefer specialists, then
the least loaded. A specialist offers the fewest service types; load is exchanges in flight by
`max_sessions`, so servers of different size fill evenly. A full specialist is not eligible, and the
work moves on to the next broader server. Among equals the preferred one (lowest priority number),
then the one that waited longest.
Score: service types offered plus load (below 1); lower is better.
"""

from collections.abc import Sequence

from services.balancer.strategies.ranking import Ranking, Standing


def capability_based(eligible: Sequence[Standing]) -> Ranking:
    """Rank by breadth, then load."""
    ranked = sorted(eligible, key=_reluctance)
    return Ranking(ranked, [_score(server) for server in ranked])


def _score(server: Standing) -> float:
    # In thousandths, so that the log does not hold sixteen digits of it.
    return server.breadth + server.in_flight * 1000 // server.max_sessions / 1000


def _reluctance(server: Standing) -> tuple[float, int, int]:
    return server.breadth + server.in_flight / server.max_sessions, server.priority, server.turn

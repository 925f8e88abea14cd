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
    ranks = [
        (server.breadth + server.in_flight / server.max_sessions, server.priority, server.turn)
        for server in eligible
    ]
    order = sorted(range(len(eligible)), key=ranks.__getitem__)
    return Ranking([eligible[at] for at in order], [round(ranks[at][0], 4) for at in order])

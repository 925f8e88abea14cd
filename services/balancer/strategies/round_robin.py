"""Round robin: whoever waited longest.

Source: nginx, `ngx_http_upstream_round_robin.c`, without weights. Turns are kept per server and
not as one counter over a list, so that the order stays fair while eligible sets differ between
service types and servers come and go (a list index would favour whoever follows a gap).
Score: the turn at which the server was last chosen; lower is better.
"""

from collections.abc import Sequence

from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking


def round_robin(eligible: Sequence[EligibleServer], _: Criteria) -> Ranking:
    """Rank by how long ago each was chosen; servers never chosen come first, in their order."""
    # Stable: those never chosen have turn 0, all alike.
    ranked = sorted(eligible, key=_last_turn)
    return Ranking(ranked, [server.turn for server in ranked])


def _last_turn(server: EligibleServer) -> int:
    return server.turn

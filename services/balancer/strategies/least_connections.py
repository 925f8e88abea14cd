"""Least connections: whoever carries the fewest exchanges now.

Source: nginx, `ngx_http_upstream_least_conn_module.c`; ours counts exchanges between selection and
the lease's end in the log, so it is the true number over all gateways. Among equals the heavier
server, then the preferred one, then the one that waited longest.
Score: exchanges in flight; lower is better.
"""

from collections.abc import Sequence

from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking


def least_connections(eligible: Sequence[EligibleServer], _: Criteria) -> Ranking:
    """Rank by exchanges in flight."""
    ranked = sorted(eligible, key=_rank_key)
    return Ranking(ranked, [server.in_flight for server in ranked])


def _rank_key(server: EligibleServer) -> tuple[int, int, int, int]:
    return server.in_flight, -server.weight, server.priority, server.turn

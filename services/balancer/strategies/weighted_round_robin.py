"""Smooth weighted round robin: exact shares, never in bursts.

Source: nginx, `ngx_http_upstream_get_peer` (Ruslan Ermilov and Maxim Dounin, commit 52327e0627f4,
2012): "on each peer selection we increase current_weight of each eligible peer by its weight,
select peer with greatest current_weight and reduce its current_weight by total number of weight
points distributed among peers". Weights 5, 1, 1 give a a b a c a a.
Score: the current weight; higher is better.
"""

from collections.abc import Sequence

from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking


def weighted_round_robin(eligible: Sequence[EligibleServer], _: Criteria) -> Ranking:
    """Rank by current weight, the earlier of two equals first; the best pays for its turn."""
    currents = [server.credit + server.weight for server in eligible]
    order = sorted(range(len(eligible)), key=currents.__getitem__, reverse=True)
    ranked = [eligible[index] for index in order]
    scores = [currents[index] for index in order]
    # All together gained what the best one pays: the sum of the credits stays what it was.
    currents[order[0]] -= sum(server.weight for server in eligible)
    return Ranking(ranked, scores, currents)

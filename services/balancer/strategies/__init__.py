"""Strategies: pure functions that rank eligible servers; one file a policy.

capability_based      the servers that can do much, kept for the work only they can do: the default
geographic            the region nearest to the client, until little room is left there
least_connections     whoever carries the fewest exchanges now
round_robin           whoever waited longest
weighted_round_robin  exact shares, never in bursts
least_response_time   whoever would answer soonest
p2c_ewma              the better of two that chance names
adaptive              the fastest of those that are not hot: Prequal's rule
custom                whom an operator's own function names
ranking               what a strategy is given and returns
table                 all of them by name

A strategy is given servers that may all be chosen (healthy, capable, under their bound), at
least one, and returns them best first. It changes nothing: what it wants remembered for the next
time is in the ranking. For which call they are ranked, and chance, come in as `Criteria`.
"""

from services.balancer.strategies.custom import custom_objection, is_custom
from services.balancer.strategies.ranking import (
    ANY_CALL,
    Criteria,
    EligibleServer,
    Ranking,
    no_chance,
)
from services.balancer.strategies.table import (
    DEFAULT,
    SAME_FOR_ALL,
    STRATEGIES,
    Strategy,
    score_meaning,
    strategy_named,
    strategy_objection,
)

__all__ = [
    "ANY_CALL",
    "DEFAULT",
    "SAME_FOR_ALL",
    "STRATEGIES",
    "Criteria",
    "EligibleServer",
    "Ranking",
    "Strategy",
    "custom_objection",
    "is_custom",
    "no_chance",
    "score_meaning",
    "strategy_named",
    "strategy_objection",
]

"""Every strategy by the name that the configuration has for it."""

from collections.abc import Callable, Sequence

from runtime.texts import as_quoted
from services.balancer.strategies.adaptive import adaptive
from services.balancer.strategies.capability_based import capability_based
from services.balancer.strategies.geographic import geographic
from services.balancer.strategies.least_connections import least_connections
from services.balancer.strategies.least_response_time import least_response_time
from services.balancer.strategies.p2c_ewma import p2c_ewma
from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking
from services.balancer.strategies.round_robin import round_robin
from services.balancer.strategies.weighted_round_robin import weighted_round_robin

Strategy = Callable[[Sequence[EligibleServer], Criteria], Ranking]

DEFAULT = "capability_based"
STRATEGIES: dict[str, Strategy] = {
    "round_robin": round_robin,
    "weighted_round_robin": weighted_round_robin,
    "least_connections": least_connections,
    "capability_based": capability_based,
    "least_response_time": least_response_time,
    "p2c_ewma": p2c_ewma,
    "adaptive": adaptive,
    "geographic": geographic,
}


def strategy_objection(name: str) -> str | None:
    """Say why no strategy of this name can be used; None when it can."""
    if name in STRATEGIES:
        return None
    expected = f"expected one of {', '.join(STRATEGIES)}"
    return f"{expected}, got {as_quoted(name)}"

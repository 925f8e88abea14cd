"""Every strategy by the name that the configuration has for it."""

from collections.abc import Callable, Sequence

from services.balancer.strategies.capability_based import capability_based
from services.balancer.strategies.least_connections import least_connections
from services.balancer.strategies.ranking import Ranking, Standing
from services.balancer.strategies.round_robin import round_robin
from services.balancer.strategies.weighted_round_robin import weighted_round_robin

Strategy = Callable[[Sequence[Standing]], Ranking]

DEFAULT = "capability_based"
STRATEGIES: dict[str, Strategy] = {
    "round_robin": round_robin,
    "weighted_round_robin": weighted_round_robin,
    "least_connections": least_connections,
    "capability_based": capability_based,
}
_NOT_YET = frozenset({"least_response_time", "geographic", "p2c_ewma", "adaptive"})


def unusable(name: str) -> str:
    """Say why no strategy of this name can be used; empty when it can."""
    if name in STRATEGIES:
        return ""
    expected = f"expected one of {', '.join(STRATEGIES)}"
    if name in _NOT_YET:
        return f"{expected}; {name} is not built yet"
    return f"{expected}, got {name!r}"

"""Every strategy by the name that the configuration has for it."""

import sys
from collections.abc import Callable, Sequence

from runtime.texts import as_quoted
from services.balancer.strategies.adaptive import adaptive
from services.balancer.strategies.capability_based import capability_based
from services.balancer.strategies.custom import custom, custom_objection, is_custom
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


SAME_FOR_ALL = frozenset(
    {"round_robin", "weighted_round_robin", "least_connections", "capability_based"}
)
"""Those that rank alike whatever the call: they need not be told of it."""


def strategy_named(name: str) -> tuple[str, Strategy]:
    """Find a strategy; one that only a later version knows gives way to the default."""
    if is_custom(name):
        return name, custom
    if name not in STRATEGIES:
        name = DEFAULT
    return name, STRATEGIES[name]


def score_meaning(name: str) -> str:
    """Say what a strategy's scores are, and which way they go; empty for one that is unknown."""
    strategy = custom if is_custom(name) else STRATEGIES.get(name)
    return "" if strategy is None else _SCORES[strategy]


def _score_sentence(strategy: Strategy) -> str:
    """Find what the head of a strategy's module says of its scores."""
    head = sys.modules[strategy.__module__].__doc__ or ""
    return " ".join(head.partition("\nScore: ")[2].split()).removesuffix(".")


_SCORES = {strategy: _score_sentence(strategy) for strategy in (*STRATEGIES.values(), custom)}


def strategy_objection(name: str) -> str | None:
    """Say why no strategy of this name can be used; None when it can."""
    if name in STRATEGIES:
        return None
    if is_custom(name):
        return custom_objection(name)
    expected = f"expected one of {', '.join(STRATEGIES)}, or file.py:function"
    return f"{expected}, got {as_quoted(name)}"

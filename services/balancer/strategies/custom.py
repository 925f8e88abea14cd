"""A strategy of one's own: `strategy = "file.py:function"`, the server that the function named.

Source: the original's `selectByCustomStrategy(servers, criteria)`. The function is given the
servers that may be chosen, as dicts like those of `/api/load-balancer`, and the criteria
`{service_type, client_region, session_region, avoid}`; it returns the id of one of them. It runs in
a process of its own, without secrets in its environment, and is asked once for all the calls of a
moment. Where it named nobody (it took more than 50 ms, it raised, or it named one that may not be
chosen) `least_connections` chooses, and is the strategy that the log names.
Score: exchanges in flight, lower is better; the one that was named comes first all the same.
"""

from collections.abc import Sequence

from runtime.texts import as_quoted
from services.balancer.strategies.least_connections import least_connections
from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking

FALL_BACK = "least_connections"
"""Who chooses where the function did not, and is named in the log."""
_UNNAMED = "named nobody"


def custom(eligible: Sequence[EligibleServer], criteria: Criteria) -> Ranking:
    """Put the one that was named first, and the others behind it by their load."""
    ranking = least_connections(eligible, criteria)
    named = [server for server in ranking.servers if server.server_id == criteria.picked]
    if not named:
        why = _UNNAMED
        if criteria.picked:
            why = f"named {as_quoted(criteria.picked)}, which may not be chosen"
        return Ranking(ranking.servers, ranking.scores, why=why, by=FALL_BACK)
    ranked = [*named, *(server for server in ranking.servers if server not in named)]
    return Ranking(ranked, [server.in_flight for server in ranked])


def is_custom(name: str) -> bool:
    """Tell whether this is the name of a strategy of one's own."""
    return ":" in name


def custom_objection(name: str) -> str | None:
    """Say why a name such as `file.py:function` cannot be one; None when it can."""
    file, _, function = name.rpartition(":")
    expected = 'expected "file.py:function", a file in the folder of the configuration or below'
    parts = file.split("/")
    inside = file.endswith(".py") and not file.startswith("/") and ".." not in parts
    if not inside or not function.isidentifier() or not file.isprintable():
        return expected
    return None

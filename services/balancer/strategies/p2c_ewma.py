"""P2C EWMA: two by chance, and the better of them by peak EWMA.

Source: Michael Mitzenmacher, The Power of Two Choices in Randomized Load Balancing (IEEE
Transactions on Parallel and Distributed Systems 12(10), 2001): two choices leave the longest queue
exponentially shorter than one, and nobody herds to the one that seemed best a moment ago. Which of
two is better is decided as Finagle's `p2cPeakEwma` does, by peak EWMA times exchanges in flight
with this one (see `least_response_time`); of two equals the least loaded.
The others follow as they would be ranked by the same measure.
Score: expected wait in ms; lower is better, except that only the two drawn could come first.
"""

from collections.abc import Sequence

from services.balancer.strategies.least_response_time import expected_wait_ms, load_of
from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking


def p2c_ewma(eligible: Sequence[EligibleServer], criteria: Criteria) -> Ranking:
    """Rank the two that were drawn by expected wait, and the others after them."""
    drawn = _draw_two(len(eligible), criteria)
    ranked = sorted(
        (
            place not in drawn,
            expected_wait_ms(server, criteria),
            load_of(server),
            server.priority,
            server.turn,
            place,
        )
        for place, server in enumerate(eligible)
    )
    return Ranking([eligible[key[-1]] for key in ranked], [round(key[1], 3) for key in ranked])


def _draw_two(count: int, criteria: Criteria) -> tuple[int, int]:
    """Two different places, all pairs equally likely; the same one twice where there is one."""
    first = int(criteria.chance() * count)
    if count == 1:
        return first, first
    second = int(criteria.chance() * (count - 1))
    return first, second + (second >= first)

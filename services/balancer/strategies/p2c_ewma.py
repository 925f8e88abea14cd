"""P2C EWMA: two by chance, and the better of them by peak EWMA.

Source: Michael Mitzenmacher, The Power of Two Choices in Randomized Load Balancing (IEEE
Transactions on Parallel and Distributed Systems 12(10), 2001): two choices leave the longest queue
exponentially shorter than one, and nobody herds to the one that seemed best a moment ago. Which of
two is better is decided as Finagle's `p2cPeakEwma` does, by peak EWMA times exchanges in flight
with this one (see `least_response_time`); of two equals the least loaded.
The others follow by the same measure, equals as the fleet has them.
Score: expected wait in ms; lower is better, except that only the two drawn could come first.
"""

from collections.abc import Sequence

from services.balancer.strategies.least_response_time import expected_wait_ms, load_of
from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking


def p2c_ewma(eligible: Sequence[EligibleServer], criteria: Criteria) -> Ranking:
    """Rank the two that were drawn by expected wait, and the others after them."""
    waits_ms = [expected_wait_ms(server, criteria) for server in eligible]

    def rank_key(place: int) -> tuple[float, float, int, int]:
        server = eligible[place]
        return waits_ms[place], load_of(server), server.priority, server.turn

    drawn = _draw_two(len(eligible), criteria)
    others = [place for place in range(len(eligible)) if place not in drawn]
    order = [*sorted(drawn, key=rank_key), *sorted(others, key=waits_ms.__getitem__)]
    return Ranking(
        [eligible[place] for place in order], [round(waits_ms[place], 3) for place in order]
    )


def _draw_two(count: int, criteria: Criteria) -> set[int]:
    """Two different places, all pairs equally likely; one where there is one."""
    first = int(criteria.chance() * count)
    if count == 1:
        return {first}
    second = int(criteria.chance() * (count - 1))
    return {first, second + (second >= first)}

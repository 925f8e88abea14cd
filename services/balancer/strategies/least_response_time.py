"""Least response time: whoever would answer soonest, by the peak of what was seen.

Source: Twitter's Finagle, `PeakEwma.scala`: a moving average of times
to first byte that jumps to every longer one and comes down slowly, times the exchanges that would
then be in flight. Ours fades into the fleet's median rather than to zero, so that a server which
hangs and shows nothing new keeps its share and no more. Who was never tried counts as the fleet's
median; a failure counts as ten of them. Among equals the least loaded (in flight by
`max_sessions`), then the preferred one, then the one that waited longest.
Score: expected wait in ms, the average times exchanges in flight with this one; lower is better.
"""

from collections.abc import Sequence

from services.balancer.strategies.ranking import Criteria, EligibleServer, Ranking


def least_response_time(eligible: Sequence[EligibleServer], criteria: Criteria) -> Ranking:
    """Rank by expected wait."""
    ranked = sorted(
        (expected_wait_ms(server, criteria), load_of(server), server.priority, server.turn, place)
        for place, server in enumerate(eligible)
    )
    return Ranking([eligible[key[-1]] for key in ranked], [round(key[0], 3) for key in ranked])


def expected_wait_ms(server: EligibleServer, criteria: Criteria) -> float:
    """Peak EWMA, times the exchanges that the server would carry."""
    return server.peak_ewma_ms(criteria) * (server.in_flight + 1)


def load_of(server: EligibleServer) -> float:
    """The share of its limit that is in flight."""
    return server.in_flight / server.max_sessions

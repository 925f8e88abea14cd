"""Whom a selection looked at, in the words of the log: the best few, and why not the others."""

from contracts.balancer import SelectServer
from contracts.base import Instant
from contracts.pool import Candidate
from services.balancer.domain.selection.eligibility import restraint_of, serves_region
from services.balancer.domain.state import Balancer, Options
from services.balancer.strategies import Ranking

CANDIDATES_MAX = 5


def best_candidates(
    balancer: Balancer, ranking: Ranking, options: Options, wanted: SelectServer, now: Instant
) -> list[Candidate]:
    """The best few, best first; then, where there is room, who was refused and why."""
    candidates = [
        Candidate(server_id=standing.server_id, score=score)
        for standing, score in zip(ranking.servers[:CANDIDATES_MAX], ranking.scores, strict=False)
    ]
    if len(candidates) < CANDIDATES_MAX:
        if len(ranking.servers) < len(options.able):
            candidates += unavailable_candidates(balancer, options, wanted, now)
        if options.levels:
            candidates += _kept_candidates(options, candidates)
        candidates += options.refused
        del candidates[CANDIDATES_MAX:]
    return candidates


def _kept_candidates(options: Options, candidates: list[Candidate]) -> list[Candidate]:
    """Who could do it now, but is of another level than the one in use."""
    named = {candidate.server_id for candidate in candidates}
    return [
        Candidate(server_id=standing.server_id, refused=f"level {standing.server.level} waits")
        for standing in options.able
        if standing.server_id not in named
    ]


def unavailable_candidates(
    balancer: Balancer, options: Options, wanted: SelectServer, now: Instant
) -> list[Candidate]:
    """Who could do it, but not now or not for this request."""
    refused = []
    for standing in options.able:
        if standing.server_id in wanted.avoid:
            refused.append(Candidate(server_id=standing.server_id, refused="already tried"))
        elif not serves_region(standing, wanted.session_region):
            served = ", ".join(sorted(standing.serves))
            why = f"serves sessions of {served}, not of {wanted.session_region}"
            refused.append(Candidate(server_id=standing.server_id, refused=why))
        elif wanted.dialects and standing.server.dialect not in wanted.dialects:
            why = f"cannot do this request ({standing.server.dialect})"
            refused.append(Candidate(server_id=standing.server_id, refused=why))
        elif held := restraint_of(balancer, standing, wanted, now):
            refused.append(Candidate(server_id=standing.server_id, refused=held))
        elif standing.in_flight >= standing.max_sessions:
            why = f"full: {standing.in_flight} of {standing.max_sessions} exchanges"
            refused.append(Candidate(server_id=standing.server_id, refused=why))
    return refused

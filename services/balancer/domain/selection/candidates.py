"""Whom a selection looked at, in the words of the log: the best few, and why not the others."""

from contracts.balancer import SelectServer
from contracts.base import Instant
from contracts.pool import Candidate
from services.balancer.domain.selection.eligibility import (
    LEVEL_FULL_PERCENT,
    restraint_of,
    serves_region,
)
from services.balancer.domain.state import Balancer, Options
from services.balancer.strategies import Ranking

CANDIDATES_MAX = 5
OUT_MAX = 5
"""So many of those that are out are named beside the best few, however many were ranked."""


def best_candidates(
    balancer: Balancer, ranking: Ranking, options: Options, wanted: SelectServer, now: Instant
) -> list[Candidate]:
    """The best few, best first; then who is out; others who were refused where there is room."""
    candidates = [
        Candidate(server_id=standing.server_id, score=score)
        for standing, score in zip(ranking.servers[:CANDIDATES_MAX], ranking.scores, strict=False)
    ]
    if len(candidates) < CANDIDATES_MAX:
        if len(ranking.servers) < len(options.able):
            candidates += unavailable_candidates(balancer, options, wanted, now)
            del candidates[CANDIDATES_MAX:]
        if options.levels:
            candidates += _kept_candidates(balancer, options, candidates)
            del candidates[CANDIDATES_MAX:]
    if options.out:
        candidates += options.out[:OUT_MAX]
    if options.unable and len(candidates) < CANDIDATES_MAX:
        candidates += options.unable[: CANDIDATES_MAX - len(candidates)]
    return candidates


def _kept_candidates(
    balancer: Balancer, options: Options, candidates: list[Candidate]
) -> list[Candidate]:
    """Who could do it now, but is of another level than the one in use."""
    named = {candidate.server_id for candidate in candidates}
    in_use = balancer.standings[candidates[0].server_id].server.level
    kept = []
    for standing in options.able:
        if standing.server_id not in named:
            level = standing.server.level
            full = f"is at {LEVEL_FULL_PERCENT} % of its limits"
            why = f"level {level} {full if level < in_use else 'waits'}"
            kept.append(Candidate(server_id=standing.server_id, refused=why))
    return kept


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

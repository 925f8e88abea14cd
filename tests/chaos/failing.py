"""What a server that failed every call cost: by stretch, service type and balancer. Pure.

The bound (balancer, health) holds for what one balancer saw: `consecutive_failures` units, and what
was sent before the first failure was in the log; afterwards one for each time that it was tried
again. Who takes the lead begins to count anew, and so does an answer of before, come late.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from sys import maxsize

from tests.chaos.evidence import LogRead, ServerWord, Word
from tests.chaos.report import Failed

CONSECUTIVE_FAILURES = 5


@dataclass(frozen=True)
class Cost:
    """Units that one server lost in one stretch, of one service type, under one balancer."""

    server_id: str
    began_s: float
    service: str
    before: int
    """Granted before the first failure that this balancer saw was in the log."""
    after: int
    """Granted after it."""
    allowed: int
    """So many may be lost after it."""


def costs(log: LogRead, failed: Sequence[Failed]) -> list[Cost]:
    """Count what every stretch cost."""
    return [cost for one in failed for cost in _stretch_costs(log, one)]


def cost_words(cost: Cost) -> str:
    """Tell a cost in a line."""
    return (
        f"500 of {cost.server_id} from {cost.began_s:.1f} s: {cost.before} + {cost.after} units of"
        f" {cost.service} lost, at most {cost.allowed} after the first failure in the log"
    )


def _stretch_costs(log: LogRead, failed: Failed) -> Iterator[Cost]:
    # An end that comes after the stretch may be of a call within it.
    told = [
        word
        for word in log.servers
        if word.at >= failed.began_at and word.server_id in {"", failed.server_id}
    ]
    leaders = [word.sequence for word in told if word.word is Word.LEADER]
    for service in sorted({word.service for word in told if word.lost is not None}):
        of_type = [word for word in told if word.service in {"", service}]
        for begin, end in pairwise([0, *leaders, maxsize]):
            cost = _term_cost(of_type, failed, service, begin, end)
            if cost.before or cost.after:
                yield cost


def _term_cost(
    told: Sequence[ServerWord], failed: Failed, service: str, begin: int, end: int
) -> Cost:
    """Count what was granted between two elections."""
    within = [word for word in told if begin <= word.sequence < end]
    first = next((word.sequence for word in within if word.word is Word.FAILED), end)
    lost = [
        word.lost.sequence
        for word in told
        if word.lost is not None
        and word.word is Word.FAILED
        and failed.began_at <= word.lost.granted_at <= failed.ended_at
        and begin <= word.lost.sequence < end
    ]
    later = [word for word in within if word.sequence > first and word.at <= failed.ended_at]
    answered = sum(word.word is Word.ANSWERED for word in later)
    tried = sum(word.word is Word.HALF_OPEN for word in later)
    return Cost(
        server_id=failed.server_id,
        began_s=failed.began_s,
        service=service,
        before=sum(sequence <= first for sequence in lost),
        after=sum(sequence > first for sequence in lost),
        allowed=(CONSECUTIVE_FAILURES - 1) * (1 + answered) + tried,
    )

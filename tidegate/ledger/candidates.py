"""The servers that a selection looked at, as people read of them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from services.balancer.strategies import score_meaning
from tidegate.console import output
from tidegate.console.moments import duration_words, parsed_moment

_EJECTED = "ejected"


def candidate_lines(attempt: Mapping[str, Any], chosen_at: datetime | None) -> Iterator[str]:
    """Write whom a selection looked at, which way the scores go, and why others were refused.

    How long each was out is told as it was when the server was chosen, `chosen_at`.
    """
    ranked = [each for each in attempt["candidates"] if not each.get("refused")]
    meaning = score_meaning(attempt["strategy"])
    if ranked and meaning:
        yield f"    scores: {meaning}"
    for candidate in attempt["candidates"]:
        if candidate.get("refused"):
            said = f"refused, {_refused_words(candidate, chosen_at)}"
        else:
            said = f"score {output.table_cell(float(candidate.get('score', 0.0)))}"
        yield f"    {candidate['server_id']}: {said}"


def _refused_words(candidate: Mapping[str, Any], chosen_at: datetime | None) -> str:
    """Say why one was refused; of who was out, for how long already, and until when."""
    refused = str(candidate["refused"])
    since = parsed_moment(candidate.get("since"))
    if since is None or chosen_at is None:
        return refused
    state, colon, why = refused.partition(": ")
    lasting = duration_words(max(0.0, (chosen_at - since).total_seconds()))
    if state != _EJECTED:
        return f"{state} for {lasting}{colon}{why}"
    until = parsed_moment(candidate.get("until"))
    left_s = 0.0 if until is None else (until - chosen_at).total_seconds()
    back = f"back {duration_words(left_s)} later" if left_s > 0 else "back once it answers a probe"
    return f"{state} {lasting} before: {why}, {back}"

"""One attempt, as the log keeps it."""

from typing import NamedTuple

from contracts.balancer import Selected
from contracts.pool import Attempt, Verdict
from services.gateway.domain import Judgement
from services.gateway.domain.texts import cut_text

_TRANSLATED_BYTES_MAX = 256
_WHY_BYTES_MAX = 400


class Times(NamedTuple):
    """Of an attempt, in ms; it `started` so long after its request first asked for a lease."""

    started: float
    connect: float
    first_byte: float
    total: float


def attempt_of(
    selected: Selected,
    judgement: Judgement,
    verdict: Verdict,
    status: int,
    times: Times,
    *,
    sent: bool,
    translated: str,
) -> Attempt:
    """Write down an attempt; `status` is 0 where no answer came."""
    return Attempt(
        server_id=selected.server_id,
        region=selected.region,
        strategy=selected.strategy,
        candidates=selected.candidates,
        verdict=verdict,
        status=status,
        upstream_code=judgement.upstream_code,
        inner_code=judgement.inner_code,
        meaning=judgement.meaning or "",
        translated=cut_text(translated, _TRANSLATED_BYTES_MAX),
        failure=judgement.message if judgement.status == 0 else "",
        sent=sent,
        in_flight=selected.in_flight,
        why=cut_text(selected.why, _WHY_BYTES_MAX) if selected.why else "",
        connect_ms=times.connect,
        first_byte_ms=times.first_byte,
        total_ms=times.total,
        started_ms=times.started,
    )

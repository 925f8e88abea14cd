"""How one attempt went."""

from typing import NamedTuple

import msgspec

from contracts.balancer import Selected
from contracts.pool import Attempt, Verdict
from services.gateway.domain import Judgement, failure_error
from services.gateway.domain.errors import GatewayError
from services.gateway.transport import TransportFailure


class Result(msgspec.Struct, frozen=True):
    """How an attempt went. `error` words it for the client when nothing was passed on."""

    judgement: Judgement
    sent: bool
    error: GatewayError | None = None
    retry_after_s: float | None = None
    cut: bool = False


class Times(NamedTuple):
    """Of an attempt, in ms."""

    connect: float
    first_byte: float
    total: float


def tried_at(
    selected: Selected,
    result: Result,
    verdict: Verdict,
    status: int,
    times: Times,
    *,
    sent: bool,
    translated: str,
) -> Attempt:
    """Write down an attempt."""
    judgement = result.judgement
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
        translated=translated,
        failure=_failure_of(result),
        sent=sent,
        connect_ms=times.connect,
        first_byte_ms=times.first_byte,
        total_ms=times.total,
    )


def failed(failure: TransportFailure) -> Result:
    """Word an exchange that broke off before a verdict."""
    verdict = Verdict.OUTCOME_UNKNOWN if failure.sent else Verdict.UNREACHABLE
    error = failure_error(failure.failure, sent=failure.sent)
    return Result(Judgement(verdict, message=failure.failure), sent=failure.sent, error=error)


def _failure_of(result: Result) -> str:
    """The transport's word for a failure without a status."""
    return result.judgement.message if result.judgement.status == 0 else ""

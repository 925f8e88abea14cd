"""What each verdict does to the units, whether another session may be tried, what clients hear."""

from collections.abc import Sequence
from datetime import UTC
from math import ceil

from contracts.balancer import NoServer
from contracts.pool import Attempt, Outcome, Refusal, Refused, Verdict
from services.gateway.domain.answers.judgement import Judgement
from services.gateway.domain.errors import ErrorCode, GatewayError
from services.gateway.domain.failure import Failure

PAUSE_S = 0.5
_RESTS_TOLD_S = 30.0
"""`Retry-After` for a server that rests is at most so much (docs/reference/errors.md)."""
_TRIED = "already tried"
"""What the balancer says of a server that a request names as tried before."""
_FAILURE_WORDS: dict[str, str] = {
    Failure.DNS: "its name is not found",
    Failure.CONNECT: "it cannot be connected to",
    Failure.TLS: "its TLS failed",
    Failure.TIMEOUT: "it did not answer in time",
    Failure.CUT: "it broke off",
    Failure.GARBAGE: "what it answered is no HTTP",
}
_OUTCOMES = {
    Verdict.SUCCESS: Outcome.SETTLED,
    Verdict.REJECTED: Outcome.RELEASED,
    Verdict.RATE_LIMITED: Outcome.RELEASED,
    Verdict.QUOTA_EXHAUSTED: Outcome.RELEASED,
    Verdict.LOGIN_EXPIRED: Outcome.RELEASED,
    Verdict.RISK_CONTROL: Outcome.RELEASED,
    Verdict.UNREACHABLE: Outcome.RELEASED,
    Verdict.OUTCOME_UNKNOWN: Outcome.UNKNOWN,
}
_ANOTHER_SESSION = frozenset(
    {
        Verdict.RATE_LIMITED,
        Verdict.QUOTA_EXHAUSTED,
        Verdict.LOGIN_EXPIRED,
        Verdict.RISK_CONTROL,
    }
)
_REFUSALS: dict[Refusal, tuple[ErrorCode, str]] = {
    Refusal.QUOTA_EXHAUSTED: (
        "pool_quota_exhausted",
        "no session has a unit of {service} left today",
    ),
    Refusal.SATURATED: (
        "pool_saturated",
        "every session with a unit of {service} left is busy, cooling, draining or being made",
    ),
    Refusal.CREDENTIALS_EXHAUSTED: (
        "upstream_credentials_exhausted",
        "the backends call every credential of the pool invalid; your own key is good",
    ),
    Refusal.LEDGER_UNAVAILABLE: ("ledger_unavailable", "the event log takes no lease now"),
    Refusal.STALE_REQUEST: ("pool_saturated", "the request waited too long for the pool"),
    Refusal.CANCELLED: ("pool_saturated", "the lease was given back meanwhile"),
    Refusal.UNKNOWN_SERVICE: ("invalid_request", "the pool knows no service type {service}"),
}


def outcome_of(verdict: Verdict, *, sent: bool, answered: bool, submitted: bool = False) -> Outcome:
    """Say what became of the units. A client that left decides nothing but when it left.

    `submitted`: the failure was said after the work had been submitted.
    """
    if submitted:
        return Outcome.UNKNOWN
    if verdict is Verdict.CLIENT_GONE:
        if answered:
            return Outcome.SETTLED
        return Outcome.UNKNOWN if sent else Outcome.RELEASED
    return _OUTCOMES[verdict]


def another_session(verdict: Verdict) -> bool:
    """Say whether another session may do what this one was refused."""
    return verdict in _ANOTHER_SESSION


def pause_before(attempts: int, retry_after_s: float | None, chance: float) -> float:
    """Tell how many seconds the same server is left alone before it is asked again.

    Half a second, twice as long after each further attempt, less a random part (`chance`, from 0
    to 1) of up to a half, so that those who failed together do not come back together; never less
    than the server asked for (ADR 21).
    """
    assert attempts > 0
    pause_s = PAUSE_S * (1 << attempts - 1) * (1 - chance / 2)
    return max(pause_s, retry_after_s or 0.0)


def refusal_error(
    refused: Refused, service_type: str, unserved: Sequence[str] = ()
) -> GatewayError:
    """Word the pool's refusal; sessions of regions `unserved` were not wanted: none serves them."""
    if refused.reason is Refusal.TOO_MANY_UNITS:
        message = refused.message or "n: more units than a session has in a day"
        return GatewayError("invalid_request", message, "n")
    code, message = _REFUSALS[refused.reason]
    wait = refused.retry_after_s or None  # 0: the pool cannot say, so the row does
    message = refused.why or message.format(service=service_type)
    if refused.reason is Refusal.QUOTA_EXHAUSTED and refused.resets_at is not None:
        resets_at = refused.resets_at.astimezone(UTC)
        message += f"; the next quota day begins at {resets_at:%Y-%m-%dT%H:%M:%SZ}"
    if unserved and refused.reason is Refusal.SATURATED:
        message += f"; no server serves those of {', '.join(unserved)} now"
    if refused.held:
        message += f"; {refused.held}"
    if refused.wait:
        message += f"; {refused.wait}"
    return GatewayError(code, message, retry_after_s=wait)


def no_server_error(
    answer: NoServer, service_type: str, attempts: Sequence[Attempt] = ()
) -> GatewayError:
    """Word the balancer's refusal; of those that this lease was tried at, say how they failed."""
    reason = answer.reason
    for attempt in attempts:
        name = attempt.server_id
        reason = reason.replace(f"{name}: {_TRIED}", f"{name}: {_attempt_words(attempt)}")
    message = f"no server can do {service_type}: {reason}"
    if answer.rests_s:
        wait_s = min(answer.rests_s, _RESTS_TOLD_S)
        return GatewayError("pool_saturated", message, retry_after_s=wait_s)
    if attempts:
        return GatewayError("upstream_error", message)
    # Before the first that is ejected may be tried again, asking is for nothing.
    if answer.back_in_s:
        message += f"; the next of those that are ejected is tried in {ceil(answer.back_in_s)} s"
    return GatewayError("no_backend", message, retry_after_s=answer.back_in_s or None)


def _attempt_words(attempt: Attempt) -> str:
    """Say how an attempt failed, for whoever reads why there is no other server."""
    if attempt.failure:
        return _FAILURE_WORDS.get(attempt.failure, attempt.failure)
    return f"it answered {attempt.status}" if attempt.status else _TRIED


def client_error(judgement: Judgement, retry_after_s: float | None) -> GatewayError:
    """Word a verdict that ends the request; session faults as the last attempt's."""
    said = judgement.message
    code = judgement.upstream_code
    verdict = judgement.verdict
    # First, whatever the verdict: who hears "saturated" asks again, and buys the work once more.
    if judgement.submitted:
        message = f"the backend failed after it had begun the work: {said or 'it gave no reason'}"
        return GatewayError("upstream_outcome_unknown", message, upstream_code=code)
    if verdict is Verdict.REJECTED:
        return _rejection_error(judgement)
    if verdict in {Verdict.RATE_LIMITED, Verdict.RISK_CONTROL}:
        message = said or "the backend limits its rate"
        return GatewayError(
            "pool_saturated", message, upstream_code=code, retry_after_s=retry_after_s
        )
    # Of one session, not of the pool: another may have units, so this is no `insufficient_quota`.
    if verdict is Verdict.QUOTA_EXHAUSTED:
        message = said or "the backend says the session's quota is used up"
        return GatewayError("pool_saturated", message, upstream_code=code)
    if verdict is Verdict.LOGIN_EXPIRED:
        # Whoever reads "invalid token" looks at the key that he sent himself.
        message = "the backend calls the pool's credential invalid; your own key is good"
        message += f": {said}" if said else ""
        return GatewayError("upstream_error", message, upstream_code=code)
    message = f"the backend answered {judgement.status}" + (f": {said}" if said else "")
    return GatewayError("upstream_outcome_unknown", message, upstream_code=code)


def _rejection_error(judgement: Judgement) -> GatewayError:
    said = judgement.message
    code = judgement.upstream_code
    if judgement.meaning == "content_rejected":
        message = said or "the backend rejected the content"
        return GatewayError("content_policy_violation", message, upstream_code=code)
    if judgement.meaning == "bad_parameter":
        message = said or "the backend rejected a parameter"
        return GatewayError("invalid_request", message, upstream_code=code)
    if judgement.meaning == "not_accepted":
        message = said or "the backend began no work"
        return GatewayError("upstream_error", message, upstream_code=code)
    message = said or f"the backend answered {judgement.status}"
    return GatewayError("upstream_rejected", message, status=judgement.status, upstream_code=code)


def failure_error(failure: Failure, *, sent: bool, safe: bool = False) -> GatewayError:
    """Word an exchange without an answer; `failure` says why.

    `safe`: nothing is bought by asking again, whatever became of it.
    """
    if not sent:
        return GatewayError("upstream_error", f"no server could be reached ({failure})")
    if safe:
        return GatewayError("upstream_error", f"the backend did not answer ({failure})")
    status = 504 if failure is Failure.TIMEOUT else None
    message = f"the backend did not answer ({failure}); whether it did the work is unknown"
    return GatewayError("upstream_outcome_unknown", message, status=status)


def models_error(judgement: Judgement, retry_after_s: float | None) -> GatewayError:
    """Word an answer without models: there is no session to blame, and asking again is safe."""
    if judgement.verdict in {Verdict.LOGIN_EXPIRED, Verdict.OUTCOME_UNKNOWN}:
        said = judgement.message or "no models"
        message = f"the backend answered {judgement.status}: {said}"
        return GatewayError("upstream_error", message, upstream_code=judgement.upstream_code)
    return client_error(judgement, retry_after_s)

"""Courses of requests for tests: happenings as the loop tells them, and the steps they lead to."""

from typing import Any

from contracts.balancer import Selected
from contracts.base import KeyId, LeaseId, QuotaDay, RequestId, ServerId, ServiceType, SessionId
from contracts.pool import Attempt, Granted, Refusal, Refused, Verdict
from services.gateway.domain import Judgement, failure_error
from services.gateway.domain.answers.failures import Meaning
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.failure import Failure
from services.gateway.relay.course import advance, begin
from services.gateway.relay.course.endings import cancel_of
from services.gateway.relay.course.facts import CallFacts
from services.gateway.relay.course.happenings import (
    Answered,
    Chosen,
    CredentialRead,
    Entered,
    Happening,
    Judged,
    NotAsked,
)
from services.gateway.relay.course.stages import Stage
from services.gateway.relay.course.steps import Cancel, Enter, Step, Steps

IMAGE = ServiceType("image")
FAILURES = {
    Verdict.UNREACHABLE: Failure.CONNECT,
    Verdict.OUTCOME_UNKNOWN: Failure.CUT,
}


def a_call(**given: Any) -> CallFacts:
    """Ask for one picture."""
    fields: dict[str, Any] = {
        "request_id": RequestId("r"),
        "key_id": KeyId("k"),
        "service_type": IMAGE,
        "units": 1,
        "per_item": False,
        "path": "/v1/images/generations",
        "model": "m",
        "client_request_id": "",
        "bytes_in": 10,
        "attempts_max": 3,
        "started_s": 0.0,
    }
    return CallFacts(**{**fields, **given})


ENTERED = Entered()


def pool_grants(number: int = 1, *, send_within_s: float = 10.0, **given: Any) -> Answered:
    """Have the pool grant the lease of this number, of the session of the same number."""
    fields: dict[str, Any] = {
        "lease_id": LeaseId(f"r:{number}"),
        "session_id": SessionId(f"s{number}"),
        "quota_day": QuotaDay("2026-11-26"),
        "credential_revision": 1,
        "units": 1,
        "remaining": {IMAGE: 4},
        "send_within_s": send_within_s,
        "expires_in_s": 60.0,
    }
    return Answered(Granted(**{**fields, **given}), 1.0)


def pool_refuses(reason: Refusal) -> Answered:
    """Have the pool refuse."""
    return Answered(Refused(reason=reason), 1.0)


def balancer_chooses(server: str = "a", *, idempotent: bool = False) -> Chosen:
    """Have the balancer choose."""
    return Chosen(
        Selected(
            server_id=ServerId(server),
            url=f"http://{server}",
            strategy="round_robin",
            idempotent=idempotent,
        )
    )


def attempted(verdict: Verdict, server: str = "a", *, sent: bool | None = None) -> Attempt:
    """Write down an attempt as the exchange would."""
    sent = verdict is not Verdict.UNREACHABLE if sent is None else sent
    return Attempt(server_id=ServerId(server), verdict=verdict, sent=sent, strategy="round_robin")


def server_judged(
    verdict: Verdict,
    server: str = "a",
    *,
    replayable: bool = True,
    submitted: bool = False,
    results: int = 0,
    meaning: Meaning | None = None,
) -> Judged:
    """Have a server's answer, or its failure, judged."""
    failure = FAILURES.get(verdict)
    return Judged(
        judgement=Judgement(
            verdict, 0, meaning, message=failure or "", submitted=submitted, results=results
        ),
        attempt=attempted(verdict, server),
        error=failure_error(failure, sent=verdict is Verdict.OUTCOME_UNKNOWN) if failure else None,
        replayable=replayable,
        chance=0.5,
    )


def run_course(
    *happenings: Happening, call: CallFacts | None = None, now_s: float = 1.0
) -> tuple[Stage, list[Step]]:
    """Let these happen one after the other; returns where that led, and every step but `Enter`.

    Each lease may be asked for, unless it is said otherwise.
    """
    stage: Stage
    stage, steps = begin(call or a_call())
    every: list[Step] = []
    for happening in happenings:
        if not isinstance(happening, Entered | NotAsked):
            stage, steps = _entered(stage, steps, now_s)
        every += steps
        stage, steps = advance(stage, happening, now_s)
    stage, steps = _entered(stage, steps, now_s)
    return stage, [*every, *steps]


def _entered(stage: Stage, steps: Steps, now_s: float) -> tuple[Stage, Steps]:
    """Let the next lease be asked for, where that is what is waited for."""
    if not isinstance(steps[-1], Enter):
        return stage, steps
    after, question = advance(stage, ENTERED, now_s)
    return after, (*steps[:-1], *question)


def in_hand(*happenings: Happening, **given: Any) -> tuple[Stage, list[Step]]:
    """Let these happen to a lease whose credential is open; returns only the steps after that."""
    stage, steps = run_course(pool_grants(**given), CredentialRead(()), *happenings)
    return stage, steps[2:]


def cancel_step(number: int, reason: str, error: GatewayError | None = None) -> Cancel:
    """Give back or forbid a lease of `a_call`."""
    return cancel_of(a_call(), number, reason, error)

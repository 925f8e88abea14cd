"""A request waits for its lease: what it asks again, what it is told, and how a wait ends."""

from contracts.pool import Refusal, Verdict, Waiting
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.course import advance, begin, summary_of
from services.gateway.relay.course.happenings import (
    Answered,
    BrokenOff,
    CredentialRead,
    NotAsked,
    NotYet,
)
from services.gateway.relay.course.stages import Ended, Stage
from services.gateway.relay.course.steps import (
    AskLease,
    AwaitGrant,
    Cancel,
    Fail,
    FetchCredential,
    Step,
    Steps,
)
from tests.moments import NOON
from tests.unit.gateway.courses import (
    ENTERED,
    a_call,
    balancer_chooses,
    pool_grants,
    pool_refuses,
    server_judged,
)

TOLD_TO_WAIT = Answered(Waiting(position=7, eta_s=4.5), 250.0, NOON)


def told_to_wait(wait_s: float = 5.0, at_s: float = 10.0) -> tuple[Stage, Steps]:
    """It asked for its lease at 9.75 s, and was told to wait at 10 s."""
    stage: Stage
    stage, _ = begin(a_call(wait_s=wait_s))
    stage, steps = advance(stage, ENTERED, at_s - 0.25)
    assert asked_in(steps).wait_ms == int(wait_s * 1000)
    return advance(stage, TOLD_TO_WAIT, at_s)


def asked_in(steps: Steps) -> AskLease:
    """Take the last step for a question."""
    (question,) = steps
    assert isinstance(question, AskLease)
    return question


def test_it_asks_again_every_two_seconds_for_what_is_left() -> None:
    stage, steps = told_to_wait()

    assert steps == (AwaitGrant(1, 2.0),)

    stage, steps = advance(stage, NotYet(), 12.0)
    question = asked_in(steps)
    assert (question.wait_ms, question.waiting_since, question.number) == (2750, NOON, 1)
    stage, steps = advance(stage, TOLD_TO_WAIT, 12.1)
    assert steps == (AwaitGrant(1, 2.0),)
    stage, steps = advance(stage, NotYet(), 14.1)
    assert asked_in(steps).wait_ms == 650


def test_the_last_question_waits_for_nothing() -> None:
    stage, _ = told_to_wait(wait_s=1.0)

    stage, steps = advance(stage, NotYet(), 10.75)

    assert asked_in(steps).wait_ms == 0
    stage, steps = advance(stage, pool_refuses(Refusal.SATURATED), 10.8)
    assert isinstance(steps[-1], Fail)
    assert steps[-1].error.code == "pool_saturated"
    assert (summary_of(stage).queue_position, summary_of(stage).queue_eta_s) == (7, 4.5)


def test_a_grant_that_is_delivered_is_taken_in_hand() -> None:
    stage, _ = told_to_wait()

    stage, steps = advance(stage, pool_grants(1), 11.0)

    assert isinstance(steps[0], FetchCredential)
    assert summary_of(stage).queue_position == 7
    assert summary_of(stage).lease_ms == 1250.0, "from its question at 9.75 s to its grant"


def test_however_often_it_asks_its_whole_wait_is_what_the_lease_took() -> None:
    stage, _ = told_to_wait(wait_s=20.0)
    for at_s in (12.0, 14.1, 16.2):
        stage, _ = advance(stage, NotYet(), at_s)
        stage, _ = advance(stage, TOLD_TO_WAIT, at_s + 0.1)

    granted, _ = advance(stage, pool_grants(1), 17.75)
    left, _ = advance(stage, BrokenOff(), 17.75)

    assert summary_of(granted).lease_ms == 8000.0
    assert summary_of(left).lease_ms == 8000.0


def test_what_it_has_waited_for_one_lease_it_does_not_wait_for_the_next() -> None:
    stage, _ = told_to_wait()
    stage, _ = advance(stage, pool_grants(1), 13.0)

    left_s = 5.0 - stage.trail.waited_s

    assert left_s == 1.75
    assert stage.trail.waiting_since is None


def test_a_grant_that_was_taken_back_undelivered_keeps_its_place() -> None:
    stage, _ = told_to_wait()
    stage, _ = advance(stage, NotYet(), 12.0)

    stage, steps = advance(stage, pool_refuses(Refusal.CANCELLED), 12.1)

    question = asked_in(steps)

    assert (question.number, question.waiting_since) == (2, NOON)


def test_a_question_that_is_cancelled_but_never_waited_ends_it_and_is_not_asked_again() -> None:
    """It carried the end of the lease before: that is not told a second time."""
    stage, _ = told_to_wait()
    stage, _ = advance(stage, pool_grants(1, send_within_s=30.0), 11.0)
    stage, _ = advance(stage, CredentialRead(()), 11.0)
    stage, _ = advance(stage, balancer_chooses("a"), 11.0)
    stage, _ = advance(stage, server_judged(Verdict.RATE_LIMITED, "a"), 11.0)
    stage, steps = advance(stage, ENTERED, 11.0)
    assert asked_in(steps).previous is not None

    stage, steps = advance(stage, pool_refuses(Refusal.CANCELLED), 11.1)

    (step,) = steps
    assert (type(stage), type(step)) == (Ended, Fail)


def cancelled_in(step: Step) -> tuple[int, str, str]:
    """Say which lease a step gives back, why, and with which error."""
    assert isinstance(step, Cancel)
    command = step.command
    return command.number, command.reason, command.error_code


def test_a_key_that_may_no_more_gives_back_what_may_be_granted_by_now() -> None:
    stage, _ = told_to_wait()

    stage, steps = advance(stage, NotAsked(GatewayError("invalid_api_key", "revoked")), 11.0)

    assert isinstance(stage, Ended)
    assert cancelled_in(steps[0]) == (1, "not_sent", "invalid_api_key")


def test_a_client_that_leaves_gives_its_place_up() -> None:
    stage, _ = told_to_wait()

    stage, steps = advance(stage, BrokenOff(), 11.0)

    assert isinstance(stage, Ended)
    assert cancelled_in(steps[0]) == (1, "client_gone", "")

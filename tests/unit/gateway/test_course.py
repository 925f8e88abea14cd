"""The course of a request, row by row of what is easily lost."""

import pytest

from contracts.balancer import NoServer
from contracts.base import ServerId, SessionId
from contracts.pool import Free, Outcome, Refusal, Verdict
from services.gateway.domain.answers.failures import Meaning
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.course import advance, begin, summary_of
from services.gateway.relay.course.happenings import (
    Answered,
    BrokenOff,
    CredentialRead,
    CredentialUnreadable,
    Entered,
    Happening,
    LeaseUnanswered,
    NoServerFound,
    NotAsked,
    Passed,
    Paused,
    SelectionUnanswered,
)
from services.gateway.relay.course.stages import Ended
from services.gateway.relay.course.steps import (
    AskLease,
    AskServer,
    Cancel,
    Enter,
    Fail,
    FetchCredential,
    Finish,
    Pass,
    Pause,
    Record,
    Send,
    Step,
)
from tests.unit.gateway.courses import (
    IMAGE,
    a_call,
    attempted,
    balancer_chooses,
    cancel_step,
    in_hand,
    pool_grants,
    pool_refuses,
    run_course,
    server_judged,
)

UNSERVED = NoServerFound(NoServer(reason="a: serves sessions of sg", region="us"))
NO_SERVER = NoServerFound(NoServer(reason="none is up"))
PASSED = Passed(attempt=attempted(Verdict.SUCCESS), status=200, bytes_out=7)
LATE = {"send_within_s": 0.0}


def ending_in(step: Step) -> tuple[str, Outcome, Verdict, str]:
    """Say how a step ends a lease: which, as what, by which verdict, with which error."""
    assert isinstance(step, Record)
    usage = step.usage
    return usage.lease_id, usage.outcome, usage.verdict, usage.error_code


def error_in(step: Step) -> str:
    """Name the error that a step answers with."""
    assert isinstance(step, Fail)
    return step.error.code


def question_in(step: Step) -> AskLease:
    """Take a step for a question."""
    assert isinstance(step, AskLease)
    return step


def test_a_success_is_asked_for_opened_sent_passed_and_settled() -> None:
    """The way of nearly all."""
    stage, steps = run_course(
        pool_grants(),
        CredentialRead(()),
        balancer_chooses(),
        server_judged(Verdict.SUCCESS, results=1),
        PASSED,
    )

    kinds = [type(step) for step in steps]
    assert kinds == [AskLease, FetchCredential, AskServer, Send, Pass, Record, Finish]
    assert ending_in(steps[5]) == ("r:1", Outcome.SETTLED, Verdict.SUCCESS, "")
    assert isinstance(stage, Ended)
    told = summary_of(stage)
    assert (told.session_id, told.server_id, told.attempts_made) == ("s1", "a", 1)
    assert told.remaining == {IMAGE: 4}


# Late leases.


def late(number: int) -> list[Happening]:
    """Let a lease come too late to be sent."""
    return [pool_grants(number, **LATE), CredentialRead(()), balancer_chooses()]


def test_a_late_lease_is_given_back_and_another_asked_for() -> None:
    """That is no attempt."""
    stage, steps = run_course(*late(1))

    assert steps[-2] == cancel_step(1, "not_sent")
    assert question_in(steps[-1]).number == 2
    assert summary_of(stage).attempts_made == 0


def test_a_third_late_lease_is_saturation() -> None:
    """Nobody asks for ever."""
    _, steps = run_course(*late(1), *late(2), *late(3))

    assert isinstance(steps[-1], Fail)
    assert steps[-2] == cancel_step(3, "not_sent", steps[-1].error)
    assert error_in(steps[-1]) == "pool_saturated"


def test_late_after_unreachable_tries_is_released() -> None:
    """A lease that was tried is no cancelled one."""
    stage, _ = run_course(
        pool_grants(send_within_s=5.0),
        CredentialRead(()),
        balancer_chooses(),
        server_judged(Verdict.UNREACHABLE),
    )
    stage, more = advance(stage, balancer_chooses("b"), 7.0)

    assert ending_in(more[0]) == ("r:1", Outcome.RELEASED, Verdict.UNREACHABLE, "")
    assert isinstance(more[1], Enter)
    assert summary_of(stage).attempts_made == 1


def test_late_after_a_doubtful_try_is_unknown() -> None:
    """What may have been done is done with no other lease."""
    stage, _ = run_course(
        pool_grants(),
        CredentialRead(()),
        balancer_chooses(idempotent=True),
        server_judged(Verdict.OUTCOME_UNKNOWN),
    )
    _, steps = advance(stage, Paused(), 12.0)

    assert ending_in(steps[0]) == (
        "r:1",
        Outcome.UNKNOWN,
        Verdict.OUTCOME_UNKNOWN,
        "upstream_outcome_unknown",
    )
    assert isinstance(steps[1], Fail)
    assert steps[1].error.http_status == 504


# What a lease ended as rides on the next question.


def test_the_end_of_a_refused_session_rides_on_the_next_question() -> None:
    """One command serves for both."""
    _, steps = in_hand(balancer_chooses(), server_judged(Verdict.RATE_LIMITED))

    question = question_in(steps[-1])

    assert question.number == 2
    assert question.avoid_sessions == ("s1",)
    assert question.previous is not None
    assert ending_in(Record(question.previous)) == (
        "r:1",
        Outcome.RELEASED,
        Verdict.RATE_LIMITED,
        "",
    )


@pytest.mark.parametrize(
    "happening",
    [
        pool_refuses(Refusal.LEDGER_UNAVAILABLE),
        LeaseUnanswered("nobody", sent=True),
        LeaseUnanswered("nobody", sent=False),
        NotAsked(GatewayError("ledger_unavailable", "full")),
        NotAsked(GatewayError("invalid_api_key", "revoked")),
        BrokenOff(),
        BrokenOff(error=GatewayError("upstream_outcome_unknown", "stopping")),
    ],
)
def test_it_is_recorded_where_no_question_carried_it(happening: Happening) -> None:
    """An end is never lost."""
    _, steps = in_hand(balancer_chooses(), server_judged(Verdict.RATE_LIMITED), happening)

    ends = [step for step in steps if isinstance(step, Record)]
    assert [ending_in(end)[:3] for end in ends] == [("r:1", Outcome.RELEASED, Verdict.RATE_LIMITED)]


@pytest.mark.parametrize("happening", [pool_grants(2), pool_refuses(Refusal.QUOTA_EXHAUSTED)])
def test_it_is_recorded_once_where_one_did(happening: Happening) -> None:
    """The pool has it."""
    _, steps = in_hand(balancer_chooses(), server_judged(Verdict.RATE_LIMITED), happening)

    assert not [step for step in steps if isinstance(step, Record)]


def test_a_ledger_that_is_unavailable_may_have_granted_all_the_same() -> None:
    """An earlier sending of the same question may stand."""
    _, steps = run_course(pool_refuses(Refusal.LEDGER_UNAVAILABLE))

    assert isinstance(steps[2], Fail)
    assert steps[1:] == [cancel_step(1, "ledger_unavailable", steps[2].error), steps[2]]
    assert error_in(steps[2]) == "ledger_unavailable"


def test_a_question_that_was_never_sent_forbids_nothing() -> None:
    """While NATS is away nobody can hear it either."""
    _, steps = run_course(LeaseUnanswered("no connection", sent=False))

    assert [type(step) for step in steps] == [AskLease, Fail]


def test_a_question_without_an_answer_forbids_its_lease() -> None:
    """It may be granted yet."""
    _, steps = run_course(LeaseUnanswered("silence", sent=True))

    assert isinstance(steps[2], Fail)
    assert steps[1:] == [cancel_step(1, "unanswered", steps[2].error), steps[2]]
    assert error_in(steps[2]) == "ledger_unavailable"


# The last word.


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(Verdict.QUOTA_EXHAUSTED, "pool_saturated"), (Verdict.LOGIN_EXPIRED, "upstream_error")],
)
def test_after_the_last_attempt_the_pool_says_whether_anything_was_left(
    verdict: Verdict, code: str
) -> None:
    """Only it knows; nothing is granted any more."""
    call = a_call(attempts_max=1)
    way = (pool_grants(), CredentialRead(()), balancer_chooses(), server_judged(verdict))
    _, steps = run_course(*way, call=call)

    assert question_in(steps[-1]).only_ask

    _, free = run_course(*way, Answered(Free(), 1.0), call=call)
    _, used_up = run_course(*way, pool_refuses(Refusal.QUOTA_EXHAUSTED), call=call)
    _, older = run_course(*way, pool_grants(2), call=call)

    assert error_in(free[-1]) == code
    assert error_in(used_up[-1]) == "pool_quota_exhausted"
    assert older[-2] == cancel_step(2, "attempts_max")
    assert error_in(older[-1]) == code


# Servers.


def test_those_of_the_last_resort_are_dropped_once_when_no_server_is_left() -> None:
    """A trial's accusers and those that called a session invalid."""
    accused = {"avoid_servers": [ServerId("x")]}
    _, steps = in_hand(NO_SERVER, NO_SERVER, **accused)

    first, second, end, error = steps
    assert isinstance(first, AskServer)
    assert first.avoid == ("x",)
    assert isinstance(second, AskServer)
    assert second.avoid == ()
    assert isinstance(end, Cancel)
    assert error_in(error) == "no_backend"


def test_a_server_that_called_a_session_invalid_is_of_the_last_resort() -> None:
    """The next session is tried elsewhere, where there is an elsewhere."""
    _, steps = in_hand(
        balancer_chooses("a"),
        server_judged(Verdict.LOGIN_EXPIRED),
        pool_grants(2),
        CredentialRead(()),
    )

    assert isinstance(steps[-1], AskServer)
    assert steps[-1].avoid == ("a",)


def test_tried_and_no_server_left_is_an_upstream_error() -> None:
    """Untried it is no backend."""
    _, untried = in_hand(NO_SERVER)
    _, tried = in_hand(balancer_chooses(), server_judged(Verdict.UNREACHABLE), NO_SERVER)

    assert error_in(untried[-1]) == "no_backend"
    assert isinstance(untried[-2], Cancel)
    assert error_in(tried[-1]) == "upstream_error"
    assert ending_in(tried[-2])[1:3] == (Outcome.RELEASED, Verdict.UNREACHABLE)


def test_a_lease_whose_region_no_server_serves_is_given_back_for_one_of_another() -> None:
    stage, steps = run_course(
        *(
            pool_grants(region="us"),
            CredentialRead(()),
            UNSERVED,
            pool_grants(2, region="jp"),
            CredentialRead(()),
        ),
        *(balancer_chooses(), server_judged(Verdict.SUCCESS), PASSED),
    )

    assert steps[3] == cancel_step(1, "not_sent")
    assert question_in(steps[4]) == AskLease(
        number=2, avoid_sessions=(), avoid_servers=(), avoid_regions=("us",), previous=None
    )
    assert ending_in(steps[-2])[:2] == ("r:2", Outcome.SETTLED)
    assert isinstance(stage, Ended)


def test_after_the_second_region_that_nobody_serves_it_is_over() -> None:
    _, steps = run_course(
        *(pool_grants(region="us"), CredentialRead(()), UNSERVED),
        *(pool_grants(2, region="jp"), CredentialRead(()), UNSERVED),
        *(pool_grants(3, region="hk"), CredentialRead(()), UNSERVED),
    )

    assert question_in(steps[8]).avoid_regions == ("us", "jp")
    assert isinstance(steps[-1], Fail)
    assert (steps[-1].error.code, steps[-1].error.message) == (
        "no_backend",
        "no server can do image: a: serves sessions of sg",
    )
    assert steps[-2] == cancel_step(3, "not_sent", steps[-1].error)


def test_a_pool_that_knows_no_regions_is_asked_once_more_at_the_most() -> None:
    """It grants the same region again: a third lease of it would be no better."""
    _, steps = run_course(
        *(pool_grants(region="us"), CredentialRead(()), UNSERVED),
        *(pool_grants(2, region="us"), CredentialRead(()), UNSERVED),
    )

    assert isinstance(steps[-1], Fail)
    assert steps[-1].error.code == "no_backend"


def test_a_lease_without_a_region_is_never_given_back_for_it() -> None:
    _, steps = in_hand(UNSERVED)

    assert [type(step) for step in steps[1:]] == [Cancel, Fail]


def test_after_unreachable_tries_the_lease_that_is_given_back_tells_them() -> None:
    unreachable = server_judged(Verdict.UNREACHABLE)
    _, steps = in_hand(balancer_chooses(), unreachable, UNSERVED, region="us")

    assert ending_in(steps[-2])[1:] == (Outcome.RELEASED, Verdict.UNREACHABLE, "")
    assert question_in(steps[-1]).avoid_regions == ("us",)


def test_regions_that_nobody_served_a_moment_ago_are_not_asked_for() -> None:
    stage, _ = begin(a_call())
    stage, steps = advance(stage, Entered(("jp", "us")), 1.0)

    assert question_in(steps[-1]).avoid_regions == ("jp", "us")
    _, steps = advance(stage, pool_refuses(Refusal.SATURATED), 1.0)
    assert isinstance(steps[-1], Fail)
    assert steps[-1].error.code == "pool_saturated"
    assert steps[-1].error.message.endswith("; no server serves those of jp, us now")


def test_a_balancer_that_is_silent_gives_the_lease_back() -> None:
    """Nothing was sent."""
    error = GatewayError("no_backend", "silent")
    _, steps = in_hand(SelectionUnanswered(error))

    assert steps[-2:] == [cancel_step(1, "not_sent", error), Fail(error)]


def test_a_credential_that_cannot_be_read_gives_its_lease_back() -> None:
    """Nothing was sent."""
    error = GatewayError("internal_error", "sealed by another key")
    _, steps = run_course(pool_grants(), CredentialUnreadable(error))

    assert steps[-2:] == [cancel_step(1, "not_sent", error), Fail(error)]


# Doubt.


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict.RATE_LIMITED,
        Verdict.LOGIN_EXPIRED,
        Verdict.QUOTA_EXHAUSTED,
        Verdict.RISK_CONTROL,
        Verdict.REJECTED,
        Verdict.UNREACHABLE,
    ],
)
def test_a_doubtful_lease_is_unknown_whatever_is_answered_next(verdict: Verdict) -> None:
    """And nobody is penalised, and nobody else asked: only the same server may repeat it."""
    _, steps = in_hand(
        balancer_chooses(idempotent=True),
        server_judged(Verdict.OUTCOME_UNKNOWN),
        Paused(),
        server_judged(verdict),
    )

    assert [type(step) for step in steps] == [AskServer, Send, Pause, Send, Record, Fail]
    assert ending_in(steps[4])[1:3] == (Outcome.UNKNOWN, Verdict.OUTCOME_UNKNOWN)
    assert error_in(steps[5]) == "upstream_outcome_unknown"


@pytest.mark.parametrize(
    ("verdict", "meaning", "doubt"),
    [
        (Verdict.REJECTED, None, True),
        (Verdict.REJECTED, "content_rejected", False),
        (Verdict.REJECTED, "not_accepted", False),
        (Verdict.OUTCOME_UNKNOWN, None, False),
    ],
)
def test_what_no_table_lists_may_be_the_sessions_fault(
    verdict: Verdict,
    meaning: Meaning | None,
    doubt: bool,  # noqa: FBT001
) -> None:
    """The pool compares; the gateway says what it saw."""
    _, steps = in_hand(balancer_chooses(), server_judged(verdict, meaning=meaning))

    assert isinstance(steps[2], Record)
    assert steps[2].usage.session_doubt is doubt


def test_after_a_doubtful_attempt_no_rejection_is_the_sessions_fault() -> None:
    """Its first attempt may have been accepted."""
    _, steps = in_hand(
        balancer_chooses(idempotent=True),
        server_judged(Verdict.OUTCOME_UNKNOWN),
        Paused(),
        server_judged(Verdict.REJECTED),
    )

    assert isinstance(steps[4], Record)
    assert steps[4].usage.session_doubt is False


def test_a_doubtful_lease_is_repeated_at_the_same_server_and_settled() -> None:
    """An idempotent one does it once."""
    _, steps = in_hand(
        balancer_chooses(idempotent=True),
        server_judged(Verdict.OUTCOME_UNKNOWN),
        Paused(),
        server_judged(Verdict.SUCCESS),
        PASSED,
    )

    sent = [step.selected.server_id for step in steps if isinstance(step, Send)]
    assert sent == ["a", "a"]
    assert ending_in(steps[-2])[1:3] == (Outcome.SETTLED, Verdict.SUCCESS)


def test_a_server_that_is_not_idempotent_is_never_asked_twice() -> None:
    """What it may have done stays unknown."""
    _, steps = in_hand(balancer_chooses(), server_judged(Verdict.OUTCOME_UNKNOWN))

    assert [type(step) for step in steps] == [AskServer, Send, Record, Fail]
    assert ending_in(steps[2])[1:3] == (Outcome.UNKNOWN, Verdict.OUTCOME_UNKNOWN)


def test_what_was_said_after_the_submission_is_unknown_and_ends_it() -> None:
    """The session is treated as said; the unit is not given back."""
    _, steps = in_hand(balancer_chooses(), server_judged(Verdict.QUOTA_EXHAUSTED, submitted=True))

    assert ending_in(steps[-2])[1:3] == (Outcome.UNKNOWN, Verdict.QUOTA_EXHAUSTED)
    assert error_in(steps[-1]) == "upstream_outcome_unknown"


# Attempts.


@pytest.mark.parametrize("verdict", [Verdict.UNREACHABLE, Verdict.RATE_LIMITED])
def test_a_streamed_body_has_no_further_attempt(verdict: Verdict) -> None:
    """It cannot be sent again."""
    _, steps = in_hand(balancer_chooses(), server_judged(verdict, replayable=False))

    assert isinstance(steps[-1], Fail)
    assert ending_in(steps[-2])[1:3] == (Outcome.RELEASED, verdict)


def test_attempts_are_bounded_over_all_leases() -> None:
    """Three are three, at whichever server with whichever lease."""
    _, steps = in_hand(
        balancer_chooses("a"),
        server_judged(Verdict.UNREACHABLE, "a"),
        balancer_chooses("b"),
        server_judged(Verdict.RATE_LIMITED, "b"),
        pool_grants(2),
        CredentialRead(()),
        balancer_chooses("c"),
        server_judged(Verdict.UNREACHABLE, "c"),
    )

    assert sum(isinstance(step, Send) for step in steps) == 3
    assert error_in(steps[-1]) == "upstream_error"


def test_remaining_is_unknown_after_a_second_penalty() -> None:
    """The pool closes no second session for one request."""
    used_up = server_judged(Verdict.QUOTA_EXHAUSTED)
    call = a_call(attempts_max=2)
    once, _ = run_course(pool_grants(), CredentialRead(()), balancer_chooses(), used_up, call=call)
    twice, _ = run_course(
        *(pool_grants(), CredentialRead(()), balancer_chooses(), used_up),
        *(pool_grants(2), CredentialRead(()), balancer_chooses(), used_up),
        call=call,
    )

    assert summary_of(once).remaining == {IMAGE: 0}
    assert summary_of(twice).remaining is None


def test_a_lease_given_back_is_left_again() -> None:
    """What the client is told it has is what it has."""
    stage, _ = in_hand(NO_SERVER)

    assert summary_of(stage).remaining == {IMAGE: 5}


def test_results_beyond_the_reservation_are_counted_where_items_are_units() -> None:
    """And what was asked for with them is not."""
    way = (
        pool_grants(units=2),
        CredentialRead(()),
        balancer_chooses(),
        server_judged(Verdict.SUCCESS, results=5),
    )
    _, counted = run_course(*way, PASSED, call=a_call(per_item=True, units=2))
    included = Passed(attempt=PASSED.attempt, status=200, bytes_out=7, results_included=4)
    _, less = run_course(*way, included, call=a_call(per_item=True, units=2))
    _, other = run_course(*way, PASSED)

    assert [_record(steps).usage.units_over for steps in (counted, less, other)] == [3, 1, 0]


def test_a_cut_answer_is_settled_and_told_as_cut() -> None:
    """Its first byte was passed on: the client has heard."""
    error = GatewayError("upstream_outcome_unknown", "cut")
    passed = Passed(attempt=PASSED.attempt, status=200, bytes_out=3, error=error)
    _, steps = in_hand(balancer_chooses(), server_judged(Verdict.SUCCESS), passed)

    usage = _record(steps).usage
    assert (usage.outcome, usage.cut, usage.error_code) == (Outcome.SETTLED, True, error.code)
    assert isinstance(steps[-1], Finish)


# Cancellations at every stage.

OPEN = (pool_grants(), CredentialRead(()))
STOPPING = GatewayError("upstream_outcome_unknown", "the gateway stops")
UNSENT = attempted(Verdict.CLIENT_GONE, sent=False)
SENT = attempted(Verdict.CLIENT_GONE)


@pytest.mark.parametrize(
    "way",
    [
        (),
        (pool_grants(),),
        OPEN,
        (*OPEN, balancer_chooses()),
    ],
)
def test_a_client_that_leaves_before_anything_was_sent_costs_nothing(
    way: tuple[Happening, ...],
) -> None:
    """Its lease is cancelled, whether it was granted yet or not."""
    _, steps = run_course(*way, BrokenOff())

    assert steps[-2:] == [cancel_step(1, "client_gone"), Finish()]


@pytest.mark.parametrize(
    ("way", "broken_off", "outcome", "verdict"),
    [
        ((balancer_chooses(),), BrokenOff(attempt=SENT), Outcome.UNKNOWN, Verdict.CLIENT_GONE),
        ((balancer_chooses(),), BrokenOff(attempt=UNSENT), Outcome.RELEASED, Verdict.CLIENT_GONE),
        (
            (balancer_chooses(), server_judged(Verdict.UNREACHABLE)),
            BrokenOff(),
            Outcome.RELEASED,
            Verdict.CLIENT_GONE,
        ),
        (
            (balancer_chooses(idempotent=True), server_judged(Verdict.OUTCOME_UNKNOWN)),
            BrokenOff(),
            Outcome.UNKNOWN,
            Verdict.CLIENT_GONE,
        ),
        (
            (balancer_chooses(), server_judged(Verdict.SUCCESS)),
            BrokenOff(attempt=SENT),
            Outcome.SETTLED,
            Verdict.CLIENT_GONE,
        ),
        (
            (balancer_chooses(),),
            BrokenOff(error=STOPPING, attempt=SENT),
            Outcome.UNKNOWN,
            Verdict.OUTCOME_UNKNOWN,
        ),
        (
            (balancer_chooses(), server_judged(Verdict.SUCCESS)),
            BrokenOff(error=STOPPING, attempt=SENT),
            Outcome.SETTLED,
            Verdict.SUCCESS,
        ),
    ],
)
def test_who_breaks_off_decides_nothing_but_when(
    way: tuple[Happening, ...], broken_off: BrokenOff, outcome: Outcome, verdict: Verdict
) -> None:
    """Unsent is given back, sent is unknown, answered is settled."""
    _, steps = in_hand(*way, broken_off)

    assert ending_in(steps[-2])[1:3] == (outcome, verdict)
    assert isinstance(steps[-1], Fail if broken_off.error else Finish)


@pytest.mark.parametrize("error", [None, STOPPING])
def test_who_leaves_before_a_lease_is_asked_for_leaves_nothing(error: GatewayError | None) -> None:
    """There is none to be forbidden, and no event."""
    stage, _ = begin(a_call())
    _, steps = advance(stage, BrokenOff(error=error), 1.0)

    assert steps == (Fail(error) if error else Finish(),)


def test_a_gateway_that_stops_before_anything_was_sent_says_so() -> None:
    """The client is there and hears it."""
    _, steps = run_course(pool_grants(), BrokenOff(error=STOPPING))

    assert steps[-2:] == [cancel_step(1, "not_sent", STOPPING), Fail(STOPPING)]


def _record(steps: list[Step]) -> Record:
    (record,) = [step for step in steps if isinstance(step, Record)]
    return record


def test_a_session_that_was_refused_is_avoided_with_those_before() -> None:
    """Nobody is asked twice for one request."""
    _, steps = in_hand(
        *(
            balancer_chooses(),
            server_judged(Verdict.RATE_LIMITED),
            pool_grants(2),
            CredentialRead(()),
            balancer_chooses(),
        ),
        server_judged(Verdict.RISK_CONTROL),
    )

    assert question_in(steps[-1]).avoid_sessions == (SessionId("s1"), SessionId("s2"))

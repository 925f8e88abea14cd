"""Whatever happens on a request's way, each lease ends once and nothing is done twice."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.balancer import NoServer
from contracts.base import LeaseId, ServerId
from contracts.pool import Free, Granted, Refusal, Verdict, Waiting
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
    NotYet,
    Passed,
    Paused,
    SelectionUnanswered,
)
from services.gateway.relay.course.stages import Ended, Stage
from services.gateway.relay.course.steps import (
    AskLease,
    AskServer,
    AwaitGrant,
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
from tests.moments import NOON
from tests.unit.gateway.courses import (
    a_call,
    attempted,
    balancer_chooses,
    pool_grants,
    pool_refuses,
    server_judged,
)

ERROR = GatewayError("internal_error", "a fault")
VERDICTS = [
    Verdict.UNREACHABLE,
    Verdict.OUTCOME_UNKNOWN,
    Verdict.RATE_LIMITED,
    Verdict.QUOTA_EXHAUSTED,
    Verdict.LOGIN_EXPIRED,
    Verdict.RISK_CONTROL,
    Verdict.REJECTED,
    Verdict.SUCCESS,
]
SERVERS = ["a", "b", "c"]
IDEMPOTENT = {"a"}
STEPS_MAX = 200


class World:
    """Everybody outside: it answers the steps, and keeps count of what it was told."""

    def __init__(self, data: st.DataObject) -> None:
        """Answer as `data` has it."""
        self._data = data
        self.now_s = 0.0
        self.granted: set[int] = set()
        self.ends: list[LeaseId] = []
        self.maybe_sent: dict[int, list[str]] = {}
        self.passed_at: list[int] = []
        self.number = 0
        self.server = ""
        self.region = ""

    def happening(self, step: Step) -> Happening:
        """Let anything happen that may where this step is waited for."""
        self.now_s += self._data.draw(st.sampled_from([0.0, 0.1, 3.0, 20.0]))
        if self._data.draw(st.integers(0, 9)) == 0:
            return self._broken_off(step)
        if isinstance(step, Enter):
            unserved = Entered(self._one(("us",), ("jp", "us")))
            return self._one(Entered(), Entered(), unserved, NotAsked(ERROR))
        if isinstance(step, AskLease):
            return self._lease(step)
        if isinstance(step, AwaitGrant):
            return self._delivery(step)
        if isinstance(step, FetchCredential):
            return self._one(CredentialRead(()), CredentialRead(()), CredentialUnreadable(ERROR))
        return self._outside(step)

    def _outside(self, step: Step) -> Happening:
        if isinstance(step, AskServer):
            return self._server(step.avoid)
        if isinstance(step, Send):
            return self._answer(step)
        return Paused() if isinstance(step, Pause) else self._way_down()

    def _answer(self, step: Send) -> Happening:
        self.server = step.selected.server_id
        verdict = self._data.draw(st.sampled_from(VERDICTS))
        if verdict is not Verdict.UNREACHABLE:
            self.maybe_sent.setdefault(self.number, []).append(self.server)
        while_polling = verdict in {Verdict.RATE_LIMITED, Verdict.QUOTA_EXHAUSTED}
        return server_judged(
            verdict,
            self.server,
            replayable=self._data.draw(st.booleans()),
            submitted=while_polling and self._data.draw(st.booleans()),
        )

    def _way_down(self) -> Passed:
        tried = attempted(Verdict.SUCCESS, self.server)
        return Passed(attempt=tried, status=200, bytes_out=1, error=self._one(None, ERROR))

    def _lease(self, step: AskLease) -> Happening:
        answers: list[Happening] = [
            pool_grants(
                step.number,
                send_within_s=self._one(0.0, 5.0, 30.0),
                # Whatever is to be avoided: a pool of an earlier version knows of no regions.
                region=self._one("", "us", "jp", "hk"),
            ),
            pool_refuses(self._one(*Refusal)),
            LeaseUnanswered("silence", sent=True),
            LeaseUnanswered("away", sent=False),
            NotAsked(ERROR),
        ]
        if step.only_ask:
            answers.append(Answered(Free(), 1.0))
        if step.wait_ms:
            answers += [Answered(Waiting(position=3), 1.0, NOON)] * 4
        happened = self._one(answers[0], *answers)
        if isinstance(happened, Answered):
            ledger = getattr(happened.answer, "reason", None) is Refusal.LEDGER_UNAVAILABLE
            if step.previous is not None and not ledger:
                self.ends.append(step.previous.lease_id)
            if isinstance(happened.answer, Granted):
                self.granted.add(step.number)
                self.region = happened.answer.region
        self.number = step.number
        return happened

    def _delivery(self, step: AwaitGrant) -> Happening:
        """Deliver what was waited for, or not; the key may be revoked by then."""
        granted = pool_grants(step.number)
        happened = self._one(NotYet(), NotYet(), granted, NotAsked(ERROR))
        if isinstance(happened, Answered):
            self.granted.add(step.number)
            self.region = ""
        return happened

    def _server(self, avoid: tuple[ServerId, ...]) -> Happening:
        left = [server for server in SERVERS if server not in avoid]
        if not left or self._data.draw(st.integers(0, 9)) == 0:
            unserved = NoServerFound(NoServer(reason="none", region=self.region))
            return self._one(
                NoServerFound(NoServer(reason="none")), unserved, SelectionUnanswered(ERROR)
            )
        server = self._data.draw(st.sampled_from(left))
        return balancer_chooses(server, idempotent=server in IDEMPOTENT)

    def _broken_off(self, step: Step) -> BrokenOff:
        error = self._one(None, ERROR)
        if isinstance(step, Send):
            sent = self._data.draw(st.booleans())
            if sent:
                self.maybe_sent.setdefault(self.number, []).append(step.selected.server_id)
            tried = attempted(Verdict.CLIENT_GONE, step.selected.server_id, sent=sent)
            return BrokenOff(error=error, attempt=tried)
        if isinstance(step, Pass):
            return BrokenOff(error=error, attempt=attempted(Verdict.SUCCESS, self.server))
        return BrokenOff(error=error)

    def _one(self, *choices: Any) -> Any:
        return self._data.draw(st.sampled_from(choices))

    def carry_out(self, step: Step) -> None:
        """Be told how a lease ends."""
        if isinstance(step, Record):
            self.ends.append(step.usage.lease_id)
        elif isinstance(step, Cancel) and step.command.number in self.granted:
            self.ends.append(LeaseId(f"r:{step.command.number}"))


def walk(data: st.DataObject) -> tuple[World, list[Step]]:
    """Walk a request from its beginning to its end."""
    world = World(data)
    stage: Stage
    call = a_call(
        attempts_max=data.draw(st.integers(1, 4)), wait_s=data.draw(st.sampled_from([0.0, 30.0]))
    )
    stage, steps = begin(call)
    every: list[Step] = []
    while True:
        every += steps
        for step in steps[:-1]:
            assert isinstance(step, Record | Cancel), "only the last step is waited for"
            world.carry_out(step)
        summary_of(stage)
        if isinstance(stage, Ended):
            assert isinstance(steps[-1], Fail | Finish)
            return world, every
        assert len(every) < STEPS_MAX, "it always ends"
        stage, steps = advance(stage, world.happening(steps[-1]), world.now_s)


@given(st.data())
@settings(max_examples=2000)
def test_every_course_keeps_its_laws(data: st.DataObject) -> None:
    """One walk is looked at by all of them: a walk is what costs."""
    world, every = walk(data)

    every_lease_ends_exactly_once(world)
    nothing_is_done_twice(world)
    nothing_is_tried_after_the_first_byte(every)


def every_lease_ends_exactly_once(world: World) -> None:
    """By what it was used for, by its cancellation, or along with the next question."""
    assert sorted(world.ends) == sorted(LeaseId(f"r:{number}") for number in world.granted)


def nothing_is_done_twice(world: World) -> None:
    """Two exchanges of a lease may have sent only where the same idempotent server had both.

    After a refusal that is sure the unit is another lease's; so what is looked at is one lease.
    """
    for servers in world.maybe_sent.values():
        assert len(servers) == 1 or (len(set(servers)) == 1 and servers[0] in IDEMPOTENT)


def nothing_is_tried_after_the_first_byte(every: list[Step]) -> None:
    """What the client was given is its answer."""
    kinds = [type(step) for step in every]
    if Pass in kinds:
        assert not {Send, AskLease, AskServer, Pause} & set(kinds[kinds.index(Pass) + 1 :])


@given(st.data())
@settings(max_examples=500)
def test_attempts_stay_within_their_bound(data: st.DataObject) -> None:
    """Over all leases of the request."""
    call = a_call(attempts_max=2)
    world = World(data)
    stage: Stage
    stage, steps = begin(call)
    sends = 0
    while not isinstance(stage, Ended):
        sends += isinstance(steps[-1], Send)
        stage, steps = advance(stage, world.happening(steps[-1]), world.now_s)

    assert sends <= call.attempts_max


@given(st.data())
@settings(max_examples=1000)
def test_at_most_two_leases_are_given_back_for_their_region(data: st.DataObject) -> None:
    """Each of another one; and what is to be avoided only grows."""
    world = World(data)
    stage: Stage
    stage, steps = begin(a_call())
    given_back: list[str] = []
    avoided: set[str] = set()
    while not isinstance(stage, Ended):
        happened = world.happening(steps[-1])
        stage, steps = advance(stage, happened, world.now_s)
        unserved = isinstance(happened, NoServerFound) and happened.answer.region
        if unserved and isinstance(steps[-1], Enter):
            given_back.append(world.region)
        if isinstance(steps[-1], AskLease):
            assert avoided | set(given_back) <= set(steps[-1].avoid_regions)
            avoided = set(steps[-1].avoid_regions)

    assert len(given_back) == len(set(given_back)) <= 2

"""A call whose gateway gave up waiting is told once, whatever the pool made of it meanwhile."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec
import pytest
from msgspec.structs import replace

from contracts.base import KeyId, RequestId
from contracts.pool import (
    CancelAnswer,
    CancelLease,
    Granted,
    LeaseCancelled,
    LeaseGranted,
    LeaseRefused,
    PoolEvent,
    Refusal,
    Refused,
)
from services.pool.domain import Pool, decide_cancel, decide_lease, sweep_overdue
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    AVATAR,
    NOON,
    after,
    folded,
    lease_granted,
    lease_wanted,
    policy_changed,
    session_added,
    usage,
)

KEY = KeyId("key-1")
CALLS = 20


def gives_up(call: int, **changes: object) -> CancelLease:
    """What a gateway says that told its client 503 after waiting in vain."""
    command = CancelLease(
        request_id=RequestId(f"x{call}"),
        number=1,
        reason="unanswered",
        status=503,
        error_code="ledger_unavailable",
        error_message="the pool does not answer: nobody",
        key_id=KEY,
        service_type=AVATAR,
    )
    return replace(command, **changes)


class Term:
    """One leader, and the log that it writes; `next` takes over from the log alone."""

    def __init__(self, log: list[PoolEvent]) -> None:
        self.log = log
        self.pool = Pool()
        for event in log:
            evolve(self.pool, event, NOON, 1)
        self.pool.commit()

    def ask(self, call: int, now: datetime) -> Granted | Refused:
        command = lease_wanted(AVATAR, f"x{call}", asked_at=NOON, key_id=KEY)
        decision = decide_lease(self.pool, command, now)
        self.log += decision.events
        assert isinstance(decision.answer, Granted | Refused)
        return decision.answer

    def give_up(self, call: int, now: datetime) -> None:
        decision = decide_cancel(self.pool, gives_up(call), now)
        assert decision.answer is CancelAnswer.CANCELLED
        self.log += decision.events

    def next(self) -> "Term":
        self.log += sweep_overdue(self.pool, after(1), ending=True)
        return Term(self.log)


def used_up() -> Term:
    lease = lease_granted(service_type=AVATAR)
    return Term([policy_changed(), session_added(), lease, usage(lease)])


def calls_told(log: Iterable[PoolEvent]) -> int:
    """Calls that the log tells of, as a reader counts them who knows names again."""
    known, count = set[str](), 0
    for event in log:
        if isinstance(event, LeaseRefused) and event.count > 1:
            count += event.count
        elif isinstance(event, LeaseRefused) or (
            isinstance(event, LeaseCancelled) and not event.session_id and event.status
        ):
            name = f"{event.request_id}.{event.number}"
            count += name not in known
            known.add(name)
    return count


def asked_first(term: Term) -> Term:
    for call in range(CALLS):
        term.ask(call, NOON)
    for call in range(CALLS):
        term.give_up(call, after(14))
    return term


def given_up_first(term: Term) -> Term:
    for call in range(CALLS):
        term.give_up(call, NOON)
    for call in range(CALLS):
        assert term.ask(call, NOON) == Refused(
            reason=Refusal.CANCELLED, message="cancelled before it was granted"
        )
    return term


def by_turns(term: Term) -> Term:
    for call in range(CALLS):
        term.ask(call, after(call / 5))
        term.give_up(call, after(call / 5))
    return term


def sent_again(term: Term) -> Term:
    for _ in range(3):
        for call in range(CALLS):
            term.ask(call, NOON)
    for _ in range(3):
        for call in range(CALLS):
            term.give_up(call, after(14))
    return term


def told_late(term: Term) -> Term:
    """What was only counted has been told before the cancellations come."""
    for call in range(CALLS):
        term.ask(call, NOON)
    term.log += sweep_overdue(term.pool, after(11))
    for call in range(CALLS):
        term.give_up(call, after(14))
    return term


def another_leads(term: Term) -> Term:
    """The refusals are in the log of a leader that was killed; a few of them, for it was asked."""
    for call in range(5):
        term.ask(call, NOON)
    term = Term(term.log)
    for call in range(CALLS):
        term.ask(call, after(2))
    for call in range(CALLS):
        term.give_up(call, after(14))
    return term


def another_is_only_told(term: Term) -> Term:
    """The next leader hears of the calls by their cancellations alone, the last ones first."""
    for call in range(10):
        term.ask(call, NOON)
    term = Term(term.log)
    for call in reversed(range(CALLS)):
        term.give_up(call, after(14))
    return term


@pytest.mark.parametrize(
    "course",
    [
        asked_first,
        given_up_first,
        by_turns,
        sent_again,
        told_late,
        another_leads,
        another_is_only_told,
    ],
)
def test_a_call_given_up_is_told_once(course: Callable[[Term], Term]) -> None:
    log = course(used_up()).next().log

    assert calls_told(log) == CALLS


def test_what_was_granted_meanwhile_ends_with_the_answer_of_its_client() -> None:
    term = Term([policy_changed(), session_added()])
    assert isinstance(term.ask(1, NOON), Granted)

    term.give_up(1, after(14))

    (ended,) = [event for event in term.log if isinstance(event, LeaseCancelled)]
    assert ended.session_id
    assert (ended.status, ended.error_code) == (503, "ledger_unavailable")
    assert calls_told(term.log) == 0


def test_no_later_leader_grants_what_was_given_up_within_the_budget() -> None:
    term = Term([policy_changed(), session_added()])
    term.give_up(1, NOON)

    assert isinstance(term.next().ask(1, after(1)), Refused)
    assert not [event for event in term.log if isinstance(event, LeaseGranted)]


@pytest.mark.parametrize("changes", [{}, {"status": 0, "error_code": "", "reason": "client_gone"}])
def test_calls_given_up_in_a_loop_cost_no_event_each(changes: dict[str, object]) -> None:
    pool = folded(session_added())
    events: list[PoolEvent] = []
    for call in range(1000):
        now = after(call / 1000)
        events += decide_cancel(pool, gives_up(call, **changes), now).events
    events += sweep_overdue(pool, after(60))

    assert len(events) <= 12
    assert calls_told(events) == (0 if changes else 1000)
    assert sum(len(msgspec.json.encode(event)) for event in events) < 4000
    # None of them is granted by whoever leads now.
    again = decide_lease(pool, lease_wanted(AVATAR, "x999", asked_at=NOON), after(61))
    assert isinstance(again.answer, Refused)


def test_what_an_older_gateway_gives_up_is_journalled_each_time() -> None:
    pool = folded(session_added())
    older = {"key_id": KeyId(""), "status": 0, "error_code": "", "service_type": ""}

    for call in range(30):
        (event,) = decide_cancel(pool, gives_up(call, **older), NOON).events
        assert isinstance(event, LeaseCancelled)
    assert decide_cancel(pool, gives_up(0, **older), NOON).events == []


def test_cancellations_taken_back_are_not_counted() -> None:
    pool = folded(session_added())
    for call in range(10):
        decide_cancel(pool, gives_up(call), NOON)
    pool.commit()
    pool.begin()
    decide_cancel(pool, gives_up(10), NOON)
    pool.rollback()

    decide_cancel(pool, gives_up(10), NOON)

    (counted,) = sweep_overdue(pool, after(60))

    assert isinstance(counted, LeaseRefused)
    assert (counted.reason, counted.count) == (Refusal.LEDGER_UNAVAILABLE, 1)

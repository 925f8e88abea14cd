"""What the log is told of refusals, and what a command that only asks is told."""

from datetime import datetime

import pytest
from msgspec.structs import replace

from contracts.base import GatewayId, KeyId, LeaseId, RequestId, SessionId
from contracts.pool import (
    CallsRefused,
    Free,
    Granted,
    LeaseGranted,
    LeaseRefused,
    LeaseWanted,
    QuotaObserved,
    Refusal,
    Refused,
    Verdict,
)
from services.pool.domain import (
    Decision,
    Pool,
    decide_end,
    decide_lease,
    next_wakeup,
    state,
    sweep_overdue,
)
from services.pool.domain.decide import refusals
from services.pool.domain.decide.refusals import GIVEN_UP
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    TODAY,
    after,
    folded,
    lease_granted,
    lease_wanted,
    policy_changed,
    session_added,
    session_requested,
    usage,
)


def exhausted() -> Pool:
    lease = lease_granted(service_type=AVATAR)
    return folded(session_added(), lease, usage(lease))


def refusals_told(
    pool: Pool, request: str, now: datetime = NOON, **fields: object
) -> list[LeaseRefused]:
    """Ask for an avatar that there is not; the refusals it has journalled."""
    decision = decide_lease(pool, lease_wanted(AVATAR, request, asked_at=now, **fields), now)
    assert isinstance(decision.answer, Refused)
    return [event for event in decision.events if isinstance(event, LeaseRefused)]


def journalled_refusals(pool: Pool, count: int, now: datetime = NOON, key: str = "key-1") -> int:
    """How many of `count` refusals are told one by one."""
    return sum(
        len(refusals_told(pool, f"{key}-{now.timestamp()}-{number}", now, key_id=KeyId(key)))
        for number in range(count)
    )


# ------------------------------------------------------------------------------ budgets


def test_ten_refusals_of_a_key_are_told_singly_and_one_more_each_second() -> None:
    pool = exhausted()

    assert journalled_refusals(pool, 30) == 10
    assert journalled_refusals(pool, 5, after(0.5)) == 0
    assert journalled_refusals(pool, 5, after(3)) == 3
    assert journalled_refusals(pool, 30, after(9), "key-2") == 10


def test_a_budget_is_never_more_than_ten() -> None:
    pool = exhausted()
    journalled_refusals(pool, 1)

    assert journalled_refusals(pool, 30, after(3600)) == 10


def test_what_is_beyond_is_one_event_ten_seconds_after_its_first() -> None:
    pool = exhausted()
    now = after(0.25)
    journalled_refusals(pool, 30, now)
    journalled_refusals(pool, 8, after(0.75))

    assert next_wakeup(pool, now) == after(10.25)
    assert sweep_overdue(pool, after(10)) == []
    (told,) = sweep_overdue(pool, after(10.25))

    assert isinstance(told, LeaseRefused)
    assert (told.count, told.since, told.request_id) == (28, now, f"key-1-{now.timestamp()}-10")
    assert told.until == after(0.75)
    assert sweep_overdue(pool, after(30)) == []


def test_whatever_is_decided_next_tells_what_is_due_before() -> None:
    pool = exhausted()
    journalled_refusals(pool, 12)

    events = decide_lease(pool, lease_wanted(IMAGE, "next", asked_at=after(10)), after(10)).events

    assert [getattr(event, "count", None) for event in events] == [2, None, None]
    assert isinstance(events[-1], LeaseGranted)


def test_refusals_are_counted_apart_by_key_type_reason_and_place_in_their_call() -> None:
    pool = exhausted()
    journalled_refusals(pool, 10)
    journalled_refusals(pool, 10, key="key-2")
    refusals_told(pool, "a")
    refusals_told(pool, "b", key_id=KeyId("key-2"))
    refusals_told(pool, "c", key_id=KeyId("key-2"), number=2)
    decide_lease(pool, lease_wanted("hologram", "d", key_id=KeyId("key-2")), NOON)  # type: ignore[arg-type]

    told = sweep_overdue(pool, after(10))

    assert [event.count for event in told if isinstance(event, LeaseRefused)] == [1, 1, 1, 1]


def test_a_second_of_the_whole_shard_has_a_budget_too() -> None:
    pool = exhausted()
    told = sum(journalled_refusals(pool, 10, key=f"key-{number}") for number in range(12))

    assert told == refusals.REFUSALS_PER_SECOND
    assert journalled_refusals(pool, 10, after(1), "key-11") == 10


def test_refusals_taken_back_are_not_counted() -> None:
    pool = exhausted()
    journalled_refusals(pool, 12)
    pool.commit()
    pool.begin()
    refusals_told(pool, "y")
    refusals_told(pool, "z", key_id=KeyId("key-2"))
    pool.rollback()

    (merged,) = sweep_overdue(pool, after(10))

    assert isinstance(merged, LeaseRefused)
    assert merged.count == 2
    assert len(refusals_told(pool, "z", key_id=KeyId("key-2"))) == 1


def test_what_is_due_of_hundreds_of_keys_is_told_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "_COUNTED_AT_ONCE", 2)
    pool = exhausted()
    pool.refusals.journalled = refusals.REFUSALS_PER_SECOND
    pool.refusals.second = NOON
    for number in range(3):
        refusals_told(pool, f"of-{number}", key_id=KeyId(f"key-{number}"))

    assert [len(sweep_overdue(pool, after(10))) for _ in range(3)] == [2, 1, 0]


def test_a_term_that_ends_in_good_order_tells_what_it_has_counted() -> None:
    pool = exhausted()
    journalled_refusals(pool, 12)

    (merged,) = sweep_overdue(pool, after(0.1), ending=True)

    assert isinstance(merged, LeaseRefused)
    assert merged.count == 2


def test_budgets_of_keys_that_are_full_again_are_forgotten() -> None:
    pool = exhausted()
    for number in range(1000):
        pool.refusals.journalled = 0
        journalled_refusals(pool, 1, key=f"old-{number}")

    journalled_refusals(pool, 1, after(11), "new")

    assert list(pool.refusals.budgets) == ["new"]


def test_so_many_refusals_are_known_again_and_no_more() -> None:
    pool = folded()
    for number in range(state._REFUSALS_KEPT + 1):
        pool.remember_refused(LeaseId(f"r{number}"), GIVEN_UP)
        pool.remember_report(f"r{number}")

    for known in (pool.refusals.refused, pool.refusals.reports):
        assert len(known) == state._REFUSALS_KEPT
        assert "r0" not in known


def test_the_request_named_in_a_refusal_is_the_one_refused() -> None:
    (_, event) = decide_lease(exhausted(), lease_wanted(AVATAR, "r9", number=3), NOON).events

    assert isinstance(event, LeaseRefused)
    assert (event.request_id, event.number) == (RequestId("r9"), 3)
    assert event.key_id == session_requested().key_id


# ----------------------------------------------------------------- sent twice, told once


def test_commands_sent_again_in_a_stall_do_not_multiply_refusals() -> None:
    pool = exhausted()
    answers = []

    events = []
    for copy in range(3):
        for number in range(20):
            decision = decide_lease(pool, lease_wanted(AVATAR, f"x{number}"), after(copy / 10))
            events += decision.events
            answers.append(decision.answer)
    events += sweep_overdue(pool, after(60))

    assert sum(event.count for event in events if isinstance(event, LeaseRefused)) == 20
    assert answers[:20] == answers[20:40] == answers[40:]


def rate_refusals(count: int = 38) -> CallsRefused:
    return CallsRefused(
        gateway_id=GatewayId("g"),
        key_id=KeyId("key-1"),
        code="rate_limit_exceeded",
        status=429,
        count=count,
        since=NOON,
        until=after(59),
    )


def test_what_a_gateway_refused_is_journalled_verbatim_and_once() -> None:
    pool = folded(session_added())

    assert decide_end(pool, rate_refusals(), NOON) == Decision([rate_refusals()])
    assert decide_end(pool, rate_refusals(), after(1)) == Decision([])
    other = replace(rate_refusals(), service_type=AVATAR)
    assert decide_end(pool, other, after(1)) == Decision([other])


# ----------------------------------------------------------------------------- only asked


def ask_only(pool: Pool, number: int = 2, now: datetime = NOON, **fields: object) -> Decision:
    command = lease_wanted(AVATAR, "r1", number, asked_at=now, **fields)  # type: ignore[arg-type]
    return decide_lease(pool, LeaseWanted(**_fields(command), only_ask=True), now)


def _fields(command: LeaseWanted) -> dict[str, object]:
    return {"requested": command.requested, "previous": command.previous}


def test_who_only_asks_is_granted_nothing_and_leaves_no_trace() -> None:
    decision = ask_only(folded(session_added()))

    assert decision == Decision([], Free())


def test_who_only_asks_has_the_lease_before_ended_and_hears_the_refusal() -> None:
    lease = lease_granted(service_type=AVATAR)
    pool = folded(session_added(), lease)

    previous = usage(lease, Verdict.QUOTA_EXHAUSTED)

    decision = ask_only(pool, previous=previous)

    assert decision.events == [
        previous,
        QuotaObserved(
            session_id=SessionId("one"),
            service_type=AVATAR,
            quota_day=TODAY,
            request_id=RequestId("r1"),
        ),
        session_requested(AVATAR, "r1", 2),
        LeaseRefused(
            request_id=RequestId("r1"),
            number=2,
            service_type=AVATAR,
            key_id=KeyId("key-1"),
            reason=Refusal.QUOTA_EXHAUSTED,
            retry_after_s=12 * 3600.0,
        ),
    ]
    assert decision.answer.reason is Refusal.QUOTA_EXHAUSTED
    assert not pool.opened


def test_who_only_asks_does_not_wait_for_a_reset_that_is_near() -> None:
    lease = lease_granted(service_type=AVATAR)
    pool = folded(policy_changed(reset_guard_s=10.0), session_added(), lease, usage(lease))
    late = after(12 * 3600 - 5)

    assert ask_only(pool, now=late) == Decision([], Free())
    assert (
        decide_lease(pool, lease_wanted(AVATAR, "r7", asked_at=late), late).held_until is not None
    )


def test_a_lease_that_was_granted_before_is_granted_again_also_to_who_only_asks() -> None:
    pool = folded(session_added(), lease_granted(service_type=AVATAR))

    assert isinstance(ask_only(pool, number=1).answer, Granted)

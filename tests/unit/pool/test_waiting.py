"""Requests wait for a lease: who may, in which order they are served, and how a wait ends."""

from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.base import KeyId, LeaseId, ServiceType, SessionId
from contracts.pool import (
    CancelAnswer,
    Done,
    DropWaits,
    Free,
    Granted,
    LeaseCancelled,
    LeaseGranted,
    LeaseQueued,
    LeaseRefused,
    LeaseWanted,
    PoolEvent,
    PoolStatus,
    Refusal,
    Refused,
    SessionRequested,
    Verdict,
    WaitEnd,
    Waiting,
    WaitsEnded,
)
from services.pool.domain import (
    Pool,
    Served,
    ViolationKind,
    decide_admin,
    decide_cancel,
    decide_end,
    decide_lease,
    is_due,
    next_wakeup,
    pool_status,
    serve_waiting,
    tend_waits,
)
from services.pool.domain.decide.waiting.ending import JOURNALLED_PER_SECOND
from services.pool.domain.leading.line import WaitingLine
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    VIDEO,
    after,
    cancel,
    folded,
    grant,
    lease_granted,
    lease_named,
    lease_wanted,
    policy_changed,
    session_added,
    usage,
)

MINUTE_MS = 60_000


def ask_to_wait(
    pool: Pool,
    request: str,
    *,
    key: str = "key-1",
    seconds: float = 0,
    number: int = 1,
    wait_ms: int = MINUTE_MS,
    **fields: Any,
) -> Any:
    """Ask for an image, and be ready to wait for it."""
    command = lease_wanted(
        request=request, number=number, key_id=KeyId(key), wait_ms=wait_ms, **fields
    )
    return decide_lease(pool, command, after(seconds)).answer


def serve_line(pool: Pool, seconds: float = 0) -> list[Served]:
    """Serve all who can be."""
    return [*serve_waiting(pool, after(seconds))]


def served_requests(pool: Pool, seconds: float = 0) -> list[str]:
    return [one.granted.lease_id.partition(".")[0] for one in serve_line(pool, seconds)]


def tend(pool: Pool, seconds: float, *, full: bool = False) -> list[PoolEvent]:
    return tend_waits(pool, after(seconds), full=full)


def busy(concurrency: int = 1, **policy: Any) -> Pool:
    """One session with nine units left, which does all that it may: the lease `busy.1`."""
    pool = folded(policy_changed(session_concurrency=concurrency, **policy), session_added())
    for number in range(concurrency):
        grant(pool, request=f"busy{number or ''}")
    return pool


def end_exchange(pool: Pool, request: str = "busy", seconds: float = 0) -> None:
    """Its exchange succeeds."""
    lease = pool.leases[lease_named(request)]
    granted = lease_granted(request=request, session_id=lease.session.session_id)
    decide_end(pool, usage(granted), after(seconds))


def waiting_ids(pool: Pool) -> list[str]:
    return [name.partition(".")[0] for name in pool.line.waits]


def test_a_request_that_may_wait_is_told_so_and_gets_the_lease_that_comes_free() -> None:
    pool = busy()

    assert ask_to_wait(pool, "r1") == Waiting(position=0)
    assert serve_line(pool) == []
    assert not is_due(pool, NOON)

    end_exchange(pool)

    assert is_due(pool, NOON)
    (one,) = serve_line(pool)
    assert [type(event) for event in one.events] == [SessionRequested, LeaseGranted]
    assert (one.granted.lease_id, one.gateway_id) == (lease_named("r1"), "gateway-1")
    assert not pool.line
    assert isinstance(ask_to_wait(pool, "r1", seconds=2), Granted)


def test_one_that_does_not_wait_is_refused_at_once() -> None:
    pool = busy()

    answer = ask_to_wait(pool, "r1", wait_ms=0)

    assert answer.reason is Refusal.SATURATED
    assert not pool.line


def test_asked_again_it_stays_where_it_is_and_is_one() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    ask_to_wait(pool, "r2")

    assert ask_to_wait(pool, "r1", seconds=2) == Waiting(position=0)
    assert ask_to_wait(pool, "r2", seconds=2) == Waiting(position=1)
    assert len(pool.line) == 2


def test_the_last_question_of_a_wait_is_refused_and_told_by_name() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    tend(pool, 1)

    assert lease_named("r1") in pool.queued

    decision = decide_lease(pool, lease_wanted(request="r1", wait_ms=0), after(3))

    assert decision.answer.reason is Refusal.SATURATED
    ended = WaitsEnded(items=[WaitEnd(lease_id=lease_named("r1"), reason="deadline")])
    assert decision.events[0] == ended
    assert [type(event) for event in decision.events[1:]] == [SessionRequested, LeaseRefused]
    assert (len(pool.line), pool.queued) == (0, {})


def test_to_be_only_asked_is_never_to_wait() -> None:
    pool = busy()
    command = lease_wanted(request="r1", wait_ms=MINUTE_MS)

    asked = LeaseWanted(requested=command.requested, only_ask=True)
    assert isinstance(decide_lease(pool, asked, NOON).answer, Refused)

    end_exchange(pool)
    assert isinstance(decide_lease(pool, asked, NOON).answer, Refused | Free)
    assert not pool.line


def test_keys_take_turns_whatever_the_number_of_their_requests() -> None:
    pool = folded(
        policy_changed(session_concurrency=0, daily_limits={IMAGE: 2000}), session_added()
    )
    decide_end(pool, usage(grant(pool), Verdict.RATE_LIMITED, retry_after_s=10), NOON)
    for number in range(500):
        ask_to_wait(pool, f"greedy{number}", key="greedy")
    for key in "abcdefghi":
        for number in range(120):
            ask_to_wait(pool, f"{key}{number}", key=key)
    for wait in pool.line.waits.values():
        wait.heard_at = after(10)

    first = served_requests(pool, 10)[:1000]

    # The pass of each key grows by what it gets: a thousand grants are a hundred each.
    assert Counter(name.rstrip("0123456789") for name in first) == dict.fromkeys(
        ("greedy", *"abcdefghi"), 100
    )


def test_a_key_of_weight_three_gets_three_times_as_much() -> None:
    pool = folded(
        policy_changed(session_concurrency=0, daily_limits={IMAGE: 2000}), session_added()
    )
    decide_end(pool, usage(grant(pool), Verdict.RATE_LIMITED, retry_after_s=10), NOON)
    weights = {"a": 1, "b": 3, "c": 0}
    for key, weight in weights.items():
        for number in range(300):
            ask_to_wait(pool, f"{key}{number}", key=key, weight=weight)
    for wait in pool.line.waits.values():
        wait.heard_at = after(10)

    first = served_requests(pool, 10)[:400]

    # A weight of none, which no gateway says, is one.
    counts = Counter(name.rstrip("0123456789") for name in first)
    assert {key: round(counts[key] / 80) for key in weights} == {"a": 1, "b": 3, "c": 1}
    assert counts.total() == 400


def test_positions_are_the_grants_that_come_first() -> None:
    pool = busy()
    for number in range(4):
        ask_to_wait(pool, f"g{number}", key="g")
    for number in range(2):
        ask_to_wait(pool, f"m{number}", key="m")

    told = {
        name: ask_to_wait(pool, name, key=name[0], seconds=1.5).position
        for name in waiting_ids(pool)
    }
    end_exchange(pool, seconds=1.5)

    order = []
    for _ in range(6):
        (name,) = served_requests(pool, 1.5)
        order.append(name)
        end_exchange(pool, name, 1.5)

    assert order == sorted(told, key=lambda name: told[name])
    assert sorted(told.values()) == [*range(6)]


def test_the_earliest_deadline_of_a_key_comes_first() -> None:
    pool = busy()
    ask_to_wait(pool, "patient", wait_ms=50_000)
    ask_to_wait(pool, "hasty", wait_ms=5_000)

    end_exchange(pool)

    assert served_requests(pool) == ["hasty"]


def test_one_that_nothing_fits_is_overtaken() -> None:
    pool = folded(policy_changed(session_concurrency=1), session_added())
    grant(pool, request="busy", units=8)
    ask_to_wait(pool, "many", units=5, wait_ms=1_000_000)
    ask_to_wait(pool, "one")
    pool.index_at(NOON)

    end_exchange(pool)

    assert served_requests(pool) == ["one"]
    assert waiting_ids(pool) == ["many"]


def test_sessions_to_be_avoided_do_not_serve() -> None:
    pool = busy()
    ask_to_wait(pool, "r1", avoid_sessions=["one"])
    ask_to_wait(pool, "r2", avoid_regions=[""])
    ask_to_wait(pool, "r3")

    end_exchange(pool)

    assert served_requests(pool) == ["r3"]


def test_who_is_not_heard_is_passed_over_until_it_is() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    end_exchange(pool, seconds=6)

    assert serve_line(pool, 6) == []
    assert not is_due(pool, after(6))

    assert isinstance(ask_to_wait(pool, "r1", seconds=7), Waiting)
    assert is_due(pool, after(7))
    assert served_requests(pool, 7) == ["r1"]


def test_a_gateway_that_is_silent_for_half_a_minute_waits_no_more() -> None:
    pool = busy()
    ask_to_wait(pool, "r1", wait_ms=600_000)
    tend(pool, 1)

    events = tend(pool, 30)

    assert events == [WaitsEnded(items=[WaitEnd(lease_id=lease_named("r1"), reason="unheard")])]
    assert (len(pool.line), pool.queued) == (0, {})
    # Its id is not forbidden: it may ask again.
    assert isinstance(ask_to_wait(pool, "r1", seconds=31), Waiting)


def test_waits_of_a_term_before_that_nobody_asks_for_have_their_end() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    ask_to_wait(pool, "r2")
    tend(pool, 1)

    pool.begin_line()

    assert tend(pool, 2) == []
    ask_to_wait(pool, "r2", seconds=3, wait_ms=57_000)
    assert pool.line.waits[lease_named("r2")].journalled
    (ended,) = tend(pool, 32)
    assert ended == WaitsEnded(items=[WaitEnd(lease_id=lease_named("r1"), reason="unheard")])
    assert [*pool.queued] == [lease_named("r2")]


def test_a_term_of_half_a_minute_ends_no_wait_that_is_asked_for() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    tend(pool, 0)

    for seconds in (20, 40):
        ask_to_wait(pool, "r1", seconds=seconds, wait_ms=MINUTE_MS - 1000 * seconds)
    events = tend(pool, 40)

    assert [type(event) for event in events] == [LeaseQueued]
    assert tend(pool, 41) == []


def test_a_wait_of_a_second_is_journalled_once() -> None:
    pool = busy()
    ask_to_wait(pool, "r1", seconds=0.5)

    assert tend(pool, 1) == []
    (queued,) = tend(pool, 1.5)

    assert isinstance(queued, LeaseQueued)
    assert (queued.since, queued.deadline) == (after(0.5), after(60.5))
    assert queued.requested.request_id == "r1"
    assert tend(pool, 2.6) == []


def test_so_many_waits_of_a_key_are_journalled_a_second_and_none_is_lost() -> None:
    pool = busy()
    for number in range(JOURNALLED_PER_SECOND + 5):
        ask_to_wait(pool, f"r{number}", wait_ms=120_000)
    ask_to_wait(pool, "other", key="other")

    first, second, third = tend(pool, 1), tend(pool, 1.5), tend(pool, 2)

    assert [len(first), len(second), len(third)] == [JOURNALLED_PER_SECOND + 1, 0, 5]
    assert len(pool.line) == JOURNALLED_PER_SECOND + 6


def test_a_deadline_ends_it_and_whoever_asks_again_hears_the_refusal() -> None:
    pool = busy()
    ask_to_wait(pool, "r1", wait_ms=3000)
    tend(pool, 1)

    requested, refused, ended = tend(pool, 3)

    assert isinstance(requested, SessionRequested)
    assert isinstance(refused, LeaseRefused)
    assert ended == WaitsEnded(items=[WaitEnd(lease_id=lease_named("r1"), reason="deadline")])
    assert ask_to_wait(pool, "r1", seconds=3.5).reason is Refusal.SATURATED
    assert not pool.line


def test_what_waits_in_vain_is_refused_at_once() -> None:
    pool = folded(
        policy_changed(daily_limits={IMAGE: 1}), session_added(), lease_granted(request="busy")
    )

    answer = ask_to_wait(pool, "r1")

    # The unit may come back at the lease's deadline, after 15 min; the day ends later.
    assert answer.reason is Refusal.QUOTA_EXHAUSTED
    assert answer.wait == "nothing will come free within 60 s"
    assert answer.resets_at is not None
    assert isinstance(ask_to_wait(pool, "r2", wait_ms=900_001), Waiting)


def test_a_wait_that_becomes_vain_ends() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    lease = pool.leases[lease_named("busy")]
    lease.tally.closed = True
    pool.place_session(lease.session)

    events = tend(pool, 1)

    assert [type(event) for event in events] == [SessionRequested, LeaseRefused]
    assert ask_to_wait(pool, "r1", seconds=2).reason is Refusal.QUOTA_EXHAUSTED


def test_who_waits_is_served_when_a_cool_down_ends_or_a_day_begins() -> None:
    pool = folded(policy_changed(session_concurrency=1), session_added())
    decide_end(
        pool, usage(grant(pool, request="busy"), Verdict.RATE_LIMITED, retry_after_s=20), NOON
    )
    ask_to_wait(pool, "r1")

    assert next_wakeup(pool, NOON) == after(20)
    assert serve_line(pool, 4) == []
    ask_to_wait(pool, "r1", seconds=19)
    assert served_requests(pool, 20) == ["r1"]


def test_one_that_comes_right_before_the_reset_waits_for_it_at_least() -> None:
    pool = folded(policy_changed(reset_guard_s=2.0), session_added())
    eve = 12 * 3600 - 1.0

    assert isinstance(
        ask_to_wait(pool, "r1", seconds=eve, wait_ms=10, asked_at=after(eve)), Waiting
    )
    assert tend(pool, eve + 0.9) == []
    assert served_requests(pool, eve + 1) == ["r1"]


def test_so_many_may_wait() -> None:
    pool = busy(queue_max=3, queue_max_per_key=2)

    assert isinstance(ask_to_wait(pool, "a1", key="a"), Waiting)
    assert isinstance(ask_to_wait(pool, "a2", key="a"), Waiting)
    assert "2 requests of this key wait already" in ask_to_wait(pool, "a3", key="a").wait
    assert isinstance(ask_to_wait(pool, "b1", key="b"), Waiting)
    refused = ask_to_wait(pool, "c1", key="c")
    assert (refused.reason, refused.retry_after_s) == (Refusal.SATURATED, 1.0)
    assert "3 requests wait already" in refused.wait


def test_a_client_that_leaves_is_gone_from_the_line_and_its_id_forbidden() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    tend(pool, 1)

    decision = decide_cancel(pool, cancel(), after(2))

    assert decision.answer is CancelAnswer.CANCELLED
    assert [type(event) for event in decision.events] == [LeaseCancelled]
    assert (len(pool.line), pool.queued) == (0, {})
    assert ask_to_wait(pool, "r1", seconds=3).reason is Refusal.CANCELLED


def test_a_log_that_is_nearly_full_ends_all_waits() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    ask_to_wait(pool, "r2")
    tend(pool, 1)

    events = tend(pool, 1.1, full=True)

    names = [WaitEnd(lease_id=lease_named(name), reason="full") for name in ("r1", "r2")]
    assert WaitsEnded(items=names) in events
    assert ask_to_wait(pool, "r1", seconds=2).reason is Refusal.LEDGER_UNAVAILABLE


def test_an_operator_drops_waits() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    tend(pool, 1)
    ask_to_wait(pool, "r2", key="other")

    decision = decide_admin(pool, DropWaits(key_id=KeyId("key-1"), by="ops"), after(2))

    assert decision.answer == Done(changed=[lease_named("r1")])
    assert waiting_ids(pool) == ["r2"]
    assert decision.events[-1] == WaitsEnded(
        items=[WaitEnd(lease_id=lease_named("r1"), reason="dropped")], by="ops"
    )
    assert "operator" in ask_to_wait(pool, "r1", seconds=3).wait


def test_a_type_that_few_wait_for_does_not_wait_for_all_of_another() -> None:
    """One session: each time it is free another is served, of 12 images of one key or one video."""
    limits = {IMAGE: 100, VIDEO: 100}
    pool = folded(policy_changed(session_concurrency=1, daily_limits=limits), session_added())
    granted = grant(pool, request="busy")
    for number in range(12):
        ask_to_wait(pool, f"r{number}", key="greedy")
    wanted = lease_wanted(VIDEO, "video", key_id=KeyId("modest"), wait_ms=MINUTE_MS)
    decide_lease(pool, wanted, after(0))
    served = []
    for seconds in range(1, 5):
        decide_end(pool, usage(granted), after(seconds))
        (one,) = serve_line(pool, seconds)
        granted = one.granted
        served.append(granted.lease_id.partition(".")[0])

    assert "video" in served[:2]


def test_whoever_stops_serving_amid_two_types_is_asked_again() -> None:
    limits = {IMAGE: 100, VIDEO: 100}
    pool = folded(policy_changed(session_concurrency=2, daily_limits=limits), session_added())
    busy = [grant(pool, request=f"busy{number}") for number in range(2)]
    ask_to_wait(pool, "r1")
    decide_lease(pool, lease_wanted(VIDEO, "v1", wait_ms=MINUTE_MS), after(0))
    for granted in busy:
        decide_end(pool, usage(granted), after(1))

    serving = serve_waiting(pool, after(1))
    next(serving)
    serving.close()
    was_due = is_due(pool, after(1))
    rest = served_requests(pool, 1)

    assert was_due
    assert len(rest) == 1
    assert not pool.line


def test_types_get_turns_by_the_keys_that_wait_for_them() -> None:
    limits = {IMAGE: 1000, VIDEO: 1000}
    pool = folded(policy_changed(session_concurrency=1, daily_limits=limits), session_added())
    granted = grant(pool, request="busy")
    for number in range(90):
        ask_to_wait(pool, f"r{number}", key=f"key-{number % 3}")
        wanted = lease_wanted(VIDEO, f"v{number}", key_id=KeyId("one"), wait_ms=MINUTE_MS)
        decide_lease(pool, wanted, after(0))
    served = Counter[str]()
    for number in range(80):
        decide_end(pool, usage(granted), after(number / 100))
        (one,) = serve_line(pool, number / 100)
        granted = one.granted
        served[granted.lease_id[0]] += 1

    assert served == {"r": 60, "v": 20}


def test_how_long_it_takes_is_told_by_how_long_exchanges_lasted() -> None:
    pool = folded(policy_changed(session_concurrency=1, daily_limits={IMAGE: 100}), session_added())
    for number in range(10):
        granted = grant(pool, request=f"e{number}", now=after(2 * number))
        decide_end(pool, usage(granted), after(2 * number + 2))
    grant(pool, request="busy", now=after(20))

    told = [
        ask_to_wait(pool, f"r{number}", seconds=20, asked_at=after(20)).eta_s for number in range(3)
    ]

    assert told == [2.0, 4.0, 6.0]


def test_with_nothing_left_it_is_told_when_units_come_back() -> None:
    pool = folded(
        policy_changed(daily_limits={IMAGE: 1}), session_added(), lease_granted(request="busy")
    )

    assert ask_to_wait(pool, "r1", wait_ms=3_600_000).eta_s == 900.0


@pytest.mark.parametrize("seconds", [0.0, 7.0])
def test_what_is_rolled_back_waits_as_before(seconds: float) -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    ask_to_wait(pool, "r2")
    end_exchange(pool)
    pool.commit()
    for wait in pool.line.waits.values():
        wait.heard_at = after(seconds)
    lanes = {key: lane.orders[:] for key, lane in pool.line.lanes[IMAGE].by_key.items()}
    young = [*pool.line.young]

    pool.begin()
    serve_line(pool, seconds)
    tend(pool, seconds + 1)
    ask_to_wait(pool, "r3", seconds=seconds)
    decide_cancel(pool, cancel("r2"), after(seconds))
    pool.rollback()

    assert sorted(pool.line.waits) == [lease_named("r1"), lease_named("r2")]
    assert {key: lane.orders for key, lane in pool.line.lanes[IMAGE].by_key.items()} == lanes
    assert sorted(pool.line.young) == young
    assert not any(wait.journalled for wait in pool.line.waits.values())
    assert is_due(pool, after(seconds))


def queued_event(request: str = "r1", at: datetime = NOON) -> LeaseQueued:
    requested = lease_wanted(request=request).requested
    return LeaseQueued(
        lease_id=lease_named(request), requested=requested, since=at, deadline=after(60)
    )


@pytest.mark.parametrize(
    "events",
    [
        [queued_event(), queued_event()],
        [lease_granted(), queued_event()],
        [WaitsEnded(items=[WaitEnd(lease_id=LeaseId("x.1"), reason="unheard")])],
    ],
)
def test_histories_of_waits_that_cannot_be_are_noted(events: list[PoolEvent]) -> None:
    pool = folded(session_added(), *events)

    assert [found.kind for found in pool.violations] == [ViolationKind.IMPOSSIBLE_CHANGE]


def test_types_wait_apart() -> None:
    pool = folded(policy_changed(session_concurrency=2), session_added(), session_added("two"))
    grant(pool, AVATAR, "a1")
    grant(pool, AVATAR, "a2")
    answer = decide_lease(pool, lease_wanted(AVATAR, "a3", wait_ms=1_000_000), NOON).answer

    assert isinstance(answer, Waiting)
    assert isinstance(ask_to_wait(pool, "r1"), Granted)


def test_the_same_affinity_gets_the_same_session_while_that_is_free() -> None:
    pool = folded(policy_changed(session_concurrency=1), *map(session_added, ("one", "two")))
    first = ask_to_wait(pool, "r1", affinity="x")
    end_exchange(pool, "r1")
    assert isinstance(first, Granted)

    again = ask_to_wait(pool, "r2", affinity="x")
    beside = ask_to_wait(pool, "r3", affinity="x")
    avoiding = ask_to_wait(pool, "r4", affinity="x", avoid_sessions=[first.session_id])

    assert (again.session_id, beside.session_id == first.session_id) == (first.session_id, False)
    assert isinstance(avoiding, Waiting)


def test_who_waits_gets_the_session_that_it_prefers() -> None:
    pool = folded(policy_changed(session_concurrency=1), *map(session_added, ("one", "two")))
    mine = ask_to_wait(pool, "r1", affinity="x")
    ask_to_wait(pool, "r2")
    ask_to_wait(pool, "r3", affinity="x")

    for request in ("r2", "r1"):
        end_exchange(pool, request)

    (served,) = serve_line(pool)

    assert served.granted.session_id == mine.session_id


def test_so_many_affinities_are_known() -> None:
    line = WaitingLine()

    for number in range(10_001):
        line.note_affinity(f"{number}", SessionId("one"))

    assert (len(line.affinities), "0" in line.affinities) == (10_000, False)


def test_operators_see_who_waits_in_the_order_of_serving() -> None:
    pool = busy()
    ask_to_wait(pool, "r1", wait_ms=50_000)
    ask_to_wait(pool, "r2", wait_ms=40_000)
    ask_to_wait(pool, "r3", key="other")

    asked = PoolStatus(waits=True, wait_type=IMAGE, wait_key=KeyId("key-1"))
    status = pool_status(pool, asked, after(2), 1, 1)

    assert status.waiting == 3
    assert [(view.request_id, view.left_s) for view in status.waits] == [("r2", 38.0), ("r1", 48.0)]
    behind = replace(asked, waits_behind=1, limit=1)
    assert pool_status(pool, behind, after(2), 1, 1).waits == status.waits[1:]
    assert pool_status(pool, PoolStatus(), after(2), 1, 1).waits == []


def test_a_pool_that_grows_is_hope() -> None:
    pool = folded(policy_changed(daily_limits={IMAGE: 1}), session_added(), lease_granted())
    pool.note_supply(growing=True)

    assert isinstance(ask_to_wait(pool, "r2"), Waiting)


def test_a_wait_that_is_in_the_log_ends_there_by_its_grant() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    tend(pool, 1)
    end_exchange(pool, seconds=1)

    serve_line(pool, 1)

    assert pool.queued == {}


def test_waits_of_very_many_keys_are_journalled_a_part_at_a_time() -> None:
    pool = busy()
    for number in range(501):
        ask_to_wait(pool, f"r{number}", key=f"key-{number}")

    assert [len(tend(pool, 1)), len(tend(pool, 1.1))] == [500, 1]


def test_ends_of_a_thousand_types_are_remembered_and_no_more() -> None:
    line = WaitingLine()

    for number in range(1001):
        line.note_end(ServiceType(f"t{number}"), 1.0)

    assert len(line.durations) == 1000


def test_a_wait_of_a_term_before_that_is_asked_for_again_goes_on() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    tend(pool, 1)
    pool.begin_line()
    for seconds in (3, 20):
        ask_to_wait(pool, "r1", seconds=seconds, wait_ms=57_000)

    assert tend(pool, 40) == []
    assert [*pool.queued] == [lease_named("r1")]


def test_a_pool_that_will_grow_is_hope() -> None:
    pool = folded(
        policy_changed(daily_limits={IMAGE: 1}, min_size=2), session_added(), lease_granted()
    )
    pool.note_supply(empty=False)

    assert isinstance(ask_to_wait(pool, "r2"), Waiting)

"""Grants of those who wait that nobody was told of, and appends of its own that a leader reads."""

import pytest
from msgspec.structs import replace

from contracts.base import GatewayId, WriterId
from contracts.envelope import Envelope
from contracts.pool import (
    CancelAnswer,
    Granted,
    LeaseCancelled,
    LeaseQueued,
    LeaseRefused,
    PoolEvent,
    Refusal,
    WaitEnd,
    Waiting,
    WaitsEnded,
)
from services.pool.domain import Pool, decide_undelivered, fold_envelope, is_due
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    after,
    cancel,
    lease_granted,
    lease_named,
    lease_wanted,
    policy_changed,
    session_added,
)
from tests.unit.pool.test_waiting import (
    ask_to_wait,
    busy,
    end_exchange,
    queued_event,
    serve_line,
    served_requests,
    tend,
    waiting_ids,
)


def served_untold(request: str = "r1") -> Pool:
    """A pool that granted a lease to one who waited, of which nobody was told yet."""
    pool = busy()
    ask_to_wait(pool, request)
    end_exchange(pool)
    serve_line(pool)
    pool.commit()
    return pool


def test_a_grant_that_was_told_nowhere_is_given_back() -> None:
    pool = served_untold()

    decided = decide_undelivered(pool, cancel("r1"), NOON)

    assert [type(event) for event in decided.events] == [LeaseCancelled]
    assert decided.answer is CancelAnswer.CANCELLED
    assert ask_to_wait(pool, "r1", seconds=1).reason is Refusal.CANCELLED
    again = ask_to_wait(pool, "r1", seconds=1, number=2, waiting_since=NOON)
    assert isinstance(again, Granted)


def test_a_grant_that_was_told_as_an_answer_stands() -> None:
    pool = served_untold()
    told_again = ask_to_wait(pool, "r1")

    decided = decide_undelivered(pool, cancel("r1"), NOON)

    assert isinstance(told_again, Granted)
    assert (decided.events, decided.answer) == ([], CancelAnswer.ENDED)
    assert lease_named("r1") in pool.opened


def test_a_grant_that_was_taken_back_is_not_untold() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    end_exchange(pool)
    pool.commit()

    pool.begin()
    serve_line(pool)
    pool.rollback()

    assert pool.line.untold == set()
    assert waiting_ids(pool) == ["r1"]


def test_whose_gateway_cannot_be_reached_is_passed_over_until_it_asks_again() -> None:
    pool = busy()
    ask_to_wait(pool, "r1", gateway_id=GatewayId("gone"))
    ask_to_wait(pool, "r2")
    end_exchange(pool)

    pool.line.note_absent(GatewayId("gone"))

    assert served_requests(pool) == ["r2"]
    end_exchange(pool, "r2")
    assert served_requests(pool) == []
    assert isinstance(ask_to_wait(pool, "r1", seconds=1, gateway_id=GatewayId("gone")), Waiting)
    assert is_due(pool, after(1))
    assert served_requests(pool, 1) == ["r1"]


def test_who_is_gone_is_counted_as_waiting_and_its_wait_ends_as_any_other() -> None:
    """One of two of a key, and one that is alone, which leaves, comes back, and leaves for good."""
    pool = busy()
    for request, key in (("r1", "a"), ("r2", "a"), ("r3", "b")):
        gateway = GatewayId("there" if request == "r2" else "gone")
        ask_to_wait(pool, request, key=key, gateway_id=gateway)
    pool.line.note_absent(GatewayId("gone"))
    pool.line.note_absent(GatewayId("gone"))

    line = pool.line
    assert line.lanes[IMAGE].waiting == 3
    line.add_wait(line.remove_wait(lease_named("r3")))
    assert line.lanes[IMAGE].waiting == 3
    for request in ("r1", "r3"):
        line.drop_wait(lease_named(request))
    end_exchange(pool)
    assert served_requests(pool) == ["r2"]
    assert line.lanes == {}


REFUSED = LeaseRefused(
    request_id=lease_wanted(request="r1").requested.request_id,
    number=1,
    key_id=lease_wanted().requested.key_id,
    service_type=IMAGE,
    reason=Refusal.SATURATED,
)
CANCELLED = LeaseCancelled(
    lease_id=lease_named("r1"), request_id=REFUSED.request_id, number=1, reason="client_gone"
)

ENDED = WaitsEnded(items=[WaitEnd(lease_id=lease_named("r1"), reason="full")])


def read_events(pool: Pool, *events: PoolEvent) -> None:
    """Read an envelope that this leader had given up."""
    envelope = Envelope(
        writer=WriterId("one"), epoch=1, number=2, time=NOON, previous_hash="", events=[*events]
    )
    fold_envelope(pool, 2, envelope)


@pytest.mark.parametrize(
    "events",
    [
        [lease_granted(request="r1")],
        [CANCELLED, replace(CANCELLED, lease_id=lease_named("who never waited"))],
        [session_added("two"), REFUSED],
        [
            queued_event("r1"),
            WaitsEnded(items=[WaitEnd(lease_id=lease_named("r1"), reason="full")]),
        ],
    ],
)
def test_whose_wait_is_over_by_the_log_waits_no_more(events: list[PoolEvent]) -> None:
    pool = busy(concurrency=2)
    ask_to_wait(pool, "r1")
    ask_to_wait(pool, "r2")
    pool.commit()

    read_events(pool, *events)

    assert waiting_ids(pool) == ["r2"]
    assert pool.violations == []


def test_a_wait_that_the_log_names_already_is_not_journalled_again() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    ask_to_wait(pool, "r2")
    pool.commit()

    read_events(pool, queued_event("r1"), queued_event("gone"))

    journalled = [event.lease_id for event in tend(pool, 2) if isinstance(event, LeaseQueued)]
    assert journalled == [lease_named("r2")]
    assert pool.violations == []


def test_what_is_allowed_no_more_is_waited_for_no_more() -> None:
    pool = busy()
    ask_to_wait(pool, "one", wait_ms=3_600_000)
    ask_to_wait(pool, "many", units=5, wait_ms=3_600_000)
    tend(pool, 0)

    evolve(pool, policy_changed(session_concurrency=1, daily_limits={IMAGE: 3}), after(2), 2)
    lowered = tend(pool, 3)
    evolve(pool, policy_changed(session_concurrency=1, daily_limits={AVATAR: 3}), after(4), 3)
    gone = tend(pool, 5)

    reasons = [
        [event.reason for event in events if isinstance(event, LeaseRefused)]
        for events in (lowered, gone)
    ]
    assert reasons == [[Refusal.TOO_MANY_UNITS], [Refusal.UNKNOWN_SERVICE]]
    assert not pool.line


@pytest.mark.parametrize("absurd", [{"wait_ms": 2**63}, {"weight": 2**63}])
def test_absurd_numbers_of_a_wait_are_refused(absurd: dict[str, int]) -> None:
    pool = busy()

    answer = ask_to_wait(pool, "r1", **absurd)

    assert answer.reason is Refusal.TOO_MANY_UNITS
    assert not pool.line

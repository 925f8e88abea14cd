"""Leases that are only tried: nobody's calls, and no more than a look."""

import pytest
from msgspec.structs import replace

from contracts.base import ServerId, SessionId
from contracts.pool import (
    TRY_PATH,
    Granted,
    LeaseGranted,
    Refusal,
    Refused,
    SessionSuspected,
)
from services.pool.domain import Pool, decide_lease
from services.pool.domain.decide.upkeep import decide_cancel
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    ONE,
    after,
    cancel,
    folded,
    grant,
    lease_granted,
    lease_wanted,
    session_added,
    session_requested,
    usage,
)


def exhausted_pool() -> Pool:
    lease = lease_granted(service_type=AVATAR)
    return folded(session_added(), lease, usage(lease))


def test_grant_that_is_tried_leaves_the_session_as_unused_as_it_was() -> None:
    pool = folded(session_added())

    decision = decide_lease(pool, lease_wanted(IMAGE, path=TRY_PATH), NOON)
    decide_cancel(pool, cancel(), NOON)

    assert isinstance(decision.answer, Granted)
    assert [type(event) for event in decision.events][-1] is LeaseGranted
    assert decision.events[-1].only_tried
    session = pool.sessions[ONE]
    assert (session.last_used_at, session.open_leases) == (None, 0)
    assert pool.used_at == {}
    assert pool.index_at(NOON).units_left_by_type(session)[IMAGE] == 10


def test_call_marks_its_session_as_used() -> None:
    pool = folded(session_added())

    grant(pool)

    assert pool.sessions[ONE].last_used_at == NOON


def test_type_that_is_tried_was_not_asked_for() -> None:
    tried = folded(session_added(), session_requested(IMAGE, path=TRY_PATH))
    called = folded(session_added(), session_requested(IMAGE, path="/v1/images/generations"))

    assert (tried.upkeep.asked_at, set(called.upkeep.asked_at)) == ({}, {IMAGE})


def test_refusal_of_what_is_tried_is_told_and_is_no_event() -> None:
    pool = exhausted_pool()

    decision = decide_lease(pool, lease_wanted(AVATAR, "r2", path=TRY_PATH), NOON)
    again = decide_lease(pool, lease_wanted(AVATAR, "r2", path=TRY_PATH), after(1))

    assert isinstance(decision.answer, Refused)
    assert decision.answer.reason is Refusal.QUOTA_EXHAUSTED
    assert decision.answer.resets_at is not None
    assert (decision.events, again.events) == ([], [])
    assert again.answer == decision.answer


@pytest.mark.parametrize("path", ["", TRY_PATH])
def test_suspect_gets_its_trial_by_a_call_alone(path: str) -> None:
    suspected = SessionSuspected(session_id=ONE, server_id=ServerId("s"), request_id="")
    added = session_added("two")
    pool = folded(session_added(), replace(added, session_id=SessionId("two")), suspected)

    answer = decide_lease(pool, lease_wanted(IMAGE, path=path), after(120)).answer

    assert isinstance(answer, Granted)
    assert answer.session_id == ("two" if path else "one")

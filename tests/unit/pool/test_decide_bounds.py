"""What a command may bring into the log: a request out of bounds leaves none, a usage is cut."""

from typing import Any

import pytest

from contracts.base import NUMBER_MAX, GatewayId, KeyId, RequestId, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    Attempt,
    CallsRefused,
    CancelLease,
    ChangeSession,
    EndAnswer,
    LeaseCancelled,
    Outcome,
    Refusal,
    Refused,
    UsageRecorded,
    Verdict,
)
from services.pool.domain import decide_admin, decide_cancel, decide_end, decide_lease
from tests.unit.pool.builders import (
    IMAGE,
    NOON,
    folded,
    grant,
    lease_granted,
    lease_wanted,
    session_added,
    usage,
)

LONG = 10**31


@pytest.mark.parametrize(
    "fields", [{"units": 2**53}, {"units": 2**63}, {"units": -LONG}, {"number": LONG}]
)
def test_a_request_out_of_bounds_is_refused_and_leaves_no_event(fields: dict[str, Any]) -> None:
    decision = decide_lease(folded(session_added()), lease_wanted(IMAGE, **fields), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.reason is Refusal.TOO_MANY_UNITS
    assert decision.events == []


def test_more_than_the_limit_is_refused_in_the_log_as_before() -> None:
    decision = decide_lease(folded(session_added()), lease_wanted(IMAGE, units=NUMBER_MAX), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.reason is Refusal.TOO_MANY_UNITS
    assert len(decision.events) == 2


def test_a_usage_out_of_bounds_is_cut_to_them_and_ends_its_lease() -> None:
    """Each number of it and of its attempt is out of bounds: it is cut, or it is none."""
    pool = folded(session_added())
    lease = grant(pool)
    attempt = Attempt(
        server_id="x",
        verdict=Verdict.SUCCESS,
        status=LONG,
        upstream_code=LONG,
        inner_code=-LONG,
        total_ms=1e300,
    )
    given = UsageRecorded(
        lease_id=lease.lease_id,
        request_id="r1",
        session_id=lease.session_id,
        service_type=IMAGE,
        outcome=Outcome.SETTLED,
        verdict=Verdict.SUCCESS,
        units=1,
        units_over=LONG,
        bytes_in=LONG,
        total_ms=-5.0,
        retry_after_s=1e300,
        attempts=[attempt],
    )

    decision = decide_end(pool, given, NOON)

    assert decision.answer is EndAnswer.JOURNALLED
    (event,) = decision.events
    assert isinstance(event, UsageRecorded)
    (kept,) = event.attempts
    assert (event.units, event.units_over, event.bytes_in) == (1, NUMBER_MAX, NUMBER_MAX)
    assert (event.total_ms, event.retry_after_s) == (0.0, 1e12)
    assert (kept.status, kept.upstream_code, kept.inner_code) == (NUMBER_MAX, None, None)
    assert kept.total_ms == 1e12


def test_what_a_gateway_counted_is_cut_to_bounds_too() -> None:
    told = CallsRefused(
        gateway_id=GatewayId("gw"),
        key_id=KeyId("key_1"),
        code="rate_limit_exceeded",
        status=LONG,
        count=LONG,
        since=NOON,
        until=NOON,
    )
    cancelled = CancelLease(request_id=RequestId("r1"), number=1, reason="not_sent", status=LONG)

    (counted,) = decide_end(folded(session_added()), told, NOON).events
    (given_back,) = decide_cancel(folded(session_added()), cancelled, NOON).events

    assert isinstance(counted, CallsRefused)
    assert (counted.count, counted.status) == (NUMBER_MAX, NUMBER_MAX)
    assert isinstance(given_back, LeaseCancelled)
    assert given_back.status == NUMBER_MAX


def test_a_usage_within_bounds_is_journalled_as_it_is() -> None:
    pool = folded(session_added())
    lease = grant(pool)
    given = usage(lease_granted(request="r1"))

    assert given.lease_id == lease.lease_id

    (event, *_) = decide_end(pool, given, NOON).events

    assert event is given


@pytest.mark.parametrize("limit", [2**53, LONG])
def test_limits_out_of_bounds_are_refused_by_name(limit: int) -> None:
    pool = folded(session_added())
    added = AddSession(session_id=SessionId("new"), sealed=b"", limits={IMAGE: limit})
    changed = ChangeSession(session_id=SessionId("one"), limits={IMAGE: limit}, by="me")

    for command in (AddSessions(items=[added], by="me"), changed):
        decision = decide_admin(pool, command, NOON)
        assert decision.events == []
        assert "limits: expected numbers of at most 9,007,199,254,740,991" in str(decision.answer)

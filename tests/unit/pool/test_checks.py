"""Accounts asked after: which is due, and what is believed of what a backend says."""

from datetime import datetime

import pytest

from contracts.base import Failed, ServerId, SessionId
from contracts.events import AnyEvent
from contracts.pool import (
    CheckRecorded,
    CredentialsRefused,
    Done,
    PoolEvent,
    PoolStatus,
    RecordCheck,
    SessionRecovered,
    SessionRetired,
    SessionStatus,
    SessionSuspected,
)
from services.pool.domain import Pool, decide_admin, decide_end, pool_status, session_to_check
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    NOON,
    ONE,
    after,
    folded,
    grant,
    lease_granted,
    session_added,
    usage,
)
from tests.unit.pool.growing import login_expired, under_suspicion, with_status

LEASE = lease_granted()


def check_recorded(name: str = "one", judged: str = "alive", server: str = "s") -> CheckRecorded:
    return CheckRecorded(session_id=SessionId(name), judged=judged, server_id=ServerId(server))


def due(pool: Pool, now: datetime = NOON) -> str | None:
    """The session that is checked next."""
    session = session_to_check(pool, pool.sessions.values(), now)
    return session.session_id if session else None


def record(pool: Pool, recorded: CheckRecorded, now: datetime = NOON) -> list[PoolEvent]:
    decision = decide_admin(pool, RecordCheck(recorded=recorded), now)
    assert decision.answer == Done(changed=[recorded.session_id])
    return decision.events


def test_a_session_without_a_success_is_due() -> None:
    assert due(folded()) is None
    assert due(folded(session_added())) == "one"
    assert due(folded(session_added(), under_suspicion("one"))) == "one"


@pytest.mark.parametrize(
    "event",
    [
        login_expired("one"),
        with_status("one", SessionStatus.DRAINING),
        SessionRetired(session_id=ONE, reason="gone"),
        LEASE,
    ],
    ids=["disabled", "draining", "retired", "at work"],
)
def test_nobody_asks_after_what_is_barred_or_at_work(event: AnyEvent) -> None:
    assert due(folded(session_added(), event), after(9000)) is None


def test_a_success_or_a_check_is_enough_for_five_minutes() -> None:
    called = folded(session_added(), LEASE, usage(LEASE))
    asked_after = folded(session_added(), check_recorded(judged="unknown"))

    for pool in (called, asked_after):
        assert (due(pool, after(299)), due(pool, after(300))) == (None, "one")


def test_a_success_is_noted_twice_a_minute() -> None:
    pool = folded(session_added())
    for seconds in (0, 29, 30, 31):
        lease = lease_granted(request=f"r{seconds}")
        for event in (lease, usage(lease)):
            evolve(pool, event, after(seconds), 2)

    assert pool.sessions[ONE].succeeded_at == after(30)


def test_whoever_was_heard_of_longest_ago_comes_first() -> None:
    pool = folded(session_added("one"), session_added("two"), session_added("three"))
    for seconds, name in enumerate(("two", "one")):
        evolve(pool, check_recorded(name), after(seconds), 2)

    assert due(pool) == "three"
    evolve(pool, check_recorded("three"), after(2), 2)
    assert due(pool, after(600)) == "two"


def test_a_check_that_finds_an_account_alive_clears_a_suspect() -> None:
    pool = folded(session_added(), under_suspicion("one"))

    events = record(pool, check_recorded(), after(9))

    assert events == [check_recorded(), SessionRecovered(session_id=ONE, reason="check_succeeded")]
    assert pool.sessions[ONE].succeeded_at == after(9)
    assert record(pool, check_recorded(), after(10)) == [check_recorded()]


def test_a_check_that_finds_a_login_expired_makes_a_suspect_and_no_more() -> None:
    pool = folded(session_added())
    dead = check_recorded(judged="dead")

    events = record(pool, dead)

    assert events == [
        dead,
        SessionSuspected(session_id=ONE, server_id=ServerId("s"), request_id=""),
        CredentialsRefused(suspects=1, disabled=0),
    ]
    assert record(pool, dead, after(300)) == [dead]
    assert pool.sessions[ONE].lasting_status() is SessionStatus.SUSPECT
    assert (pool.ended.minted, pool.sessions[ONE].account.days) == ({}, {})


@pytest.mark.parametrize("judged", ["unknown", "of a later version"])
def test_what_says_nothing_changes_nothing(judged: str) -> None:
    pool = folded(session_added(), under_suspicion("one"))

    assert record(pool, check_recorded(judged=judged)) == [check_recorded(judged=judged)]


def test_a_check_enables_nothing_that_was_disabled_or_retired() -> None:
    retired = SessionRetired(session_id=ONE, reason="gone")
    for event in (login_expired("one"), retired):
        pool = folded(session_added(), event)
        for judged in ("alive", "dead"):
            assert record(pool, check_recorded(judged=judged)) == [check_recorded(judged=judged)]


def served_elsewhere(pool: Pool, seconds: float) -> None:
    """Have another server serve a third session."""
    granted = grant(pool, request="elsewhere", avoid_sessions=["one", "two"], now=after(seconds))
    decide_end(pool, usage(granted, server="another"), after(seconds))


def test_a_server_that_finds_several_dead_is_not_believed_where_another_one_serves() -> None:
    pool = folded(*map(session_added, ("one", "two", "three")))
    record(pool, check_recorded("one", "dead"))
    served_elsewhere(pool, 1)

    events = record(pool, check_recorded("two", "dead"), after(30))

    recovered = [event for event in events if isinstance(event, SessionRecovered)]
    assert [(event.session_id, event.reason) for event in recovered] == [
        ("one", "server_blamed"),
        ("two", "server_blamed"),
    ]


def test_one_that_was_cleared_meanwhile_is_not_recovered_again() -> None:
    pool = folded(*map(session_added, ("one", "two", "three")))
    record(pool, check_recorded("one", "dead"))
    record(pool, check_recorded("one", "alive", "another"), after(1))
    served_elsewhere(pool, 2)

    events = record(pool, check_recorded("two", "dead"), after(30))

    recovered = [event for event in events if isinstance(event, SessionRecovered)]
    assert [event.session_id for event in recovered] == ["two"]


def test_what_a_check_may_bring_is_bounded_in_the_log() -> None:
    recorded = CheckRecorded(
        session_id=ONE, judged="unknown", asked=["POST /"] * 99, message="x" * 9999
    )

    (event,) = record(folded(session_added()), recorded)

    assert isinstance(event, CheckRecorded)
    assert (len(event.asked), len(event.message)) == (10, 500)


def test_a_check_of_nobody_is_refused() -> None:
    decision = decide_admin(folded(), RecordCheck(recorded=check_recorded("nobody")), NOON)

    assert isinstance(decision.answer, Failed)
    assert (decision.events, decision.answer.code) == ([], "not_found")


def test_operators_see_when_an_account_was_asked_after() -> None:
    pool = folded(session_added(), check_recorded())

    (view,) = pool_status(pool, PoolStatus(sessions=True), NOON, 1, 1).sessions

    assert view.checked_at == NOON

"""What operators, provisioners and the configuration file may change."""

import math

import pytest

from contracts.base import Failed, RequestId, ServerId, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    ChangeSession,
    Done,
    EndAnswer,
    Policy,
    PolicyChanged,
    PoolEvent,
    QuotaObserved,
    Refusal,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionRetired,
    SessionRevived,
    SessionStatus,
    SessionSuspected,
)
from services.pool.domain import (
    Pool,
    decide_admin,
    decide_end,
    decide_lease,
    decide_policy,
)
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    ONE,
    TODAY,
    VIDEO,
    WrittenLog,
    after,
    audited,
    folded,
    grant,
    lease_granted,
    lease_wanted,
    policy_changed,
    session_added,
    session_requested,
    usage,
)


def add(pool: Pool, *names: str, **fields: object) -> list[PoolEvent]:
    items = [
        AddSession(session_id=SessionId(name), sealed=b"", **fields)  # type: ignore[arg-type]
        for name in names
    ]
    decision = decide_admin(pool, AddSessions(items=items, by="me"), NOON, "generated")
    touched = dict.fromkeys(event.session_id for event in decision.events)  # type: ignore[union-attr]
    revived = [one.session_id for one in decision.events if isinstance(one, SessionRevived)]
    assert decision.answer == Done(changed=list(touched), revived=revived)
    return decision.events


def change(pool: Pool, now: float = 0, name: str = "one", **fields: object) -> list[PoolEvent]:
    command = ChangeSession(session_id=SessionId(name), by="me", **fields)  # type: ignore[arg-type]
    decision = decide_admin(pool, command, after(now))
    assert decision.answer == Done(changed=[name] if decision.events else [])
    return decision.events


def objection(pool: Pool, command: AddSessions | ChangeSession, code: str = "bad_request") -> str:
    decision = decide_admin(pool, command, NOON)
    assert isinstance(decision.answer, Failed)
    assert (decision.events, decision.answer.code) == ([], code)
    return decision.answer.message


def refusal_reason(pool: Pool, now: float = 0) -> Refusal:
    reason = decide_lease(pool, lease_wanted(IMAGE, "rx"), after(now)).answer.reason
    assert isinstance(reason, Refusal)
    return reason


def test_sessions_are_added_with_their_origin() -> None:
    pool = folded()

    events = add(pool, "one", "two", region="jp", limits={IMAGE: 3})

    assert events[0] == SessionAdded(
        session_id=ONE, region="jp", limits={IMAGE: 3}, origin="generated", by="me"
    )
    assert pool.size == 2


def test_adding_a_session_that_is_there_changes_nothing() -> None:
    pool = folded(session_added())

    assert add(pool, "one") == []
    assert len(add(pool, "two", "three")) == 2


def test_a_retired_session_is_revived_with_todays_counts() -> None:
    lease = lease_granted(service_type=AVATAR)
    pool = folded(session_added(), lease, usage(lease))
    change(pool, status=SessionStatus.RETIRED)

    assert (pool.size, refusal_reason(pool)) == (0, Refusal.SATURATED)

    assert add(pool, "one") == [SessionRevived(session_id=ONE, origin="generated", by="me")]

    assert grant(pool, IMAGE, "r2").remaining == {IMAGE: 9, VIDEO: 2, AVATAR: 0}


def test_a_revived_session_takes_the_limits_it_is_added_with() -> None:
    pool = folded(session_added(), SessionRetired(session_id=ONE, reason="idle"))

    events = add(pool, "one", limits={IMAGE: 1})

    assert events == [
        SessionRevived(session_id=ONE, origin="generated", by="me"),
        SessionChanged(session_id=ONE, limits={IMAGE: 1}, by="me"),
    ]
    assert grant(pool).remaining[IMAGE] == 0


def test_a_session_needs_an_id_and_a_time_zone_that_exists() -> None:
    nameless = AddSession(session_id=SessionId(""), sealed=b"")
    lost = AddSession(session_id=ONE, sealed=b"", quota_timezone="Mars/Olympus")

    assert "session_id" in objection(folded(), AddSessions(items=[nameless], by="me"))
    assert "Mars/Olympus" in objection(folded(), AddSessions(items=[lost], by="me"))
    assert len(add(folded(), "one", quota_timezone="Asia/Tokyo")) == 1


def test_draining_stops_grants_and_activating_resumes_them() -> None:
    pool = folded(session_added())
    grant(pool)

    assert change(pool, status=SessionStatus.DRAINING, reason="why") == [
        SessionChanged(session_id=ONE, status=SessionStatus.DRAINING, reason="why", by="me")
    ]
    assert refusal_reason(pool) is Refusal.SATURATED
    change(pool, status=SessionStatus.ACTIVE)
    assert grant(pool, IMAGE, "r3")


def test_activating_clears_a_suspicion() -> None:
    suspected = SessionSuspected(
        session_id=ONE, server_id=ServerId("s"), request_id=RequestId("r0")
    )
    pool = folded(session_added(), suspected)

    change(pool, status=SessionStatus.ACTIVE)

    assert not grant(pool).trial


def test_new_limits_replace_the_sessions_own_and_hold_at_once() -> None:
    pool = folded(session_added(limits={IMAGE: 5, VIDEO: 9}))
    grant(pool)

    change(pool, limits={IMAGE: 1})

    assert refusal_reason(pool) is Refusal.QUOTA_EXHAUSTED
    assert grant(pool, VIDEO, "r2").remaining[VIDEO] == 1
    assert change(pool, limits={IMAGE: 1}) == []


def test_an_operator_moves_a_cool_down_either_way() -> None:
    pool = folded(session_added())

    (event,) = change(pool, cool_s=100)
    assert isinstance(event, SessionCooled)
    assert refusal_reason(pool) is Refusal.SATURATED
    change(pool, cool_s=20)
    assert grant(pool, now=after(20))
    change(pool, 20, cool_s=100)
    change(pool, 30, cool_s=0)
    assert grant(pool, IMAGE, "r2", now=after(30))


@pytest.mark.parametrize("cool_s", [-1, math.nan, math.inf])
def test_a_cool_down_has_a_sensible_length(cool_s: float) -> None:
    command = ChangeSession(session_id=ONE, cool_s=cool_s, by="me")

    assert "cool_s" in objection(folded(session_added()), command)


@pytest.mark.parametrize("status", [SessionStatus.COOLING, SessionStatus.SUSPECT])
def test_what_ends_by_itself_is_not_set_by_hand(status: SessionStatus) -> None:
    command = ChangeSession(session_id=ONE, status=status, by="me")

    assert "not set by hand" in objection(folded(session_added()), command)


def test_an_unknown_session_cannot_be_changed() -> None:
    command = ChangeSession(session_id=SessionId("none"), by="me")

    assert "there is no session none" in objection(folded(session_added()), command, "not_found")


def test_a_session_is_retired_once_and_comes_back_by_its_credential_alone() -> None:
    pool = folded(session_added())

    assert change(pool, status=SessionStatus.RETIRED) == [
        SessionRetired(session_id=ONE, reason="operator", by="me")
    ]
    assert change(pool, status=SessionStatus.RETIRED) == []
    for status in (SessionStatus.ACTIVE, SessionStatus.DRAINING, None):
        command = ChangeSession(session_id=ONE, status=status, cool_s=0, by="me")
        assert "add its credential again" in objection(pool, command)
    assert add(pool, "one") == [SessionRevived(session_id=ONE, origin="generated", by="me")]
    assert grant(pool)


# ---------------------------------------------------------------------- policy and size


def test_a_policy_is_journalled_once_per_source() -> None:
    pool, policy = Pool(), Policy(daily_limits={IMAGE: 3})

    assert decide_policy(pool, policy, "a", "configuration", NOON).events == [
        PolicyChanged(policy=policy, source="a")
    ]
    again = decide_policy(pool, Policy(daily_limits={}), "a", "configuration", NOON)
    assert again.events == []
    assert len(decide_policy(pool, policy, "b", "configuration", NOON).events) == 1


def test_a_lower_limit_holds_for_the_very_next_grant() -> None:
    pool = folded(session_added())
    grant(pool)

    policy = Policy(daily_limits={IMAGE: 1}, min_size=1)
    decide_policy(pool, policy, "b", "configuration", NOON)

    assert refusal_reason(pool) is Refusal.QUOTA_EXHAUSTED


def test_a_policy_taken_back_leaves_the_old_one_in_force() -> None:
    pool = folded(session_added())
    grant(pool)
    pool.commit()
    pool.begin()
    decide_policy(pool, Policy(daily_limits={IMAGE: 1}), "b", "configuration", NOON)
    grant(pool, IMAGE, "r2", now=after(86_400))
    pool.rollback()

    assert grant(pool, IMAGE, "r3").remaining[IMAGE] == 8


def test_a_session_that_is_used_up_grants_nothing_until_its_reset() -> None:
    pool = folded(session_added())

    events = change(pool, used_up=True)

    assert events == [
        QuotaObserved(session_id=ONE, service_type=name, quota_day=TODAY, by="me")
        for name in (IMAGE, VIDEO, AVATAR)
    ]
    assert refusal_reason(pool) is Refusal.QUOTA_EXHAUSTED
    assert change(pool, used_up=True) == []
    assert grant(pool, request="tomorrow", now=after(13 * 3600)).session_id == ONE


def test_only_what_has_a_limit_and_is_open_is_closed() -> None:
    closed = QuotaObserved(session_id=ONE, service_type=IMAGE, quota_day=TODAY)
    pool = folded(session_added(limits={AVATAR: 0}), closed)

    events = change(pool, used_up=True)

    assert [event.service_type for event in events] == [VIDEO]  # type: ignore[union-attr]


def test_leases_of_a_session_that_is_used_up_end_as_ever() -> None:
    log, pool = WrittenLog(), Pool()
    before = [policy_changed(), session_added(), session_requested(), lease_granted()]
    for event in before:
        evolve(pool, event, NOON, 1)
    closing = change(pool, used_up=True)
    end = usage(lease_granted())

    ended = decide_end(pool, end, NOON)

    assert ended.answer is EndAnswer.JOURNALLED
    assert pool.sessions[ONE].account.days[TODAY][IMAGE].used == end.units
    log.write([*before, *closing, *ended.events])
    assert audited(log).violations == []


def test_a_retired_session_is_not_closed() -> None:
    pool = folded(session_added(), SessionRetired(session_id=ONE, reason="r"))

    assert "retired" in objection(pool, ChangeSession(session_id=ONE, used_up=True, by="me"))


def test_nothing_is_added_beyond_max_size_and_the_others_of_the_command_are() -> None:
    disabled = SessionChanged(session_id=SessionId("off"), status=SessionStatus.DISABLED)
    gone = SessionRetired(session_id=SessionId("gone"), reason="x")
    names = ("one", "off", "gone")
    pool = folded(policy_changed(max_size=2), *map(session_added, names), disabled, gone)
    items = [
        AddSession(session_id=SessionId(name), sealed=b"")
        for name in ("two", "three", "gone", "one", "off")
    ]

    answer = decide_admin(pool, AddSessions(items=items, by="me"), NOON).answer

    counted = "neither retired nor disabled, and there are 2"
    expected = f"max_size: expected at most 2 sessions, {counted}"

    assert isinstance(answer, Done)
    assert (answer.changed, answer.refused) == (["two"], {"three": expected, "gone": expected})
    assert pool.places == 2

"""A lease is asked for."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.base import KeyId, RequestId, ServerId, SessionId
from contracts.pool import (
    Granted,
    LeaseCancelled,
    LeaseRefused,
    Refusal,
    Refused,
    SessionChanged,
    SessionCooled,
    SessionStatus,
    SessionSuspected,
    Verdict,
)
from services.pool.domain import Pool, decide_cancel, decide_end, decide_lease, grant_as_sent
from services.pool.domain.ended import Mark
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    TODAY,
    VIDEO,
    after,
    cancel,
    folded,
    grant,
    lease_expired,
    lease_granted,
    lease_named,
    lease_wanted,
    policy_changed,
    session_added,
    session_requested,
    usage,
)


def refusal(pool: Pool, *arguments: object, now: datetime = NOON, **fields: object) -> Refused:
    answer = decide_lease(pool, lease_wanted(*arguments, **fields), now).answer  # type: ignore[arg-type]
    assert isinstance(answer, Refused), answer
    return answer


def test_a_grant_journals_the_request_verbatim_beside_it() -> None:
    pool = folded(session_added(region="us"))
    command = lease_wanted(model="jimeng-4.0")

    decision = decide_lease(pool, command, NOON)

    assert decision.events == [command.requested, lease_granted()]
    assert decision.answer == Granted(
        lease_id=lease_named(),
        session_id=SessionId("one"),
        region="us",
        quota_day=TODAY,
        units=1,
        send_within_s=30.0,
        expires_in_s=900.0,
        remaining={IMAGE: 9, VIDEO: 2, AVATAR: 1},
    )


def test_second_avatar_of_the_day_is_refused_until_the_first_may_come_back() -> None:
    pool = folded(session_added(), lease_granted(service_type=AVATAR))

    decision = decide_lease(pool, lease_wanted(AVATAR, "r2"), NOON)

    assert decision.answer.reason is Refusal.QUOTA_EXHAUSTED
    assert decision.answer.retry_after_s == 900.0
    assert decision.events == [
        session_requested(AVATAR, "r2"),
        LeaseRefused(
            request_id=RequestId("r2"),
            number=1,
            service_type=AVATAR,
            key_id=KeyId("key-1"),
            reason=Refusal.QUOTA_EXHAUSTED,
            retry_after_s=900.0,
        ),
    ]


def test_used_up_quota_is_refused_until_the_reset() -> None:
    lease = lease_granted(service_type=AVATAR)
    pool = folded(session_added(), lease, usage(lease))

    assert refusal(pool, AVATAR, "r2").retry_after_s == 12 * 3600


def test_a_request_for_more_than_any_session_has_left_is_exhausted() -> None:
    pool = folded(session_added(), lease_granted(units=7))

    assert refusal(pool, IMAGE, "r2", units=4).reason is Refusal.QUOTA_EXHAUSTED
    assert grant(pool, IMAGE, "r3", units=3).remaining[IMAGE] == 0


def test_a_repeated_command_gets_the_same_lease_without_an_event() -> None:
    pool = folded(session_added())
    first = grant(pool)

    again = decide_lease(pool, lease_wanted(), after(10))

    assert again.events == []
    assert again.answer.lease_id == first.lease_id
    assert (again.answer.send_within_s, again.answer.expires_in_s) == (20.0, 890.0)
    late = decide_lease(pool, lease_wanted(), after(2000)).answer
    assert (late.send_within_s, late.expires_in_s) == (0.0, 0.0)


def test_a_repeated_command_that_was_refused_hears_the_same_and_is_told_once() -> None:
    lease = lease_granted(service_type=AVATAR)
    pool = folded(session_added(), lease)
    told = refusal(pool, AVATAR, "r2")

    # Its caller has heard it: a lease granted now would be nobody's.
    decide_end(pool, usage(lease, Verdict.REJECTED), NOON)
    again = decide_lease(pool, lease_wanted(AVATAR, "r2"), after(1))

    assert (again.events, again.answer) == ([], told)
    assert grant(pool, AVATAR, "r2", number=2)


def test_an_ended_lease_is_not_granted_again() -> None:
    lease = lease_granted()
    pool = folded(session_added(), lease, usage(lease), lease_granted(request="r2"))
    decide_cancel(pool, cancel("r2"), NOON)

    assert refusal(pool).reason is Refusal.STALE_REQUEST
    assert refusal(pool, IMAGE, "r2").reason is Refusal.CANCELLED


def test_an_expired_lease_is_not_granted_again() -> None:
    lease = lease_granted()
    pool = folded(session_added(), lease, lease_expired(lease))

    assert refusal(pool).reason is Refusal.STALE_REQUEST


def test_an_id_cancelled_before_it_was_granted_is_never_granted() -> None:
    pool = folded(session_added())
    decision = decide_cancel(pool, cancel(), NOON)

    assert decision.events == [
        LeaseCancelled(
            lease_id=lease_named(), request_id=RequestId("r1"), number=1, reason="client gone"
        )
    ]
    assert refusal(pool).reason is Refusal.CANCELLED


def test_an_unknown_command_older_than_ten_minutes_is_stale_and_not_journalled() -> None:
    pool = folded(session_added())

    decision = decide_lease(pool, lease_wanted(), after(601))

    assert decision.answer.reason is Refusal.STALE_REQUEST
    assert decision.events == []
    assert grant(pool, now=after(601), asked_at=after(1))


@pytest.mark.parametrize("units", [-1, 0, 11])
def test_units_outside_the_daily_limit_are_refused(units: int) -> None:
    assert refusal(folded(session_added()), units=units).reason is Refusal.TOO_MANY_UNITS


def test_an_unknown_service_type_is_refused() -> None:
    assert refusal(folded(session_added()), "hologram").reason is Refusal.UNKNOWN_SERVICE
    assert refusal(Pool()).reason is Refusal.UNKNOWN_SERVICE


def test_a_type_of_which_nothing_is_allowed_is_exhausted() -> None:
    pool = folded(policy_changed(daily_limits={IMAGE: 0}), session_added())

    assert refusal(pool).reason is Refusal.QUOTA_EXHAUSTED


def test_the_lease_before_it_ends_in_the_same_decision() -> None:
    pool = folded(session_added("one"), session_added("two"))
    first = grant(pool)
    previous = usage(first, Verdict.RATE_LIMITED)

    command = lease_wanted(number=2, previous=previous, avoid_sessions=[first.session_id])
    (other,) = {"one", "two"} - {first.session_id}

    decision = decide_lease(pool, command, NOON)

    assert decision.events == [
        previous,
        SessionCooled(
            session_id=first.session_id,
            until=after(60),
            reason="rate_limited",
            request_id=RequestId("r1"),
        ),
        command.requested,
        lease_granted(other, number=2),
    ]
    assert decision.answer.session_id == other
    assert pool.ended.mark_of(first.lease_id) is Mark.RELEASED


def test_the_last_unit_given_back_is_there_for_the_next_lease() -> None:
    pool = folded(session_added())
    first = grant(pool, AVATAR)

    again = decide_lease(
        pool, lease_wanted(AVATAR, number=2, previous=usage(first, Verdict.REJECTED)), NOON
    )

    assert again.answer.session_id == "one"


def test_sessions_to_avoid_are_avoided_and_count_as_busy() -> None:
    pool = folded(session_added("one"))

    answer = refusal(pool, avoid_sessions=["one"])

    assert (answer.reason, answer.retry_after_s) == (Refusal.SATURATED, 1.0)


def test_sessions_of_regions_to_avoid_are_avoided() -> None:
    pool = folded(
        session_added("us-one", region="us"),
        session_added("us-two", region="us"),
        session_added("jp", region="jp"),
        session_added("none"),
    )

    first = grant(pool, request="r1", avoid_regions=["us", ""])
    second = grant(pool, request="r2", avoid_regions=["us", "jp"])
    third = grant(pool, request="r3", avoid_regions=["jp", ""], avoid_sessions=["us-one"])

    assert (first.session_id, second.session_id, third.session_id) == ("jp", "none", "us-two")


def test_when_only_regions_to_avoid_are_left_the_pool_is_saturated() -> None:
    pool = folded(session_added("us-one", region="us"))

    answer = refusal(pool, avoid_regions=["us"])

    assert (answer.reason, answer.retry_after_s) == (Refusal.SATURATED, 1.0)
    assert grant(pool, IMAGE, "r2").region == "us"


def test_busy_sessions_saturate_until_the_first_deadline() -> None:
    pool = folded(policy_changed(session_concurrency=1, lease_ttl_s=20), session_added())
    grant(pool)

    answer = refusal(pool, VIDEO, "r2")

    assert (answer.reason, answer.retry_after_s) == (Refusal.SATURATED, 20.0)


def test_no_bound_on_concurrency_lets_one_session_do_it_all() -> None:
    pool = folded(policy_changed(session_concurrency=0), session_added())

    for number in range(10):
        grant(pool, IMAGE, f"r{number}")

    assert refusal(pool, IMAGE, "r10").reason is Refusal.QUOTA_EXHAUSTED


def test_a_pool_that_cools_is_saturated_until_the_first_is_back() -> None:
    cooled = SessionCooled(session_id=SessionId("one"), until=after(50), reason="rate_limited")
    pool = folded(session_added(), cooled)

    answer = refusal(pool)

    assert (answer.reason, answer.retry_after_s) == (Refusal.SATURATED, 50.0)
    assert grant(pool, IMAGE, "r2", now=after(50))


def test_when_every_session_is_disabled_or_suspect_the_credentials_are_exhausted() -> None:
    disabled = SessionChanged(session_id=SessionId("one"), status=SessionStatus.DISABLED)
    suspected = SessionSuspected(
        session_id=SessionId("two"), server_id=ServerId("s"), request_id=RequestId("r0")
    )
    pool = folded(session_added("one"), disabled)

    assert refusal(pool).retry_after_s == 0.0

    answer = refusal(folded(session_added("one"), session_added("two"), disabled, suspected))

    assert (answer.reason, answer.retry_after_s) == (Refusal.CREDENTIALS_EXHAUSTED, 60.0)


def test_as_long_as_one_session_counts_the_credentials_are_not_exhausted() -> None:
    disabled = SessionChanged(session_id=SessionId("two"), status=SessionStatus.DISABLED)
    lease = lease_granted(service_type=AVATAR)
    pool = folded(session_added("one"), session_added("two"), disabled, lease, usage(lease))

    assert refusal(pool, AVATAR, "r2").reason is Refusal.QUOTA_EXHAUSTED
    assert refusal(pool, IMAGE, "r3", avoid_sessions=["one"]).reason is Refusal.SATURATED


def test_draining_sessions_are_neither_countable_nor_invalid_nor_used_up() -> None:
    draining = SessionChanged(session_id=SessionId("one"), status=SessionStatus.DRAINING)
    disabled = SessionChanged(session_id=SessionId("two"), status=SessionStatus.DISABLED)
    used = lease_granted("two", AVATAR)

    answer = refusal(folded(session_added(), draining))
    assert (answer.reason, answer.retry_after_s) == (Refusal.SATURATED, 30.0)
    pool = folded(session_added(), session_added("two"), draining, disabled)
    assert refusal(pool).reason is Refusal.SATURATED
    # One that works has nothing left; what drains may work again at any time.
    pool = folded(session_added(), session_added("two"), draining, used, usage(used))
    answer = refusal(pool, AVATAR, "r2")
    assert (answer.reason, answer.retry_after_s) == (Refusal.SATURATED, 30.0)


def test_what_drains_and_is_used_up_makes_no_exhausted_pool_saturated() -> None:
    draining = SessionChanged(session_id=SessionId("one"), status=SessionStatus.DRAINING)
    leases = [lease_granted(name, AVATAR, name) for name in ("one", "two")]
    pool = folded(session_added(), session_added("two"), *leases, *map(usage, leases), draining)

    answer = refusal(pool, AVATAR, "r2")

    assert answer.reason is Refusal.QUOTA_EXHAUSTED
    assert pool.index_at(NOON).units_left(IMAGE) == 10


def test_an_exhausted_quota_is_told_with_the_time_of_its_reset() -> None:
    lease = lease_granted(service_type=AVATAR)
    pool = folded(session_added(), lease)

    answer = refusal(pool, AVATAR, "r2")

    # The deadline of the open lease comes before the reset: it may give its unit back.
    assert (answer.reason, answer.retry_after_s) == (Refusal.QUOTA_EXHAUSTED, 900.0)
    assert answer.resets_at == MIDNIGHT


def test_a_growing_pool_is_saturated_rather_than_exhausted() -> None:
    pool = folded()

    assert refusal(pool).reason is Refusal.SATURATED

    pool = folded(session_added(), lease_granted(service_type=AVATAR))
    pool.note_supply(growing=True)

    assert refusal(pool, AVATAR, "r2").reason is Refusal.SATURATED


# ------------------------------------------------------------------- time and quota days


MIDNIGHT = datetime(2025, 3, 2, tzinfo=UTC)


def test_send_by_is_never_later_than_the_guard_before_the_reset() -> None:
    pool = folded(session_added())

    answer = grant(pool, now=MIDNIGHT - timedelta(seconds=12))

    assert answer.send_within_s == 10.0


def test_a_command_inside_the_guard_is_held_and_decided_on_the_new_day() -> None:
    lease = lease_granted(service_type=AVATAR)
    pool = folded(session_added(), lease, usage(lease))
    now = MIDNIGHT - timedelta(seconds=2)
    command = lease_wanted(AVATAR, "r2", asked_at=now)

    held = decide_lease(pool, command, now)

    assert (held.events, held.answer, held.held_until) == ([], None, MIDNIGHT)
    assert decide_lease(pool, command, MIDNIGHT).answer.quota_day == "2025-03-02"


def test_a_held_command_still_ends_the_lease_before_it() -> None:
    pool = folded(session_added())
    now = MIDNIGHT - timedelta(seconds=5)
    first = grant(pool, now=now)
    command = lease_wanted(number=2, previous=usage(first, Verdict.REJECTED), asked_at=now)

    held = decide_lease(pool, command, after(4, now))

    assert held.events == [command.previous]
    assert held.held_until == MIDNIGHT
    assert decide_lease(pool, command, MIDNIGHT).answer.lease_id == lease_named(number=2)


def test_a_pool_without_a_usable_session_holds_nobody() -> None:
    barred = SessionChanged(session_id=SessionId("one"), status=SessionStatus.DISABLED)
    pool = folded(session_added(), barred)
    now = MIDNIGHT - timedelta(seconds=1)

    assert refusal(pool, now=now, asked_at=now).reason is Refusal.CREDENTIALS_EXHAUSTED


def test_inside_one_zones_guard_sessions_of_another_zone_serve() -> None:
    pool = folded(session_added("utc"), session_added("tokyo", quota_timezone="Asia/Tokyo"))

    answer = grant(pool, now=MIDNIGHT - timedelta(seconds=1))

    assert (answer.session_id, answer.quota_day) == ("tokyo", "2025-03-02")


def test_the_quota_day_is_the_date_in_the_sessions_time_zone() -> None:
    pool = folded(policy_changed(quota_timezone="Asia/Shanghai"), session_added())
    reset = datetime(2025, 3, 1, 16, tzinfo=UTC)

    assert grant(pool, AVATAR, "r1").quota_day == "2025-03-01"
    assert refusal(pool, AVATAR, "r2", now=after(-10, reset), asked_at=reset)
    assert grant(pool, AVATAR, "r3", now=reset).quota_day == "2025-03-02"


def test_a_lease_of_yesterday_takes_nothing_from_today() -> None:
    pool = folded(session_added())
    first = grant(pool, AVATAR, now=MIDNIGHT - timedelta(seconds=10))
    second = grant(pool, AVATAR, "r2", now=MIDNIGHT)

    decide_end(pool, usage(first), after(1, MIDNIGHT))

    days = pool.sessions[SessionId("one")].account.days
    assert days[first.quota_day][AVATAR].used == 1
    assert (days[second.quota_day][AVATAR].used, second.remaining[AVATAR]) == (0, 0)


def test_an_unknown_time_zone_counts_in_utc() -> None:
    pool = folded(session_added(quota_timezone="Mars/Olympus"))

    assert grant(pool, now=MIDNIGHT).quota_day == "2025-03-02"


def test_time_that_steps_back_wakes_nobody_early() -> None:
    cooled = SessionCooled(session_id=SessionId("one"), until=after(50), reason="rate_limited")
    pool = folded(session_added(), cooled)
    grant(pool, now=after(50))

    assert refusal(pool, IMAGE, "r2", now=after(49)).reason is Refusal.SATURATED


# ------------------------------------------------------------------- budget of refusals


def test_a_grant_that_waited_to_be_sent_has_less_time_and_the_latest_credential() -> None:
    granted = grant(folded(policy_changed(), session_added()))
    late = grant_as_sent(granted, 5.0, 7)

    assert late.send_within_s == granted.send_within_s - 5
    assert late.expires_in_s == granted.expires_in_s - 5
    assert late.credential_revision == 7
    assert grant_as_sent(granted, 1e6, 7).send_within_s == 0

"""Whom a verdict blames: the session, the server, or nobody."""

import math

import pytest

from contracts.base import RequestId, ServerId, SessionId
from contracts.pool import (
    ChangeSession,
    Granted,
    PoolEvent,
    QuotaObserved,
    Refusal,
    SessionChanged,
    SessionCooled,
    SessionRecovered,
    SessionStatus,
    SessionSuspected,
    UsageRecorded,
    Verdict,
)
from services.pool.domain import (
    Pool,
    decide_admin,
    decide_cancel,
    decide_end,
    decide_lease,
    sweep_overdue,
)
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    ONE,
    TODAY,
    VIDEO,
    after,
    cancel,
    folded,
    grant,
    lease_wanted,
    policy_changed,
    session_added,
    usage,
)


def pool_of(*names: str) -> Pool:
    return folded(*(session_added(name) for name in names))


def ended(
    pool: Pool,
    lease: Granted,
    verdict: Verdict,
    now: float = 0,
    server: str = "server-1",
    **fields: float | None,
) -> list[PoolEvent]:
    """The consequences of a usage."""
    decision = decide_end(pool, usage(lease, verdict, server=server, **fields), after(now))
    assert isinstance(decision.events[0], UsageRecorded)
    return decision.events[1:]


@pytest.mark.parametrize(
    "verdict",
    [Verdict.SUCCESS, Verdict.REJECTED, Verdict.OUTCOME_UNKNOWN, Verdict.CLIENT_GONE],
)
def test_what_is_not_the_sessions_fault_costs_it_nothing(verdict: Verdict) -> None:
    pool = pool_of("one")

    assert ended(pool, grant(pool), verdict) == []


# --------------------------------------------------------------------------- cool-downs


@pytest.mark.parametrize(
    ("retry_after_s", "seconds"),
    [(None, 60), (7.5, 7.5), (10**12, 86_400), (math.nan, 86_400), (-5, 0)],
)
def test_a_rate_limit_cools_until_retry_after(retry_after_s: float | None, seconds: float) -> None:
    pool = pool_of("one")

    (cooled,) = ended(pool, grant(pool), Verdict.RATE_LIMITED, retry_after_s=retry_after_s)

    assert isinstance(cooled, SessionCooled)
    assert cooled.until == after(seconds)


def test_a_cool_down_only_moves_forward() -> None:
    pool = pool_of("one")
    first, second = grant(pool), grant(pool, IMAGE, "r2")
    ended(pool, first, Verdict.RATE_LIMITED, retry_after_s=100)

    assert ended(pool, second, Verdict.RATE_LIMITED, 10, retry_after_s=20) == []

    late = decide_lease(pool, lease_wanted(IMAGE, "r3"), after(99)).answer
    assert late.reason is Refusal.SATURATED
    assert grant(pool, IMAGE, "r4", now=after(100))


def test_an_earlier_cool_down_in_the_log_does_not_shorten_a_later_one() -> None:
    later = SessionCooled(session_id=ONE, until=after(100), reason="a")
    earlier = SessionCooled(session_id=ONE, until=after(20), reason="b")

    pool = folded(session_added(), later, earlier)

    assert pool.sessions[ONE].cooling_until == after(100)


def test_risk_control_cools_longer_each_time_until_a_success() -> None:
    pool = folded(policy_changed(lease_ttl_s=10**6), session_added())
    lengths = []
    now = 0.0
    for number in range(4):
        if number == 3:
            ended(pool, grant(pool, IMAGE, "good", now=after(now)), Verdict.SUCCESS, now)
        lease = grant(pool, IMAGE, f"r{number}", now=after(now))
        (cooled,) = ended(pool, lease, Verdict.RISK_CONTROL, now)
        assert isinstance(cooled, SessionCooled)
        lengths.append((cooled.until - after(now)).total_seconds())
        now += lengths[-1]

    assert lengths == [300, 600, 1200, 300]


# --------------------------------------------------------------------- exhausted upstream


def test_an_exhausted_quota_closes_the_type_for_the_day_of_the_lease() -> None:
    pool = pool_of("one")
    lease = grant(pool, VIDEO)

    events = ended(pool, lease, Verdict.QUOTA_EXHAUSTED)

    assert events == [
        QuotaObserved(
            session_id=ONE,
            service_type=VIDEO,
            quota_day=TODAY,
            request_id=RequestId("r1"),
        )
    ]
    refused = decide_lease(pool, lease_wanted(VIDEO, "r2"), NOON).answer
    assert refused.reason is Refusal.QUOTA_EXHAUSTED
    assert grant(pool, IMAGE, "r3").remaining == {IMAGE: 9, VIDEO: 0, AVATAR: 1}
    assert grant(pool, VIDEO, "r4", now=after(86_400)).remaining[VIDEO] == 1


def test_an_exhausted_quota_is_observed_once() -> None:
    pool = pool_of("one")
    first, second = grant(pool), grant(pool, IMAGE, "r2")
    ended(pool, first, Verdict.QUOTA_EXHAUSTED)

    assert ended(pool, second, Verdict.QUOTA_EXHAUSTED) == []


# ------------------------------------------------------------------------------ suspects


def suspect(pool: Pool, request: str = "r1", server: str = "server-1", now: float = 0) -> SessionId:
    lease = grant(pool, IMAGE, request, now=after(now))
    (event,) = ended(pool, lease, Verdict.LOGIN_EXPIRED, now, server)
    assert isinstance(event, SessionSuspected)
    return lease.session_id


def test_a_suspect_is_not_granted() -> None:
    pool = pool_of("one")
    suspect(pool)

    answer = decide_lease(pool, lease_wanted(IMAGE, "r2"), after(59)).answer

    assert (answer.reason, answer.retry_after_s) == (Refusal.CREDENTIALS_EXHAUSTED, 1.0)


def test_a_second_suspect_through_the_same_server_blames_the_server() -> None:
    pool = pool_of("one", "two")
    first = suspect(pool)
    lease = grant(pool, IMAGE, "r2", now=after(60))

    # The first one's minute is over, so the trial goes first: take the other one.
    assert lease.trial
    other = grant(pool, IMAGE, "r3", now=after(60))
    events = ended(pool, other, Verdict.LOGIN_EXPIRED, 60)

    server_id = ServerId("server-1")
    assert isinstance(events[0], SessionSuspected)
    assert events[1:] == [
        SessionRecovered(session_id=first, reason="server_blamed", server_id=server_id),
        SessionRecovered(session_id=other.session_id, reason="server_blamed", server_id=server_id),
    ]
    assert pool.sessions[first].lasting_status() is SessionStatus.ACTIVE


def test_once_blamed_a_server_is_not_believed_about_a_third_session() -> None:
    pool = pool_of("one", "two", "three")
    leases = [grant(pool, IMAGE, f"r{number}") for number in range(3)]
    for lease in leases:
        ended(pool, lease, Verdict.LOGIN_EXPIRED)

    assert {session.lasting_status() for session in pool.sessions.values()} == {
        SessionStatus.ACTIVE
    }


@pytest.mark.parametrize("gap", [61, 100])
def test_suspects_more_than_a_minute_apart_are_both_suspect(gap: float) -> None:
    pool = pool_of("one", "two")
    second = grant(pool, IMAGE, "r2")
    first = grant(pool, IMAGE, "r1")
    ended(pool, first, Verdict.LOGIN_EXPIRED)

    events = ended(pool, second, Verdict.LOGIN_EXPIRED, gap)

    assert events == [
        SessionSuspected(
            session_id=second.session_id,
            server_id=ServerId("server-1"),
            request_id=RequestId("r2"),
        )
    ]


def test_suspects_through_different_servers_are_both_suspect() -> None:
    pool = pool_of("one", "two")
    suspect(pool, "r1", "server-1")
    suspect(pool, "r2", "server-2")

    assert pool.standing[SessionStatus.SUSPECT] == 2


def test_a_success_through_the_server_between_clears_it() -> None:
    pool = pool_of("one", "two", "three")
    suspect(pool)
    ended(pool, grant(pool, IMAGE, "good"), Verdict.SUCCESS)
    suspect(pool, "r2")

    assert pool.standing[SessionStatus.SUSPECT] == 2


def test_an_invalid_login_without_a_server_blames_none() -> None:
    pool = pool_of("one", "two")
    suspect(pool, "r1", "")
    suspect(pool, "r2", "")

    assert pool.standing[SessionStatus.SUSPECT] == 2


def test_after_a_minute_a_suspect_gets_one_trial_before_all_others() -> None:
    pool = pool_of("one", "two")
    session_id = suspect(pool)

    trial = grant(pool, IMAGE, "r2", now=after(60))
    other = grant(pool, IMAGE, "r3", now=after(60))

    assert (trial.session_id, trial.trial) == (session_id, True)
    assert (other.session_id == session_id, other.trial) == (False, False)


def test_a_request_already_disappointed_takes_a_trial_only_when_nothing_else_is_left() -> None:
    pool = pool_of("one", "two")
    session_id = suspect(pool)

    assert not grant(pool, AVATAR, "r2", number=2, now=after(60)).trial
    assert grant(pool, AVATAR, "r3", number=2, now=after(60)).session_id == session_id


def test_a_trial_names_the_accuser_so_that_it_goes_to_another_server() -> None:
    pool = pool_of("one", "two")
    suspect(pool, "r1", "server-7")

    trial = grant(pool, IMAGE, "r2", now=after(60))
    again = grant(pool, IMAGE, "r2", now=after(61))
    other = grant(pool, IMAGE, "r3", now=after(60))

    assert trial.avoid_servers == again.avoid_servers == ["server-7"]
    assert other.avoid_servers == []


def test_a_trial_that_proved_nothing_leaves_the_accuser_known() -> None:
    pool = pool_of("one")
    suspect(pool, "r1", "server-7")
    ended(pool, grant(pool, IMAGE, "r2", now=after(60)), Verdict.REJECTED, 61, "server-8")

    assert grant(pool, IMAGE, "r3", now=after(61)).avoid_servers == ["server-7"]


def test_an_accuser_nobody_named_is_not_avoided_and_an_old_one_is_forgotten() -> None:
    pool = pool_of("one")
    suspect(pool, "r1", "server-7")
    ended(pool, grant(pool, IMAGE, "r2", now=after(60)), Verdict.SUCCESS, 61, "server-8")

    assert pool.sessions[ONE].accuser == ""

    ended(pool, grant(pool, IMAGE, "r3", now=after(62)), Verdict.LOGIN_EXPIRED, 62, "")

    trial = grant(pool, IMAGE, "r4", now=after(122))

    assert (trial.trial, trial.avoid_servers) == (True, [])


def test_success_in_its_trial_clears_a_suspect() -> None:
    pool = pool_of("one")
    session_id = suspect(pool)

    events = ended(pool, grant(pool, IMAGE, "r2", now=after(60)), Verdict.SUCCESS, 61)

    assert events == [SessionRecovered(session_id=session_id, reason="trial_succeeded")]
    assert not grant(pool, IMAGE, "r3", now=after(61)).trial


def test_a_second_invalid_login_in_its_trial_disables_a_suspect() -> None:
    pool = pool_of("one")
    suspect(pool)

    (event,) = ended(pool, grant(pool, IMAGE, "r2", now=after(60)), Verdict.LOGIN_EXPIRED, 61)

    assert isinstance(event, SessionChanged)
    assert event.status is SessionStatus.DISABLED
    answer = decide_lease(pool, lease_wanted(IMAGE, "r3"), after(200)).answer
    assert answer.reason is Refusal.CREDENTIALS_EXHAUSTED


def test_a_trial_that_proves_nothing_is_followed_by_another() -> None:
    pool = pool_of("one")
    suspect(pool)
    ended(pool, grant(pool, IMAGE, "r2", now=after(60)), Verdict.REJECTED, 61)

    assert grant(pool, IMAGE, "r3", now=after(61)).trial

    decide_cancel(pool, cancel("r3"), after(62))

    assert grant(pool, IMAGE, "r4", now=after(62)).trial
    sweep_overdue(pool, after(2000))

    assert grant(pool, IMAGE, "r5", now=after(2000)).trial


def test_a_suspect_that_cools_or_is_busy_waits_with_its_trial() -> None:
    pool = folded(policy_changed(session_concurrency=1), session_added())
    suspect(pool)
    trial = grant(pool, IMAGE, "r2", now=after(60))
    ended(pool, trial, Verdict.RATE_LIMITED, 61, retry_after_s=30)

    refused = decide_lease(pool, lease_wanted(IMAGE, "r3"), after(90)).answer

    assert (refused.reason, refused.retry_after_s) == (Refusal.CREDENTIALS_EXHAUSTED, 1.0)
    assert grant(pool, IMAGE, "r4", now=after(91)).trial


def test_an_older_lease_of_a_suspect_neither_disables_nor_clears_it() -> None:
    pool = pool_of("one")
    first, second = grant(pool), grant(pool, IMAGE, "r2")
    ended(pool, first, Verdict.LOGIN_EXPIRED)

    assert ended(pool, second, Verdict.LOGIN_EXPIRED, 1) == []
    assert pool.sessions[ONE].lasting_status() is SessionStatus.SUSPECT


def test_a_disabled_session_is_not_suspected() -> None:
    pool = pool_of("one")
    lease = grant(pool)
    disable = ChangeSession(session_id=ONE, status=SessionStatus.DISABLED, by="me")
    decide_admin(pool, disable, NOON)

    assert ended(pool, lease, Verdict.LOGIN_EXPIRED) == []


# ------------------------------------------------------- one request, one session at most


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict.RATE_LIMITED,
        Verdict.RISK_CONTROL,
        Verdict.QUOTA_EXHAUSTED,
        Verdict.LOGIN_EXPIRED,
    ],
)
def test_one_request_penalises_at_most_one_session(verdict: Verdict) -> None:
    pool = pool_of("one", "two")
    first = grant(pool)
    ended(pool, first, Verdict.RATE_LIMITED)
    second = grant(pool, number=2)

    assert second.session_id != first.session_id

    assert ended(pool, second, verdict) == []


def test_one_request_may_penalise_the_same_session_twice() -> None:
    pool = pool_of("one")
    ended(pool, grant(pool, VIDEO), Verdict.QUOTA_EXHAUSTED)
    lease = grant(pool, IMAGE, number=2)

    (event,) = ended(pool, lease, Verdict.RATE_LIMITED)

    assert isinstance(event, SessionCooled)

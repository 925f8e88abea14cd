"""Whom a verdict blames: the session, the server, or nobody."""

import math

import pytest

from contracts.base import RequestId, ServerId, SessionId
from contracts.pool import (
    ChangeSession,
    CredentialsRefused,
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
from services.pool.domain.decide.blame import RECOVERED_MAX
from services.pool.domain.evidence import SERVERS_KEPT
from services.pool.domain.evolve.fold import evolve
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
    lease_granted,
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
    """Have the next session's login called expired; more may follow from it."""
    lease = grant(pool, IMAGE, request, now=after(now))
    event, *_ = ended(pool, lease, Verdict.LOGIN_EXPIRED, now, server)
    assert isinstance(event, SessionSuspected)
    return lease.session_id


def serve(pool: Pool, request: str, server: str, now: float = 0) -> list[PoolEvent]:
    """Have the next session served; what follows from that."""
    return ended(pool, grant(pool, IMAGE, request, now=after(now)), Verdict.SUCCESS, now, server)


def blame(*names: str, server: str = "server-1") -> list[PoolEvent]:
    """That these are recovered, for a server is to blame."""
    return [
        SessionRecovered(
            session_id=SessionId(name), reason="server_blamed", server_id=ServerId(server)
        )
        for name in names
    ]


def test_a_suspect_is_not_granted() -> None:
    pool = pool_of("one")
    suspect(pool)

    answer = decide_lease(pool, lease_wanted(IMAGE, "r2"), after(59)).answer

    assert (answer.reason, answer.retry_after_s) == (Refusal.CREDENTIALS_EXHAUSTED, 1.0)


def test_a_second_suspect_through_the_same_server_blames_it_when_another_serves() -> None:
    pool = pool_of("one", "two", "three")
    first = suspect(pool)
    serve(pool, "r2", "server-2")
    lease = grant(pool, IMAGE, "r3")

    suspected, *others = ended(pool, lease, Verdict.LOGIN_EXPIRED, 60)

    assert isinstance(suspected, SessionSuspected)
    assert others == blame(first, lease.session_id)
    assert pool.standing[SessionStatus.ACTIVE] == 3


def test_a_server_is_blamed_when_another_serves_afterwards_within_ten_minutes() -> None:
    pool = pool_of("one", "two", "three")
    names = [suspect(pool, f"r{number}", now=number) for number in (1, 2)]

    lease = grant(pool, IMAGE, "r3", number=2, now=after(600))

    assert ended(pool, lease, Verdict.SUCCESS, 600, "server-2") == blame(*names)
    assert serve(pool, "r4", "server-2", 600) == []


@pytest.mark.parametrize(("server", "now"), [("server-1", 3), ("server-2", 602)])
def test_no_server_is_blamed_when_it_serves_itself_or_another_does_too_late(
    server: str, now: float
) -> None:
    pool = pool_of("one", "two", "three")
    for number in (1, 2):
        suspect(pool, f"r{number}", now=number)
    lease = grant(pool, IMAGE, "r3", number=2, now=after(now))

    assert ended(pool, lease, Verdict.SUCCESS, now, server) == []
    assert pool.evidence.charges == {}


def test_success_elsewhere_before_the_first_accusation_proves_nothing() -> None:
    pool = pool_of("one", "two", "three")
    serve(pool, "r1", "server-2")

    for number in (2, 3):
        suspect(pool, f"r{number}", now=number)

    assert pool.standing[SessionStatus.SUSPECT] == 2


def test_once_blamed_a_server_is_not_believed_about_a_third_session() -> None:
    pool = pool_of("one", "two", "three", "four")
    leases = [grant(pool, IMAGE, f"r{number}") for number in range(3)]
    ended(pool, leases[0], Verdict.LOGIN_EXPIRED)
    serve(pool, "r9", "server-2")
    ended(pool, leases[1], Verdict.LOGIN_EXPIRED)

    assert ended(pool, leases[2], Verdict.LOGIN_EXPIRED)[1:] == blame(leases[2].session_id)
    assert pool.standing[SessionStatus.ACTIVE] == 4


@pytest.mark.parametrize("gap", [61, 100])
def test_suspects_more_than_a_minute_apart_are_both_suspect(gap: float) -> None:
    pool = pool_of("one", "two", "three")
    second = grant(pool, IMAGE, "r2")
    first = grant(pool, IMAGE, "r1")
    ended(pool, first, Verdict.LOGIN_EXPIRED)
    serve(pool, "r3", "server-2")

    events = ended(pool, second, Verdict.LOGIN_EXPIRED, gap)

    assert events == [
        SessionSuspected(
            session_id=second.session_id,
            server_id=ServerId("server-1"),
            request_id=RequestId("r2"),
        )
    ]


def test_suspects_through_different_servers_are_both_suspect() -> None:
    pool = pool_of("one", "two", "three")
    suspect(pool, "r1", "server-1")
    suspect(pool, "r2", "server-2")
    serve(pool, "r3", "server-3")

    assert pool.standing[SessionStatus.SUSPECT] == 2


def test_one_session_accused_again_and_again_blames_no_server() -> None:
    pool = pool_of("one", "two")
    for now in (0, 60, 120):
        suspect(pool, f"r{now}", now=now)

    assert serve(pool, "good", "server-2", 121) == []


def test_a_session_that_two_servers_accuse_speaks_against_neither() -> None:
    pool = pool_of("one", "two", "three")
    first = suspect(pool, "r1", "server-1")
    suspect(pool, "r2", "server-2", 60)
    second = suspect(pool, "r3", "server-2", 61)

    assert {name: list(suspects) for name, suspects in pool.evidence.suspects.items()} == {
        "server-2": [second]
    }
    assert serve(pool, "r4", "server-3", 62) == []
    assert pool.sessions[first].lasting_status() is SessionStatus.SUSPECT


def test_a_success_through_the_server_between_clears_it() -> None:
    pool = pool_of("one", "two", "three", "four")
    suspect(pool)
    serve(pool, "good", "server-1")
    suspect(pool, "r2")
    serve(pool, "better", "server-2")

    assert pool.standing[SessionStatus.SUSPECT] == 2


def test_an_invalid_login_without_a_server_blames_none() -> None:
    pool = pool_of("one", "two", "three")
    suspect(pool, "r1", "")
    suspect(pool, "r2", "")
    serve(pool, "r3", "server-1")

    assert pool.standing[SessionStatus.SUSPECT] == 2
    assert pool.evidence.charges == {}


def test_a_session_that_left_meanwhile_is_not_recovered() -> None:
    pool = pool_of("one", "two", "three")
    names = [suspect(pool, f"r{number}", now=number) for number in (1, 2)]
    retire = ChangeSession(session_id=names[0], status=SessionStatus.RETIRED, by="me")
    decide_admin(pool, retire, after(3))

    assert serve(pool, "r3", "server-2", 4) == blame(names[1])


def test_of_very_many_suspects_so_many_are_recovered_at_once() -> None:
    names = [f"s{number:04}" for number in range(RECOVERED_MAX + 3)]
    pool = pool_of(*names)
    for name in names[:-1]:
        suspect(pool, f"r{name}")

    first = serve(pool, "r1", "server-2")
    second = serve(pool, "r2", "server-2")

    assert (len(first), len(second)) == (RECOVERED_MAX, 2)
    assert pool.standing[SessionStatus.SUSPECT] == 0


# -------------------------------------------------------------------------------- trials


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


def test_a_trial_avoids_the_last_two_that_accused_its_session() -> None:
    pool = pool_of("one", "two")
    for number, server in enumerate(("server-1", "server-2", "server-3", "server-2")):
        suspect(pool, f"r{number}", server, 60 * number)

    trial = grant(pool, IMAGE, "r9", now=after(240))

    assert trial.avoid_servers == ["server-3", "server-2"]


def test_a_trial_that_proved_nothing_leaves_the_accuser_known() -> None:
    pool = pool_of("one", "two")
    suspect(pool, "r1", "server-7")
    ended(pool, grant(pool, IMAGE, "r2", now=after(60)), Verdict.REJECTED, 61, "server-8")

    assert grant(pool, IMAGE, "r3", now=after(61)).avoid_servers == ["server-7"]


def test_an_accuser_nobody_named_is_not_avoided_and_an_old_one_is_forgotten() -> None:
    pool = pool_of("one")
    suspect(pool, "r1", "server-7")
    serve(pool, "r2", "server-8", 60)

    assert pool.sessions[ONE].accuser == ""

    ended(pool, grant(pool, IMAGE, "r3", now=after(62)), Verdict.LOGIN_EXPIRED, 62, "")

    trial = grant(pool, IMAGE, "r4", now=after(122))

    assert (trial.trial, trial.avoid_servers) == (True, [])


def test_success_in_its_trial_clears_a_suspect() -> None:
    pool = pool_of("one")
    session_id = suspect(pool)

    events = serve(pool, "r2", "server-1", 60)

    assert events == [SessionRecovered(session_id=session_id, reason="trial_succeeded")]
    assert not grant(pool, IMAGE, "r3", now=after(61)).trial


def test_success_in_a_trial_elsewhere_blames_the_server_that_accused_others_as_well() -> None:
    pool = pool_of("one", "two")
    first, second = suspect(pool, "r1"), suspect(pool, "r2")

    events = serve(pool, "r3", "server-2", 60)

    assert events == [
        SessionRecovered(session_id=first, reason="trial_succeeded"),
        *blame(second),
    ]


@pytest.mark.parametrize("server", ["server-1", "server-2"])
def test_a_second_invalid_login_disables_a_suspect_when_the_server_served_others(
    server: str,
) -> None:
    pool = pool_of("one", "two")
    session_id = suspect(pool)
    serve(pool, "r2", server, 1)
    trial = grant(pool, IMAGE, "r3", now=after(60))

    events = ended(pool, trial, Verdict.LOGIN_EXPIRED, 61, server)

    assert events == [
        SessionChanged(
            session_id=session_id,
            status=SessionStatus.DISABLED,
            reason="login_expired",
            by="pool",
        )
    ]


@pytest.mark.parametrize("server", ["server-1", "server-2", ""])
def test_where_only_another_server_served_a_second_invalid_login_proves_nothing(
    server: str,
) -> None:
    pool = pool_of("one", "two")
    session_id = suspect(pool)
    serve(pool, "r2", "server-3", 1)
    trial = grant(pool, IMAGE, "r3", now=after(60))

    (event,) = ended(pool, trial, Verdict.LOGIN_EXPIRED, 61, server)

    assert isinstance(event, SessionSuspected)
    assert pool.sessions[session_id].suspected_at == after(61)


def test_a_trial_that_proves_nothing_is_followed_by_another() -> None:
    pool = pool_of("one", "two")
    suspect(pool)
    ended(pool, grant(pool, IMAGE, "r2", now=after(60)), Verdict.REJECTED, 61)

    assert grant(pool, IMAGE, "r3", now=after(61)).trial

    decide_cancel(pool, cancel("r3"), after(62))

    assert grant(pool, IMAGE, "r4", now=after(62)).trial
    sweep_overdue(pool, after(2000))

    assert grant(pool, IMAGE, "r5", now=after(2000)).trial


def test_a_suspect_that_cools_or_is_busy_waits_with_its_trial() -> None:
    pool = folded(policy_changed(session_concurrency=1), session_added(), session_added("two"))
    session_id = suspect(pool)
    trial = grant(pool, IMAGE, "r2", now=after(60))
    ended(pool, trial, Verdict.RATE_LIMITED, 61, retry_after_s=30)

    assert not grant(pool, IMAGE, "r3", now=after(90)).trial
    assert grant(pool, IMAGE, "r4", now=after(91)).session_id == session_id


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


# ----------------------------------------------------------------- no login is believed


def test_when_no_login_is_believed_any_more_it_is_told_once() -> None:
    pool = pool_of("one", "two")
    suspect(pool)
    lease = grant(pool, IMAGE, "r2")

    _, *events = ended(pool, lease, Verdict.LOGIN_EXPIRED, 1)
    refused = decide_lease(pool, lease_wanted(IMAGE, "r3"), after(2))

    assert events == [
        CredentialsRefused(suspects=2, disabled=0, request_id=RequestId("r2")),
    ]
    assert refused.answer.reason is Refusal.CREDENTIALS_EXHAUSTED
    assert pool.evidence.refused_at == after(1)
    assert not [event for event in refused.events if isinstance(event, CredentialsRefused)]


def test_a_refusal_tells_it_where_an_operators_word_made_it_so() -> None:
    pool = pool_of("one", "two")
    suspect(pool)
    disable = ChangeSession(session_id=SessionId("two"), status=SessionStatus.DISABLED, by="me")
    decide_admin(pool, disable, NOON)

    decision = decide_lease(pool, lease_wanted(IMAGE, "r2"), after(2))

    assert decision.events[-1] == CredentialsRefused(
        suspects=1, disabled=1, request_id=RequestId("r2")
    )


def test_sessions_that_an_operator_disabled_are_not_refused_logins() -> None:
    pool = pool_of("one")
    disable = ChangeSession(session_id=ONE, status=SessionStatus.DISABLED, by="me")
    decide_admin(pool, disable, NOON)

    decision = decide_lease(pool, lease_wanted(IMAGE, "r2"), NOON)

    assert decision.answer.reason is Refusal.CREDENTIALS_EXHAUSTED
    assert not [event for event in decision.events if isinstance(event, CredentialsRefused)]


def test_a_pool_that_is_growing_or_near_a_reset_says_at_once_that_no_login_is_believed() -> None:
    pool = pool_of("one")
    suspect(pool)
    pool.note_supply(growing=True)
    night = 12 * 3600 - 1

    answers = [
        decide_lease(pool, lease_wanted(IMAGE, f"n{now}", asked_at=after(now)), after(now)).answer
        for now in (1, night)
    ]

    assert [answer.reason for answer in answers] == [Refusal.CREDENTIALS_EXHAUSTED] * 2


def test_while_no_login_is_believed_there_is_one_trial_a_minute() -> None:
    """Four suspects, each long enough for a trial of its own, and a call every five seconds."""
    pool = pool_of("one", "two", "three", "four")
    for number in range(4):
        suspect(pool, f"r{number}")
    trials = []
    waits = []
    for now in range(60, 300, 5):
        asked = lease_wanted(IMAGE, f"n{now}", asked_at=after(now))
        answer = decide_lease(pool, asked, after(now)).answer
        if isinstance(answer, Granted):
            trials.append(now)
            ended(pool, answer, Verdict.LOGIN_EXPIRED, now)
        else:
            waits.append(now + answer.retry_after_s)

    assert trials == [60, 120, 180, 240]
    assert set(waits) == {120, 180, 240, 300}
    assert pool.standing[SessionStatus.SUSPECT] == 4


def test_one_that_is_believed_again_ends_it_and_the_others_are_tried_as_ever() -> None:
    pool = pool_of("one", "two", "three")
    for number in range(3):
        suspect(pool, f"r{number}", f"server-{number}")
    serve(pool, "r4", "server-9", 60)

    assert pool.evidence.refused_at is None
    assert [grant(pool, IMAGE, f"n{number}", now=after(60)).trial for number in range(3)] == [
        True,
        True,
        False,
    ]


def test_a_session_that_is_added_ends_it() -> None:
    pool = pool_of("one")
    suspect(pool)
    before = pool.evidence.refused_at

    evolve(pool, session_added("two"), after(1), 2)

    assert (before, pool.evidence.refused_at) == (NOON, None)


def test_of_too_many_servers_those_that_served_are_forgotten() -> None:
    pool = pool_of("one", "two")
    suspect(pool)
    lease = lease_granted("two", request="many")
    evolve(pool, lease, NOON, 2)
    for number in range(SERVERS_KEPT + 1):
        evolve(pool, usage(lease, server=f"s{number}"), NOON, 2)
    pool.violations.clear()

    assert list(pool.evidence.served_at) == [f"s{SERVERS_KEPT}"]


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

"""Why there is no lease: in code and words that fit what stands in the way."""

import pytest
from msgspec.structs import replace

from contracts.base import AccountId, ServerId, SessionId
from contracts.events import AnyEvent
from contracts.pool import (
    CredentialsRefused,
    GrowthHeld,
    PoolStatus,
    Refusal,
    Refused,
    SessionJoined,
    SessionStatus,
)
from services.pool.domain import Pool, decide_growth, decide_lease, growth_of, pool_status
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    AVATAR,
    NOON,
    after,
    folded,
    lease_granted,
    lease_wanted,
    session_added,
    session_requested,
    usage,
)
from tests.unit.pool.growing import (
    login_expired,
    provisioned,
    sized,
    under_suspicion,
    use_avatars,
    with_status,
)


def avatar_refusal(pool: Pool, request: str = "r1", seconds: float = 0) -> Refused:
    """Ask for an avatar, in vain."""
    wanted = lease_wanted(AVATAR, request, asked_at=after(seconds))
    answer = decide_lease(pool, wanted, after(seconds)).answer
    assert isinstance(answer, Refused), answer
    return answer


def partly_used_up(*suspects: str, used_up: int = 1, policy: AnyEvent | None = None) -> Pool:
    """Some have used their one avatar; of the others a server called every login expired."""
    used = [f"used-{number}" for number in range(used_up)]
    pool = folded(policy or sized(1), *(provisioned(name) for name in (*used, *suspects)))
    use_avatars(pool, *used, at=after(-60))
    for name in suspects:
        evolve(pool, under_suspicion(name), NOON, 2)
    pool.commit()
    return pool


def serve_elsewhere(pool: Pool, seconds: float) -> None:
    """Some server serves a call, of another type, with a session that is used up."""
    lease = lease_granted("used-0", request=f"s{seconds}")
    for event in (session_requested(request=f"s{seconds}"), lease, usage(lease, server="other")):
        evolve(pool, event, after(seconds), 2)
    pool.commit()


def test_a_pool_without_sessions_says_so() -> None:
    pool = folded()
    pool.note_supply(empty=True)

    answer = avatar_refusal(pool)

    assert (answer.reason, answer.retry_after_s) == (Refusal.CREDENTIALS_EXHAUSTED, 0.0)
    assert answer.why == "the pool has no session: its operator has to add credentials"


@pytest.mark.parametrize(
    ("statuses", "why"),
    [
        ([with_status("one", SessionStatus.DISABLED, "maintenance")], "disabled, by its operator"),
        ([login_expired("one")], ""),
        (
            [with_status("one", SessionStatus.DISABLED), login_expired("two")],
            "by its operator or because its login expired",
        ),
    ],
)
def test_who_disabled_all_sessions_is_told(statuses: list[AnyEvent], why: str) -> None:
    names = [str(status.session_id) for status in statuses]
    pool = folded(sized(1), *map(session_added, names), *statuses)
    pool.note_supply(empty=True)

    answer = avatar_refusal(pool)

    assert answer.reason is Refusal.CREDENTIALS_EXHAUSTED
    assert bool(answer.why) == bool(why)
    assert answer.why.endswith(why)


def test_units_that_only_suspects_have_are_not_used_up() -> None:
    pool = partly_used_up("two", "three")
    pool.note_supply(empty=True)

    answer = avatar_refusal(pool)

    assert (answer.reason, answer.retry_after_s) == (Refusal.CREDENTIALS_EXHAUSTED, 60.0)
    assert "credentials which a backend called invalid" in answer.why


def test_while_a_suspect_is_tried_what_else_it_has_is_not_used_up() -> None:
    pool = folded(sized(1), provisioned("used-0"), session_added("two", limits={AVATAR: 2}))
    use_avatars(pool, "used-0", at=after(-60))
    pool.note_supply(empty=True)
    for event in (
        under_suspicion("two"),
        session_requested(AVATAR, "trial"),
        lease_granted("two", AVATAR, "trial", trial=True),
    ):
        evolve(pool, event, NOON, 2)
    pool.commit()

    assert avatar_refusal(pool, seconds=61).reason is Refusal.CREDENTIALS_EXHAUSTED


def test_where_logins_are_believed_since_their_trials_are_waited_for() -> None:
    pool = partly_used_up("two", "three")
    pool.note_supply(empty=True)
    serve_elsewhere(pool, 5)

    answer = avatar_refusal(pool, seconds=10)

    assert (answer.reason, answer.retry_after_s) == (Refusal.SATURATED, 50.0)
    assert "credentials which a backend called invalid" in answer.why


def test_refused_logins_are_told_once_though_others_are_used_up() -> None:
    pool = partly_used_up("two", "three")
    pool.note_supply(empty=True)

    events = [
        event
        for number in range(3)
        for event in decide_lease(pool, lease_wanted(AVATAR, f"r{number}"), NOON).events
    ]

    told = [event for event in events if isinstance(event, CredentialsRefused)]
    assert [(event.suspects, event.disabled) for event in told] == [(2, 0)]
    assert pool.evidence.refused_at == NOON

    serve_elsewhere(pool, 5)

    assert pool.evidence.refused_at is None


def test_an_outage_buys_nothing_where_some_sessions_are_used_up() -> None:
    suspects = [f"s{number}" for number in range(6)]
    pool = partly_used_up(*suspects, used_up=4, policy=sized(10, 20))

    answer = avatar_refusal(pool)
    grown = growth_of(pool, after(1))

    assert answer.reason is Refusal.CREDENTIALS_EXHAUSTED
    assert grown.wanted == 0


def test_growth_is_held_while_it_is_told_that_logins_are_refused() -> None:
    pool = partly_used_up("two", used_up=1, policy=sized(3, 20, share=0.0))
    pool.note_supply(empty=True)
    avatar_refusal(pool)
    pool.note_supply(empty=False)

    events = decide_growth(pool, False, after(1)).events

    assert events == [GrowthHeld(reason="logins_refused", wanted=1)]
    assert avatar_refusal(pool, "r2").held == "no session is added while every login is refused"


def test_one_suspect_among_many_that_are_used_up_lets_the_pool_grow() -> None:
    pool = partly_used_up("two", used_up=9, policy=sized(10, 20))

    answer = avatar_refusal(pool)

    assert answer.reason is Refusal.SATURATED
    assert growth_of(pool, after(1)).wanted == 2


def test_an_accusation_without_a_server_is_one_all_the_same() -> None:
    pool = partly_used_up()
    evolve(pool, session_added("one"), NOON, 2)
    evolve(pool, replace(under_suspicion("one"), server_id=ServerId("")), NOON, 2)
    pool.commit()
    pool.note_supply(empty=True)

    assert avatar_refusal(pool).reason is Refusal.CREDENTIALS_EXHAUSTED


def test_a_call_that_has_tried_whatever_is_free_is_told_so() -> None:
    pool = folded(session_added("one"), session_added("two"))
    wanted = lease_wanted(AVATAR, number=3, avoid_sessions=["one", "two"])

    answer = decide_lease(pool, wanted, NOON).answer

    assert (answer.reason, answer.retry_after_s) == (Refusal.SATURATED, 1.0)
    assert answer.why == (
        "no session with a unit of avatar left is free but the 2 sessions that this call has tried"
        " already"
    )


def test_a_pool_whose_first_sessions_are_to_come_is_not_busy() -> None:
    pool = folded()
    pool.note_supply(growing=True)

    answer = avatar_refusal(pool)

    assert (answer.reason, answer.why) == (Refusal.SATURATED, "the pool has no session yet")


def test_what_drains_and_what_is_suspect_has_units_that_are_withheld() -> None:
    pool = folded(*map(session_added, ("one", "two", "three")), under_suspicion("two"))
    evolve(pool, with_status("three", SessionStatus.DRAINING), NOON, 2)
    pool.commit()

    status = pool_status(pool, PoolStatus(), NOON, 1, 1)

    assert (status.remaining[AVATAR], status.withheld[AVATAR]) == (1, 2)


def test_withheld_units_count_once_an_account_and_not_where_another_session_may_use_them() -> None:
    pool = folded()
    for name, account in (("a", "half"), ("b", "half"), ("c", "barred"), ("d", "barred")):
        evolve(pool, session_added(name), NOON, 2)
        joined = SessionJoined(session_id=SessionId(name), account=AccountId(account))
        evolve(pool, joined, NOON, 2)
    for event in (
        with_status("a", SessionStatus.DRAINING),
        with_status("c", SessionStatus.DRAINING),
        under_suspicion("d"),
    ):
        evolve(pool, event, NOON, 2)
    pool.commit()

    status = pool_status(pool, PoolStatus(), NOON, 1, 1)

    assert (status.remaining[AVATAR], status.withheld[AVATAR]) == (1, 1)

"""What keeps a pool that lacks sessions from asking for any, and what is told of it."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.base import SessionId
from contracts.pool import (
    GrowthHeld,
    GrowthResumed,
    PoolStatus,
    Refusal,
    Refused,
    SessionRetired,
    SessionRevived,
    SessionStatus,
)
from services.pool.domain import (
    Growth,
    Pool,
    decide_growth,
    decide_lease,
    growth_of,
    pool_status,
)
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.upkeep import HELD, Bought, Joined
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    ONE,
    after,
    folded,
    lease_wanted,
    session_added,
    session_requested,
)
from tests.unit.pool.growing import (
    LATER,
    MIDNIGHT,
    login_expired,
    provisioned,
    sized,
    under_suspicion,
    use_avatars,
    with_status,
)


def hold_reason(pool: Pool, now: datetime = NOON) -> str:
    """The reason for which growth is held; it wants some in any case."""
    growth = growth_of(pool, now)
    assert growth.wanted
    return growth.hold.reason if growth.hold else ""


# ---------------------------------------------------------------------------- held


def test_nothing_is_bought_while_every_login_is_refused() -> None:
    pool = folded(sized(2, share=1.0), provisioned("one"), provisioned("two"))
    evolve(pool, session_requested(IMAGE), LATER, 2)
    for name in ("one", "two"):
        evolve(pool, under_suspicion(name), LATER, 2)

    assert hold_reason(pool, LATER) == "logins_refused"

    for name in ("one", "two"):
        evolve(pool, login_expired(name), LATER, 2)
    assert (pool.places, hold_reason(pool, LATER)) == (0, "logins_refused")

    evolve(pool, with_status("two", SessionStatus.ACTIVE), LATER, 2)
    assert hold_reason(pool, LATER) == ""


def test_logins_that_an_operator_disabled_refuse_nothing() -> None:
    pool = folded(
        sized(1), provisioned("one"), with_status("one", SessionStatus.DISABLED, "my own")
    )

    assert hold_reason(pool, LATER) == ""


def test_nothing_is_bought_while_most_of_the_new_ones_are_bad() -> None:
    old = [provisioned(f"old{number}") for number in range(4)]
    pool = folded(sized(9), *old)
    for name in ("a", "b", "c"):
        evolve(pool, provisioned(name), LATER, 2)

    evolve(pool, login_expired("a"), LATER, 2)

    assert hold_reason(pool, LATER) == ""

    evolve(pool, under_suspicion("b"), LATER, 2)

    assert hold_reason(pool, LATER) == "new_ones_bad"

    assert hold_reason(pool, after(3599, LATER)) == "new_ones_bad"
    assert hold_reason(pool, after(3600, LATER)) == ""


def test_one_that_is_gone_says_nothing_of_the_new_ones() -> None:
    bad = (login_expired("a"), login_expired("b"))
    pool = folded(sized(9), *map(provisioned, "abc"), *bad)
    before = hold_reason(pool)

    evolve(pool, SessionRetired(session_id=SessionId("a"), reason="dead"), NOON, 2)

    assert (before, hold_reason(pool)) == ("new_ones_bad", "")


def test_one_that_came_back_is_new() -> None:
    pool = folded(
        sized(9), provisioned("one"), provisioned("two"), SessionRetired(session_id=ONE, reason="x")
    )
    revived = SessionRevived(session_id=ONE, origin="http", by="provisioner")
    for event in (revived, under_suspicion("one")):
        evolve(pool, event, LATER, 2)

    assert list(pool.upkeep.joined) == [Joined(ONE, LATER)]
    assert hold_reason(pool, LATER) == "new_ones_bad"


def test_so_many_are_made_on_a_day_as_there_may_be() -> None:
    pool = folded(sized(3, 3), *(provisioned(f"s{number}") for number in range(3)))
    for number in range(2):
        gone = SessionRetired(session_id=SessionId(f"s{number}"), reason="gone")
        evolve(pool, gone, NOON, 2)

    assert growth_of(pool, NOON) == Growth(
        2, GrowthHeld(reason="day_used_up", wanted=2, until=MIDNIGHT)
    )
    assert growth_of(pool, MIDNIGHT - timedelta(seconds=1)).hold is not None
    assert growth_of(pool, MIDNIGHT) == Growth(2)


def test_no_more_are_asked_for_than_may_be_made_on_the_day() -> None:
    pool = folded(sized(5, 5), *(provisioned(f"s{number}") for number in range(4)))
    for number in range(3):
        gone = SessionRetired(session_id=SessionId(f"s{number}"), reason="gone")
        evolve(pool, gone, NOON, 2)

    assert growth_of(pool, NOON) == Growth(1)


def test_what_nobody_made_is_not_bought() -> None:
    pool = folded(
        sized(1),
        session_added("api"),
        provisioned("line", "file"),
        provisioned("hook"),
        provisioned("random", "generated"),
    )

    assert pool.upkeep.bought == Bought("2025-03-01", 2)


def test_the_calendar_may_end() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    pool = folded(
        sized(1, 1), provisioned("one"), SessionRetired(session_id=ONE, reason="x"), at=last
    )

    assert growth_of(pool, last).hold == GrowthHeld(reason="day_used_up", wanted=1)


# -------------------------------------------------------------------------- journalled


def test_a_hold_is_journalled_once_and_its_end_too() -> None:
    pool = folded(sized(1), provisioned("one"), login_expired("one"))

    first = decide_growth(pool, False, LATER).events
    again = decide_growth(pool, False, LATER).events
    evolve(pool, with_status("one", SessionStatus.ACTIVE), LATER, 3)
    over = decide_growth(pool, False, LATER).events

    assert first == [GrowthHeld(reason="logins_refused", wanted=1)]
    assert again == []
    assert over == [GrowthResumed(reason="logins_refused")]
    assert decide_growth(pool, False, LATER).events == []
    assert pool.upkeep.held is None


def test_a_hold_for_another_reason_takes_its_place() -> None:
    pool = folded(sized(1, 1), provisioned("one"), login_expired("one"))

    assert decide_growth(pool, False, NOON).events == [
        GrowthHeld(reason="logins_refused", wanted=1)
    ]

    evolve(pool, SessionRetired(session_id=ONE, reason="dead"), NOON, 3)

    assert decide_growth(pool, False, NOON).events == [
        GrowthHeld(reason="day_used_up", wanted=1, until=MIDNIGHT)
    ]


def test_what_buys_nothing_is_never_held() -> None:
    pool = folded(sized(1), provisioned("one"), login_expired("one"))
    decide_growth(pool, False, LATER)

    assert decide_growth(pool, True, LATER).events == [GrowthResumed(reason="logins_refused")]
    assert decide_growth(pool, True, LATER).events == []


def test_what_held_growth_is_taken_back_with_its_batch() -> None:
    pool = folded(sized(1), provisioned("one"), login_expired("one"))
    before = list(pool.upkeep.joined), pool.upkeep.bought

    pool.begin()
    decide_growth(pool, False, LATER)
    evolve(pool, provisioned("two"), LATER, 2)
    pool.rollback()

    assert pool.upkeep.held is None
    assert (list(pool.upkeep.joined), pool.upkeep.bought) == before


# ------------------------------------------------------------------------ what is told


def refusal_told(pool: Pool, now: datetime = NOON, request: str = "rx") -> Refused:
    answer = decide_lease(pool, lease_wanted(AVATAR, request, asked_at=now), now).answer
    assert isinstance(answer, Refused)
    return answer


def test_callers_of_a_pool_that_may_grow_are_told_to_come_again() -> None:
    pool = folded(sized(1), session_added())
    use_avatars(pool, "one")

    assert (refusal_told(pool).reason, refusal_told(pool).retry_after_s) == (Refusal.SATURATED, 1)


@pytest.mark.parametrize("maximum", [1, 500])
def test_callers_of_a_pool_that_cannot_grow_are_told_of_the_reset(maximum: int) -> None:
    pool = folded(sized(1, maximum), session_added())
    use_avatars(pool, "one")
    pool.note_supply(empty=maximum > 1)

    assert refusal_told(pool).reason is Refusal.QUOTA_EXHAUSTED


def test_callers_are_told_why_a_pool_does_not_grow() -> None:
    pool = folded(sized(1, share=1.0), provisioned("one"), under_suspicion("one"))
    evolve(pool, session_requested(AVATAR), NOON, 2)

    assert refusal_told(pool).reason is Refusal.CREDENTIALS_EXHAUSTED

    pool.commit()
    decide_growth(pool, False, NOON)

    assert refusal_told(pool).reason is Refusal.CREDENTIALS_EXHAUSTED
    assert refusal_told(pool, request="ry").held == HELD["logins_refused"]
    assert pool_status(pool, PoolStatus(), NOON, 1, 1).growth_held == HELD["logins_refused"]


def test_a_reason_of_a_later_version_is_told_as_it_is() -> None:
    assert folded(GrowthHeld(reason="no_budget")).upkeep.held_message() == "no_budget"

"""How many sessions the pool wants."""

import pytest

from contracts.events import AnyEvent
from contracts.pool import PoolStatus, SessionRetired, SessionStatus
from services.pool.domain import (
    Growth,
    decide_lease,
    decide_policy,
    free_places,
    growth_of,
    pool_status,
)
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    ONE,
    VIDEO,
    after,
    folded,
    lease_wanted,
    policy_changed,
    session_added,
    session_requested,
)
from tests.unit.pool.growing import (
    LATER,
    provisioned,
    sized,
    under_suspicion,
    use_avatars,
    with_status,
)

# ------------------------------------------------------------------------------ places


@pytest.mark.parametrize(
    ("event", "places"),
    [
        (with_status("one", SessionStatus.DRAINING), 2),
        (under_suspicion("one"), 2),
        (with_status("one", SessionStatus.DISABLED), 1),
        (SessionRetired(session_id=ONE, reason="gone"), 1),
    ],
)
def test_a_place_is_held_by_every_session_neither_retired_nor_disabled(
    event: AnyEvent, places: int
) -> None:
    pool = folded(sized(2, 3), provisioned("one"), provisioned("two"), event)

    assert (pool.places, free_places(pool)) == (places, 3 - places)
    assert pool_status(pool, PoolStatus(), NOON, 1, 1).places == places


def test_as_many_are_wanted_as_are_lacking_to_the_smallest_size() -> None:
    pool = folded(sized(3), session_added())

    assert growth_of(pool, NOON) == Growth(2)

    evolve(pool, SessionRetired(session_id=ONE, reason="idle"), NOON, 2)
    assert growth_of(pool, NOON) == Growth(3)
    assert growth_of(folded(sized(0), session_added()), NOON) == Growth(0)


def test_never_are_more_wanted_than_there_are_places() -> None:
    assert growth_of(folded(sized(9, 2)), NOON) == Growth(2)
    assert growth_of(folded(sized(9, 2), provisioned("one")), NOON) == Growth(1)

    full = folded(sized(1, 2, 1.0), session_added("one"), session_added("two"))
    use_avatars(full, "one", "two")
    assert growth_of(full, NOON) == Growth(0)


def test_a_step_takes_no_more_places_than_are_left() -> None:
    names = [f"s{number}" for number in range(5)]
    pool = folded(sized(5, 6, share=0.6), *map(session_added, names))
    use_avatars(pool, *names)

    assert growth_of(pool, NOON) == Growth(1)


def test_one_that_was_disabled_by_hand_is_replaced() -> None:
    pool = folded(
        sized(2), provisioned("one"), provisioned("two"), with_status("one", SessionStatus.DISABLED)
    )

    assert growth_of(pool, LATER) == Growth(1)


# ------------------------------------------------------------------------ running short


def test_a_step_more_is_wanted_where_a_type_runs_short() -> None:
    names = [f"s{number}" for number in range(10)]
    pool = folded(sized(10), *(session_added(name) for name in names))

    use_avatars(pool, *names[:8])

    assert growth_of(pool, NOON) == Growth(0)

    use_avatars(pool, names[8])

    assert growth_of(pool, NOON) == Growth(2)


def test_only_what_was_asked_for_in_the_last_hour_runs_short() -> None:
    pool = folded(sized(1), session_added())
    use_avatars(pool, "one")

    assert growth_of(pool, after(3599)) == Growth(1)
    assert growth_of(pool, after(3600)) == Growth(0)

    evolve(pool, session_requested(AVATAR, "again"), after(3700), 3)
    assert growth_of(pool, after(3700)) == Growth(1)


def test_a_refusal_that_was_only_counted_was_asked_for_too() -> None:
    pool = folded(sized(0, share=0.2))
    for number in range(30):
        decide_lease(pool, lease_wanted(AVATAR, f"r{number}"), NOON)

    assert pool.upkeep.asked_at == {AVATAR: NOON}


def test_a_type_that_nobody_may_use_makes_no_pool_grow() -> None:
    pool = folded(sized(1, daily_limits={IMAGE: 1, VIDEO: 0}), session_added())
    evolve(pool, session_requested(VIDEO), NOON, 2)
    evolve(pool, session_requested(AVATAR, "unknown"), NOON, 2)

    assert growth_of(pool, NOON) == Growth(0)
    assert pool.upkeep.asked_at == {VIDEO: NOON}


def test_a_pool_of_none_grows_with_its_first_call() -> None:
    pool = folded(sized(0))

    assert growth_of(pool, NOON) == Growth(0)

    evolve(pool, session_requested(IMAGE), NOON, 2)
    assert growth_of(pool, NOON) == Growth(1)


def test_a_share_of_nothing_grows_beyond_no_smallest_size() -> None:
    pool = folded(sized(1, share=0.0), session_added())
    use_avatars(pool, "one")

    assert growth_of(pool, NOON) == Growth(0)


def test_an_old_policy_grows_as_it_did() -> None:
    pool = folded(policy_changed(), session_added())
    use_avatars(pool, "one")

    assert growth_of(pool, NOON) == Growth(0)


@pytest.mark.parametrize("share", [-1.7e308, 1.7e308])
def test_any_size_and_share_that_a_log_may_hold_is_reckoned_with(share: float) -> None:
    pool = folded(sized(10**4000, 10**4000, share), session_added())
    use_avatars(pool, "one")

    assert growth_of(pool, NOON).wanted == 10**4000 - 1


def test_when_a_type_was_asked_for_moves_once_a_minute_and_goes_with_it() -> None:
    pool = folded(sized(1), session_added())
    for seconds in (0, 59, 60, 61):
        evolve(pool, session_requested(IMAGE, f"r{seconds}"), after(seconds), 2)

    assert pool.upkeep.asked_at == {IMAGE: after(60)}

    pool.commit()
    decide_policy(pool, sized(1, daily_limits={VIDEO: 1}).policy, "b", "file", after(70))  # type: ignore[union-attr]
    assert pool.upkeep.asked_at == {}
    pool.rollback()
    assert pool.upkeep.asked_at == {IMAGE: after(60)}

"""How many calls of a key may be left before anything is sent."""

from contracts.base import KeyId
from services.gateway.domain.leavers import ABANDONED_AT_ONCE, Leavers

KEY, OTHER = KeyId("k"), KeyId("other")
ALL = int(ABANDONED_AT_ONCE)


def leavers_after(calls: int, now_s: float = 0.0) -> Leavers:
    leavers = Leavers()
    for _ in range(calls):
        leavers.count_abandoned(KEY, now_s)
    return leavers


def let_in(leavers: Leavers, calls: int, now_s: float) -> int:
    """Let calls come all at once; how many of them are let in."""
    came = 0
    for _ in range(calls):
        if not leavers.wait_s(KEY, now_s):
            leavers.count_unsent(KEY)
            came += 1
    return came


def waits(leavers: Leavers, key: KeyId, now_s: float) -> bool:
    """Whether a call that comes alone has to wait."""
    return leavers.wait_s(key, now_s) > 0


def test_a_hundred_may_be_left_at_once_and_no_other_key_waits_for_it() -> None:
    assert not waits(leavers_after(ALL - 1), KEY, 0)
    assert waits(leavers_after(ALL), KEY, 0)
    assert not waits(leavers_after(ALL), OTHER, 0)


def test_one_more_comes_each_second_and_with_each_lease_that_was_used() -> None:
    leavers = leavers_after(ALL)

    leavers.count_used(KEY, 0)
    assert not waits(leavers, KEY, 0)
    leavers.count_abandoned(KEY, 0)
    assert waits(leavers, KEY, 0.5)
    assert not waits(leavers, KEY, 1)


def test_a_key_that_has_left_half_of_them_is_let_in_a_few_at_a_time() -> None:
    assert let_in(leavers_after(ALL // 2), 1000, 0) == 1000
    assert let_in(leavers_after(ALL // 2 + 1), 1000, 0) == ALL // 2 - 1


def test_who_leaves_all_the_time_has_one_a_second_however_many_come() -> None:
    leavers, came = leavers_after(ALL), 0
    for second in range(1, 61):
        one_by_one = let_in(leavers, 256, second)
        for _ in range(one_by_one):
            leavers.count_abandoned(KEY, second)
            leavers.uncount_unsent(KEY)
        came += one_by_one

    assert came == 60


def test_clients_that_gave_up_in_an_outage_and_stay_afterwards_do_not_wait_long() -> None:
    leavers, sent = leavers_after(ALL * 50), 0
    for _ in range(1000):  # one after the other, within the second that the first one takes
        sent += let_in(leavers, 1, 1)
        leavers.uncount_unsent(KEY)

    assert sent == 1000


def test_the_wait_is_until_time_has_made_room() -> None:
    leavers = leavers_after(ALL)

    assert leavers.wait_s(KEY, 0) == 1
    assert leavers.wait_s(KEY, 0.75) == 0.25
    assert let_in(leavers, 1, 1) == 1
    assert leavers.wait_s(KEY, 1.5) == 0.5
    leavers.uncount_unsent(KEY)
    assert leavers.wait_s(KEY, 1.5) == 0


def test_a_key_that_has_all_of_them_again_is_forgotten() -> None:
    leavers = leavers_after(1)
    leavers.count_used(OTHER, 0)

    assert leavers.wait_s(KEY, 5) == 0
    assert leavers._budgets == {}

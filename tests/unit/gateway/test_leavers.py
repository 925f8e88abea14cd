"""How many calls of a key may be left before anything is sent."""

from contracts.base import KeyId
from services.gateway.domain.leavers import LEFT_AT_ONCE, Leavers

KEY, OTHER = KeyId("k"), KeyId("other")
ALL = int(LEFT_AT_ONCE)


def left(calls: int, now_s: float = 0.0) -> Leavers:
    leavers = Leavers()
    for _ in range(calls):
        leavers.left(KEY, now_s)
    return leavers


def test_a_hundred_may_be_left_at_once_and_no_other_key_waits_for_it() -> None:
    assert left(ALL - 1).wait_s(KEY, 0) == 0
    assert left(ALL).wait_s(KEY, 0) == 1
    assert left(ALL).wait_s(OTHER, 0) == 0


def test_one_more_comes_each_second_and_with_each_lease_that_was_used() -> None:
    leavers = left(ALL + 2)

    assert leavers.wait_s(KEY, 1) == 2
    leavers.used(KEY, 1)
    assert leavers.wait_s(KEY, 1) == 1
    assert leavers.wait_s(KEY, 2) == 0


def test_what_has_to_be_made_up_for_is_bounded() -> None:
    assert left(ALL * 50).wait_s(KEY, 0) == ALL + 1


def test_a_key_that_has_all_of_them_again_is_forgotten() -> None:
    leavers = left(1)
    leavers.used(OTHER, 0)

    assert leavers.wait_s(KEY, 5) == 0
    assert leavers._left == {}

"""A rotation of the master key: one at a time, begun once and ended once."""

import pytest

from contracts.base import Failed
from contracts.pool import (
    Done,
    KeyRotation,
    KeyRotationBegan,
    KeyRotationEnded,
    PoolEvent,
    RotateKey,
)
from services.pool.domain import Decision, Pool, RotationDone, RotationWanted, decide_rotation
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import NOON, after, folded

BEGAN = KeyRotationBegan(key_id="new", previous_id="old", by="me")
ENDED = KeyRotationEnded(key_id="new", sealed=3)


def begin(state: Pool, key_id: str = "new", *, is_lost: bool = False) -> Decision:
    wanted = RotationWanted(RotateKey(key_id=key_id, by="me"), "old", is_lost)
    return decide_rotation(state, wanted, after(1))


def rotation(*events: PoolEvent) -> KeyRotation | None:
    return folded(*events).rotation


def test_rotation_that_is_wanted_begins() -> None:
    decided = begin(folded())

    assert decided == Decision([BEGAN], Done(changed=["new"]))


def test_rotation_under_way_to_the_same_key_is_begun_already() -> None:
    assert begin(folded(BEGAN)) == Decision([], Done())


def test_rotation_under_way_to_another_key_goes_first() -> None:
    decided = begin(folded(BEGAN), "other")

    assert decided.events == []
    assert decided.answer == Failed(
        code="bad_request",
        message="key_id: a rotation to the key new is under way since 2025-03-01 12:00:00 UTC,"
        " begun by me",
    )


def test_rotation_whose_key_is_nowhere_gives_way() -> None:
    began = KeyRotationBegan(key_id="other", previous_id="old", by="me")

    assert begin(folded(BEGAN), "other", is_lost=True).events == [began]


def test_rotation_begins_behind_one_that_ended() -> None:
    assert begin(folded(BEGAN, ENDED)).events == [BEGAN]


def test_rotation_ends_once_and_only_the_one_under_way() -> None:
    done = RotationDone("new", 3, 0)

    assert decide_rotation(folded(BEGAN), done, after(1)) == Decision([ENDED], Done())
    for others in ([], [BEGAN, ENDED], [KeyRotationBegan(key_id="other")]):
        assert decide_rotation(folded(*others), done, after(1)) == Decision([], Done())


def test_last_rotation_is_kept_with_its_moments() -> None:
    under_way = KeyRotation(key_id="new", previous_id="old", began_at=NOON, by="me")

    assert rotation() is None
    assert rotation(BEGAN) == under_way
    assert rotation(BEGAN, ENDED) == KeyRotation(
        key_id="new", previous_id="old", began_at=NOON, by="me", ended_at=NOON
    )


def test_end_without_its_beginning_is_taken_at_its_word() -> None:
    alone = KeyRotation(key_id="new", began_at=NOON, ended_at=NOON)

    assert rotation(ENDED) == alone
    assert rotation(KeyRotationBegan(key_id="other"), ENDED) == alone


@pytest.mark.parametrize(("before", "event"), [([], BEGAN), ([BEGAN], ENDED), ([ENDED], BEGAN)])
def test_event_that_is_taken_back_leaves_the_rotation_as_it_was(
    before: list[PoolEvent], event: PoolEvent
) -> None:
    state = folded(*before)
    was = state.rotation

    state.begin()
    evolve(state, event, after(1), 9)
    moved = state.rotation
    state.rollback()

    assert moved != was
    assert state.rotation == was

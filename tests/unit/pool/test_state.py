"""Taking decisions back: in reverse, all of them, and never half a batch left behind."""

import pytest

from services.pool.domain import Pool, fold_envelope
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    NOON,
    WrittenLog,
    after,
    folded,
    granted,
    lease_granted,
    session_added,
    usage,
)


def test_what_was_registered_first_runs_last() -> None:
    pool = Pool()
    calls: list[int] = []

    pool.begin()
    for number in range(3):
        pool.on_rollback(calls.append, number)
    pool.rollback()

    assert calls == [2, 1, 0]


def test_what_has_stood_is_not_taken_back_with_the_next_batch() -> None:
    pool = Pool()
    calls: list[int] = []

    pool.begin()
    pool.on_rollback(calls.append, 1)
    pool.commit()
    pool.begin()
    pool.rollback()

    assert calls == []


def test_no_batch_begins_while_another_is_neither_in_the_log_nor_taken_back() -> None:
    pool = folded(session_added())
    granted(pool)

    with pytest.raises(AssertionError, match="neither in the log nor taken back"):
        pool.begin()


def test_no_envelope_is_folded_over_decisions_that_may_be_void() -> None:
    pool = folded(session_added())
    granted(pool)
    sequence, _, envelope = WrittenLog().envelopes[0]

    with pytest.raises(AssertionError, match="neither in the log nor taken back"):
        fold_envelope(pool, sequence, envelope)


def test_an_index_built_before_anything_was_decided_outlives_a_rollback() -> None:
    pool = folded(session_added(), session_added("two"))

    pool.begin()
    index = pool.index_at(NOON)
    first = lease_granted()
    for event in (first, usage(first), lease_granted("two", request="r2")):
        evolve(pool, event, NOON, 9)
    pool.rollback()

    assert pool.index_at(NOON) is index
    assert index.units_left(first.service_type) == 20


def test_an_index_built_from_what_was_taken_back_goes_with_it() -> None:
    pool = folded(session_added())

    pool.begin()
    evolve(pool, lease_granted(), NOON, 9)
    index = pool.index_at(NOON)
    pool.rollback()

    assert pool.index_at(after(1)) is not index

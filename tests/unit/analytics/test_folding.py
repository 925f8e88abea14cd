"""Envelopes as they are read, folded in order: what is missing, and what is no envelope."""

import msgspec
import pytest

from contracts import envelope
from contracts.base import WriterId
from contracts.envelope import Link
from runtime.eventlog import Stored
from services.analytics.domain.fold import RowFold
from services.analytics.folding import MissingError, fold_batch, is_full_batch, recover_numbers
from tests.moments import NOON
from tests.unit.analytics.builders import Story, rows_of, server_added, session, used


def passed_over(sequence: int, error: str) -> None:
    raise AssertionError(f"{sequence}: {error}")


def test_a_batch_goes_on_where_the_one_before_it_ended() -> None:
    story = Story().tell(session()).lease("r", used("r"))
    fold = RowFold()

    first = fold_batch(fold, story.stored[:2], passed_over)
    second = fold_batch(fold, story.stored[2:], passed_over)

    assert (first.sequence, first.envelopes) == (2, 2)
    assert (second.sequence, second.envelopes) == (3, 1)
    assert second.tables["leases"]


def test_what_does_not_follow_is_named_by_what_is_missing() -> None:
    story = Story().tell(session()).lease("r", used("r"))

    with pytest.raises(MissingError, match="log sequences 2 to 2 are missing"):
        fold_batch(RowFold(), [story.stored[0], story.stored[2]], passed_over)


@pytest.mark.parametrize("body", [b"no envelope", b"{}", b'{"writer":"\xff"}', b"\xff"])
def test_what_is_no_envelope_is_told_and_passed_over(body: bytes) -> None:
    story = Story().tell(session()).lease("r", used("r"))
    log = [story.stored[0], msgspec.structs.replace(story.stored[1], body=body), story.stored[2]]
    told: list[int] = []

    batch = fold_batch(RowFold(), log, lambda sequence, _: told.append(sequence))

    assert (batch.sequence, batch.envelopes, told) == (3, 3, [2])


@pytest.mark.parametrize(("envelopes", "size"), [(4_000, 1), (1, 8_000_000)])
def test_a_batch_is_bounded_in_envelopes_and_in_bytes(envelopes: int, size: int) -> None:
    assert is_full_batch(envelopes, size)
    assert not is_full_batch(envelopes - 1, size - 1)


def again(story: Story, number: int) -> Stored:
    """What stands at a sequence of the story, at its end once more."""
    earlier = story.stored[number - 1]
    return msgspec.structs.replace(earlier, sequence=len(story.stored) + 1)


def test_an_envelope_that_repeats_a_number_is_told_and_set_aside() -> None:
    story = Story().tell(session()).lease("r", used("r"))
    story.stored.append(again(story, 2))
    foreign = Story().tell(session("foreign")).lease("x", used("x"))
    story.stored.append(msgspec.structs.replace(foreign.stored[1], sequence=5))
    story.tell(session("late"))
    told: dict[int, str] = {}

    batch = fold_batch(RowFold(), story.stored, told.__setitem__)

    assert (batch.sequence, batch.envelopes, batch.set_aside) == (6, 6, 2)
    assert told == {
        4: "number 2 was there already: the last is 3",
        5: "number 2 was there already: the last is 3",
    }
    aside = [(row.sequence, row.position, row.reason) for row in rows_of(batch, "anomalies")]
    assert aside == [(number, -1, f"(stray envelope): {why}") for number, why in told.items()]
    assert [row.lease_id for row in rows_of(batch, "leases")] == ["r.1"]
    assert [row.session_id for row in rows_of(batch, "sessions")] == ["late", "s1"]
    assert batch.numbers == {"evt.pool.0": 4}
    assert batch.unknown == {}


def test_numbers_are_a_subjects_own_and_those_that_are_missing_stop_nothing() -> None:
    story = Story().tell(session()).tell(server_added(), subject="evt.balancer")
    story.tell(session("gone")).tell(session("there"))
    story.stored[2] = msgspec.structs.replace(story.stored[3], sequence=3)
    del story.stored[3]

    batch = fold_batch(RowFold(), story.stored, passed_over)

    assert batch.numbers == {"evt.pool.0": 3, "evt.balancer": 1}
    assert [row.session_id for row in rows_of(batch, "sessions")] == ["s1", "there"]


def test_a_number_that_no_row_holds_is_set_aside_and_makes_no_strays() -> None:
    story = Story().tell(session())
    far = envelope.seal_events(Link(number=2**63 - 1), WriterId("w"), 1, NOON, [session("far")])
    story.stored.append(Stored(2, NOON, "evt.pool.0", far))
    story.tell(session("late"))

    batch = fold_batch(RowFold(), story.stored, lambda *_: None)

    (aside,) = rows_of(batch, "anomalies")

    assert (aside.sequence, "number: a number of 19 digits" in aside.reason) == (2, True)
    assert [row.session_id for row in rows_of(batch, "sessions")] == ["late", "s1"]
    assert batch.numbers == {"evt.pool.0": 2}


def test_numbers_are_found_again_in_what_was_folded_before() -> None:
    story = Story().tell(session()).lease("r", used("r"))
    story.stored += [again(story, 1), msgspec.structs.replace(story.stored[0], body=b"none")]
    fold = RowFold()

    recover_numbers(fold, story.stored)

    assert fold.next_batch().numbers == {"evt.pool.0": 3}

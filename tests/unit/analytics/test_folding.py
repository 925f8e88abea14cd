"""Envelopes as they are read, folded in order: what is missing, and what is no envelope."""

import msgspec
import pytest

from services.analytics.domain.fold import Fold
from services.analytics.folding import MissingError, enough, folded
from tests.unit.analytics.builders import Story, session, used


def passed_over(sequence: int, error: str) -> None:
    raise AssertionError(f"{sequence}: {error}")


def test_a_batch_goes_on_where_the_one_before_it_ended() -> None:
    story = Story().tell(session()).lease("r", used("r"))
    fold = Fold()

    first = folded(fold, story.stored[:2], passed_over)
    second = folded(fold, story.stored[2:], passed_over)

    assert (first.sequence, first.envelopes) == (2, 2)
    assert (second.sequence, second.envelopes) == (3, 1)
    assert second.tables["leases"]


def test_what_does_not_follow_is_named_by_what_is_missing() -> None:
    story = Story().tell(session()).lease("r", used("r"))

    with pytest.raises(MissingError, match="log sequences 2 to 2 are missing"):
        folded(Fold(), [story.stored[0], story.stored[2]], passed_over)


@pytest.mark.parametrize("body", [b"no envelope", b"{}", b'{"writer":"\xff"}', b"\xff"])
def test_what_is_no_envelope_is_told_and_passed_over(body: bytes) -> None:
    story = Story().tell(session()).lease("r", used("r"))
    log = [story.stored[0], msgspec.structs.replace(story.stored[1], body=body), story.stored[2]]
    told: list[int] = []

    batch = folded(Fold(), log, lambda sequence, _: told.append(sequence))

    assert (batch.sequence, batch.envelopes, told) == (3, 3, [2])


@pytest.mark.parametrize(("envelopes", "size"), [(4_000, 1), (1, 8_000_000)])
def test_a_batch_is_bounded_in_envelopes_and_in_bytes(envelopes: int, size: int) -> None:
    assert enough(envelopes, size)
    assert not enough(envelopes - 1, size - 1)

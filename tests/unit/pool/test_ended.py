"""What is remembered of leases whose end is certain."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.base import LeaseId, RequestId, SessionId
from contracts.pool import Outcome
from services.pool.domain import Pool
from services.pool.domain.ended import KEPT, NEVER, EndedLeases, Mark, span_of
from tests.unit.pool.builders import NOON, after

DAY = timedelta(days=1)
ONE, TWO = SessionId("one"), SessionId("two")
MINTED = LeaseId("0195a3e1-1c00-7abc-8def-0123456789ab.1")
PLAIN = LeaseId("r1.1")


def ended_leases() -> EndedLeases:
    return EndedLeases(lambda *_: None)


def state_of(ended: EndedLeases) -> list[Any]:
    """All that is remembered, as plain values."""
    return [
        (name, span, dict(kept.marks), dict(kept.penalties), kept.digest, kept.last_at)
        for name, spans in (("minted", ended.minted), ("undated", ended.undated))
        for span, kept in spans.items()
    ] + [ended.due_at]


@pytest.mark.parametrize("lease_id", [MINTED, PLAIN])
def test_a_mark_is_found_again_and_is_of_this_id_alone(lease_id: LeaseId) -> None:
    ended = ended_leases()

    assert ended.mark_of(lease_id) is None

    ended.put_mark(lease_id, Mark.SETTLED, NOON)

    assert ended.mark_of(lease_id) is ended.end_of(lease_id) is Mark.SETTLED
    assert ended.mark_of(LeaseId(f"{lease_id}1")) is None
    assert len(ended) == 1


@pytest.mark.parametrize("lease_id", [MINTED, PLAIN])
def test_a_forbidden_id_is_no_end_until_it_has_one_all_the_same(lease_id: LeaseId) -> None:
    ended = ended_leases()

    ended.put_mark(lease_id, Mark.FORBIDDEN, NOON)

    assert (ended.mark_of(lease_id), ended.end_of(lease_id)) == (Mark.FORBIDDEN, None)

    ended.put_mark(lease_id, Mark.RELEASED, NOON + DAY)

    assert ended.mark_of(lease_id) is Mark.RELEASED


def test_each_mark_tells_how_the_lease_ended() -> None:
    assert {mark: mark.outcome for mark in Mark} == {
        Mark.SETTLED: Outcome.SETTLED,
        Mark.RELEASED: Outcome.RELEASED,
        Mark.CANCELLED: Outcome.CANCELLED,
        Mark.CANCELLED_REPORTED: Outcome.CANCELLED,
        Mark.FORBIDDEN: None,
    }


@pytest.mark.parametrize("request_id", ["0195a3e1-1c00-7abc-8def-0123456789ab", "r1"])
def test_which_session_a_request_cost_is_known_again(request_id: str) -> None:
    ended = ended_leases()

    assert ended.penalised_session(RequestId(request_id)) is None

    ended.put_penalty(RequestId("other"), TWO, NOON)
    ended.put_penalty(RequestId(request_id), ONE, NOON)

    assert ended.penalised_session(RequestId(request_id)) == ONE


@pytest.mark.parametrize(
    ("name", "span"),
    [
        ("0195a3e1-1c00-7abc-8def-0123456789ab", "0195a3"),
        ("0195a3e1-1c00-7abc-8def-0123456789ab.17", "0195a3"),
        ("0195a3e1-1c00-4abc-8def-0123456789ab", ""),
        ("", ""),
    ],
)
def test_the_span_of_an_id_is_that_in_which_a_uuidv7_was_minted(name: str, span: str) -> None:
    assert span_of(name) == span


def test_a_span_leaves_eight_days_after_the_last_end_in_it() -> None:
    ended = ended_leases()
    ended.put_mark(MINTED, Mark.SETTLED, NOON)
    ended.put_mark(LeaseId(f"{MINTED}1"), Mark.SETTLED, NOON + DAY)
    ended.put_mark(PLAIN, Mark.SETTLED, NOON)

    ended.drop_due(NOON + KEPT - timedelta(seconds=1))

    assert len(ended) == 3

    ended.drop_due(NOON + KEPT)

    assert (ended.mark_of(PLAIN), ended.mark_of(MINTED)) == (None, Mark.SETTLED)

    ended.drop_due(NOON + KEPT + DAY)

    assert (state_of(ended), len(ended)) == ([NEVER], 0)


def test_what_is_due_behind_the_end_of_the_calendar_never_leaves() -> None:
    end = datetime.max.replace(tzinfo=UTC)
    ended = ended_leases()

    ended.put_mark(PLAIN, Mark.SETTLED, end)
    ended.put_mark(MINTED, Mark.SETTLED, NOON)
    ended.drop_due(end)

    assert (ended.mark_of(PLAIN), ended.mark_of(MINTED)) == (Mark.SETTLED, None)


def test_a_span_that_is_due_sooner_is_looked_for_sooner() -> None:
    ended = ended_leases()

    ended.put_mark(MINTED, Mark.SETTLED, NOON + DAY)
    ended.put_mark(PLAIN, Mark.SETTLED, NOON)

    assert ended.due_at == NOON + KEPT


def test_the_digest_is_of_the_entries_and_not_of_their_order() -> None:
    entries = [
        (LeaseId(f"{MINTED}{number}"), mark)
        for number, mark in enumerate([Mark.SETTLED, Mark.RELEASED, Mark.CANCELLED])
    ]
    digests = []
    for order in (entries, entries[::-1]):
        ended = ended_leases()
        for lease_id, mark in order:
            ended.put_mark(lease_id, mark, NOON)
        digests.append([kept.digest for kept in ended.all_spans()])
    # The same by way of another end: that it was different once is forgotten.
    ended.put_mark(entries[0][0], Mark.RELEASED, NOON)
    other = [kept.digest for kept in ended.all_spans()]
    ended.put_mark(entries[0][0], Mark.SETTLED, NOON)
    digests.append([kept.digest for kept in ended.all_spans()])

    assert digests[0] == digests[1] == digests[2] != other


def test_the_digest_tells_whom_a_request_cost() -> None:
    digests = []
    for session_id in (ONE, TWO):
        ended = ended_leases()
        ended.put_penalty(RequestId("r1"), session_id, NOON)
        digests.append([kept.digest for kept in ended.all_spans()])

    assert digests[0] != digests[1]


def test_whatever_is_remembered_or_let_go_can_be_taken_back() -> None:
    pool = Pool()
    ended = pool.ended
    ended.put_mark(MINTED, Mark.SETTLED, NOON)
    ended.put_mark(PLAIN, Mark.FORBIDDEN, NOON)
    pool.commit()
    before = state_of(ended)

    pool.begin()
    ended.put_mark(PLAIN, Mark.CANCELLED, after(60))
    ended.put_mark(LeaseId("r2.1"), Mark.RELEASED, after(90_000))
    ended.put_penalty(RequestId("r2"), ONE, after(90_000))
    ended.drop_due(NOON + KEPT + timedelta(seconds=60))
    ended.put_mark(MINTED, Mark.CANCELLED, NOON + KEPT + DAY)
    ended.put_penalty(RequestId("r3"), ONE, NOON + KEPT + DAY)
    ended.drop_due(NOON + 3 * KEPT)

    assert state_of(ended) == [NEVER]

    pool.rollback()

    assert state_of(ended) == before

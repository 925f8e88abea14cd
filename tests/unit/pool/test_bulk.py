"""One change of all sessions that fit, a stretch at a time."""

import pytest

from contracts.base import Failed, SessionId
from contracts.pool import (
    ChangeSessions,
    PoolEvent,
    SessionChanged,
    SessionCooled,
    SessionFilter,
    SessionLabelled,
    SessionRetired,
    SessionsChanged,
    SessionStatus,
)
from services.pool.commits.batches import BULK, CommandBatch, cut_change
from services.pool.domain import BULK_MAX, BulkChange, Pool, decide_bulk
from tests.unit.pool.builders import NOON, after, folded, session_added

OFF = SessionStatus.DISABLED
EVENTS = (
    session_added("one", region="us"),
    session_added("two"),
    session_added("gone", region="us"),
    session_added("three", region="us"),
    SessionRetired(session_id=SessionId("gone"), reason="closed"),
    SessionChanged(session_id=SessionId("three"), status=OFF),
)


def bulk(**fields: object) -> ChangeSessions:
    return ChangeSessions(by="me", reason="why", **fields)  # type: ignore[arg-type]


def decided(pool: Pool, command: ChangeSessions, start: int = 0) -> tuple[list[PoolEvent], object]:
    decision = decide_bulk(pool, BulkChange(command, start), NOON)
    return decision.events, decision.answer


def test_those_that_fit_are_changed_and_retired_ones_left_alone() -> None:
    wanted = SessionFilter(text="us")

    events, answer = decided(folded(*EVENTS), bulk(wanted=wanted, status=SessionStatus.DRAINING))

    assert events == [
        SessionChanged(
            session_id=SessionId(name), status=SessionStatus.DRAINING, reason="why", by="me"
        )
        for name in ("one", "three")
    ]
    assert answer == SessionsChanged(fitting=2, changed=2)


def test_what_is_so_already_is_no_event() -> None:
    pool = folded(*EVENTS)
    command = bulk(status=OFF)

    first, again = decided(pool, command), decided(pool, command)

    assert [event.session_id for event in first[0]] == ["one", "two"]  # type: ignore[union-attr]
    assert first[1] == SessionsChanged(fitting=3, changed=2)
    assert again == ([], SessionsChanged(fitting=3))


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"status": SessionStatus.ACTIVE, "cool_s": 0}, ["two", "three"]),
        ({"cool_s": 0}, ["two"]),
        ({"cool_s": 60}, ["one", "two", "three"]),
        ({"label": "spare"}, ["two", "three"]),
        ({"label": ""}, ["one"]),
        ({"status": SessionStatus.RETIRED}, ["one", "two", "three"]),
    ],
)
def test_each_is_changed_that_is_otherwise(fields: dict[str, object], changed: list[str]) -> None:
    pool = folded(
        *EVENTS,
        SessionCooled(session_id=SessionId("two"), until=after(9), reason="rate_limited"),
        SessionCooled(session_id=SessionId("one"), until=after(-9), reason="rate_limited"),
        SessionLabelled(session_id=SessionId("one"), label="spare"),
    )

    events, answer = decided(pool, bulk(**fields))

    assert list(dict.fromkeys(event.session_id for event in events)) == changed  # type: ignore[union-attr]
    assert answer == SessionsChanged(fitting=3, changed=len(changed))


def test_a_doubtful_session_is_not_clear_yet() -> None:
    pool = folded(session_added())
    pool.sessions[SessionId("one")].doubts = 1

    _, answer = decided(pool, bulk(status=SessionStatus.ACTIVE))

    assert answer == SessionsChanged(fitting=1, changed=1)


def test_a_dry_run_counts_and_changes_nothing() -> None:
    pool = folded(*EVENTS)

    events, answer = decided(pool, bulk(status=OFF, dry_run=True))

    assert (events, answer) == ([], SessionsChanged(fitting=3, changed=2))
    assert pool.standing[OFF] == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"status": SessionStatus.COOLING}, "status: cooling is not set by hand"),
        ({"cool_s": -1}, "cool_s: expected 0 to "),
        ({"label": "x" * 65}, "label: expected at most 64"),
    ],
)
def test_what_is_wrong_for_one_is_wrong_for_all(fields: dict[str, object], message: str) -> None:
    pool = folded(*EVENTS)

    events, answer = decided(pool, bulk(**fields))

    assert events == []
    assert isinstance(answer, Failed)
    assert answer.message.startswith(message)


def test_a_reason_that_fits_into_no_envelope_many_times_is_refused() -> None:
    command = ChangeSessions(by="me", reason="x" * 501, status=OFF)

    _, answer = decided(folded(*EVENTS), command)

    assert answer == Failed(code="bad_request", message="reason: expected at most 500 characters")


def test_stretches_of_a_command_make_one_answer_that_says_where_to_go_on() -> None:
    count = BULK_MAX * 41
    pool = folded(*(session_added(f"s{number}") for number in range(count)))

    def whole(start: int) -> object:
        batch = CommandBatch(BULK, list(cut_change(bulk(status=OFF, start=start))))
        for place, item in enumerate(batch.items):
            batch.store_answer(place, decide_bulk(pool, item, NOON).answer)
        return batch.joint_reply()

    first = whole(0)
    rest = whole(BULK_MAX * 40)

    assert first == SessionsChanged(
        fitting=BULK_MAX * 40, changed=BULK_MAX * 40, next=BULK_MAX * 40
    )
    assert rest == SessionsChanged(fitting=BULK_MAX, changed=BULK_MAX)
    assert pool.standing[OFF] == count


def test_a_stretch_that_is_wrong_makes_the_answer() -> None:
    failed = Failed(code="bad_request", message="x")
    batch = CommandBatch(BULK, list(cut_change(bulk(status=OFF))))
    batch.answers = [failed, *[SessionsChanged()] * (len(batch.items) - 1)]

    assert batch.joint_reply() == failed
    assert batch.item_weight(0) < 256 * 1024

"""Sessions looked for: filtered, sorted, a bounded number of them at a time."""

import pytest

from contracts.base import Failed, SessionId
from contracts.pool import (
    FindSessions,
    FoundSession,
    PoolStatus,
    SessionChanged,
    SessionCooled,
    SessionFilter,
    SessionLabelled,
    SessionRetired,
    SessionsFound,
    SessionStatus,
)
from contracts.pool.lists import LOOKED_MAX
from services.pool.domain import Pool, answer_question, listing, pool_status
from tests.unit.pool.builders import IMAGE, NOON, VIDEO, after, folded, lease_granted, session_added
from tests.unit.pool.builders import usage as usage_of

LEASE = lease_granted("two", units=3)
EVENTS = (
    session_added("one", region="hk"),
    session_added("two", limits={VIDEO: 0}),
    session_added("gone"),
    session_added("three", origin="http"),
    SessionRetired(session_id=SessionId("gone"), reason="closed"),
    SessionCooled(session_id=SessionId("three"), until=after(60), reason="Rate limited"),
    SessionChanged(session_id=SessionId("one"), status=SessionStatus.DISABLED),
    LEASE,
    usage_of(LEASE),
    SessionLabelled(session_id=SessionId("two"), label="Account 7"),
)


def look(pool: Pool, asked: FindSessions) -> SessionsFound:
    answer = answer_question(pool, asked, NOON, 9, 1)
    assert isinstance(answer, SessionsFound)
    return answer


def found_names(pool: Pool, asked: FindSessions) -> list[str]:
    return [str(item.session_id) for item in look(pool, asked).items]


def look_for(**fields: object) -> FindSessions:
    return FindSessions(wanted=SessionFilter(**fields))  # type: ignore[arg-type]


def test_a_look_names_sessions_in_the_order_in_which_they_were_added() -> None:
    answer = look(folded(*EVENTS), FindSessions())

    assert answer == SessionsFound(
        sequence=9,
        items=[
            FoundSession(session_id=SessionId("one"), key=0.0, place=0),
            FoundSession(session_id=SessionId("two"), key=1.0, place=1),
            FoundSession(session_id=SessionId("three"), key=3.0, place=3),
        ],
    )


def test_what_else_is_asked_of_the_fold_is_answered_as_ever() -> None:
    pool = folded(*EVENTS)

    assert answer_question(pool, PoolStatus(), NOON, 9, 1) == pool_status(
        pool, PoolStatus(), NOON, 9, 1
    )


def test_retired_sessions_are_a_part_of_their_own() -> None:
    assert found_names(folded(*EVENTS), FindSessions(retired=True)) == ["gone"]
    assert found_names(folded(*EVENTS[:2]), FindSessions(retired=True)) == []


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        (look_for(statuses=["cooling"]), ["three"]),
        (look_for(statuses=["active", "disabled"]), ["one", "two"]),
        (look_for(service_type=VIDEO), ["one", "three"]),
        (look_for(text="HTTP"), ["three"]),
        (look_for(text="rate"), ["three"]),
        (look_for(text="wo"), ["two"]),
        (look_for(text="account"), ["two"]),
        (look_for(label="Account 7"), ["two"]),
        (look_for(label="account 7"), []),
        (look_for(text="hk", statuses=["disabled"]), ["one"]),
        (look_for(text="hk", statuses=["active"]), []),
    ],
)
def test_those_are_named_that_fit_all_that_is_said(asked: FindSessions, there: list[str]) -> None:
    assert found_names(folded(*EVENTS), asked) == there


@pytest.mark.parametrize(
    ("sort", "there"),
    [
        ("added", ["one", "two", "three"]),
        ("id", ["one", "three", "two"]),
        ("status", ["two", "three", "one"]),
        ("label", ["one", "three", "two"]),
        ("region", ["two", "three", "one"]),
        ("last_used", ["one", "three", "two"]),
        ("open_leases", ["one", "two", "three"]),
        ("remaining", ["two", "one", "three"]),
        ("used", ["one", "three", "two"]),
    ],
)
def test_they_are_sorted_by_what_is_wanted_and_then_by_place(sort: str, there: list[str]) -> None:
    pool = folded(*EVENTS)

    assert found_names(pool, FindSessions(sort=sort)) == there
    keys = [(item.key, item.place) for item in look(pool, FindSessions(sort=sort)).items]
    assert keys == sorted(keys)
    assert found_names(pool, FindSessions(sort=sort, descending=True)) == there[::-1]


def test_what_remains_and_was_used_is_that_of_the_service_type_that_is_wanted() -> None:
    pool = folded(*EVENTS)
    of_image = SessionFilter(service_type=IMAGE)

    remaining = look(pool, FindSessions(sort="remaining", wanted=of_image)).items
    used = look(pool, FindSessions(sort="used", wanted=SessionFilter(service_type=VIDEO))).items

    assert [item.key for item in remaining] == [7, 10, 10]
    assert [item.key for item in used] == [0, 0]


@pytest.mark.parametrize("sort", ["added", "id"])
@pytest.mark.parametrize("descending", [False, True])
def test_looks_put_together_are_the_whole_list(
    sort: str, *, descending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three sessions are looked at at a time, and two are named; each look goes on behind it."""
    monkeypatch.setattr(listing, "LOOKED_MAX", 3)
    pool = folded(*(session_added(f"s{number}") for number in range(8)))
    asked = FindSessions(sort=sort, descending=descending, limit=2 if sort == "added" else 3)
    every: list[str] = []
    start: int | None = None

    while True:
        answer = look(pool, FindSessions(**{**fields(asked), "start": start}))
        every += [str(item.session_id) for item in answer.items]
        start = answer.next
        if start is None:
            break

    in_order = [f"s{number}" for number in range(8)]
    assert sorted(every) == in_order
    if sort == "added":
        assert every == (in_order[::-1] if descending else in_order)


def fields(asked: FindSessions) -> dict[str, object]:
    return {name: getattr(asked, name) for name in asked.__struct_fields__}


@pytest.mark.parametrize(("descending", "there"), [(False, ["two"]), (True, ["one"])])
def test_only_what_comes_behind_a_key_is_named(*, descending: bool, there: list[str]) -> None:
    asked = FindSessions(sort="id", descending=descending, beyond=("three", 3))

    assert found_names(folded(*EVENTS), asked) == there


def test_of_equal_keys_the_place_decides_what_comes_behind() -> None:
    asked = FindSessions(sort="open_leases", beyond=(0.0, 1))

    assert found_names(folded(*EVENTS), asked) == ["three"]


@pytest.mark.parametrize("start", [99, None])
def test_behind_the_last_session_there_is_nothing(start: int | None) -> None:
    pool = folded(*EVENTS) if start else folded()

    assert look(pool, FindSessions(start=start)) == SessionsFound(sequence=9)


def test_a_look_is_bounded() -> None:
    pool = folded(*(session_added(f"s{number}") for number in range(LOOKED_MAX + 1)))

    assert look(pool, look_for(text="nothing")) == SessionsFound(sequence=9, next=LOOKED_MAX)


SORTS = "added, id, status, label, region, last_used, open_leases, remaining, used"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (FindSessions(sort="beauty"), f"sort: expected one of {SORTS}"),
        (FindSessions(sort="id", beyond=(1.0, 1)), "beyond: expected a key of id"),
        (FindSessions(sort="used", beyond=("x", 1)), "beyond: expected a key of used"),
    ],
)
def test_what_cannot_be_sorted_is_refused_by_name(asked: FindSessions, message: str) -> None:
    answer = answer_question(folded(*EVENTS), asked, NOON, 9, 1)

    assert answer == Failed(code="bad_request", message=message)

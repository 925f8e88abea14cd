"""Which sessions retire because nobody used them, and what is kept of those that did long ago."""

from typing import Any

import msgspec
import pytest

from contracts.base import AccountId, SessionId
from contracts.events import AnyEvent
from contracts.pool import (
    PoolEvent,
    PoolStatus,
    SessionJoined,
    SessionRetired,
    SessionRevived,
    SessionsForgotten,
    SessionStatus,
    SessionView,
    Verdict,
)
from services.pool.domain import (
    Pool,
    decide_forget,
    decide_retire_stale,
    long_retired,
    pool_status,
    stale_sessions,
)
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.records import Account, Session
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    ONE,
    TODAY,
    after,
    folded,
    lease_granted,
    session_added,
    usage,
)
from tests.unit.pool.growing import (
    login_expired,
    provisioned,
    sized,
    under_suspicion,
    use_avatars,
    with_status,
)

DAY_S = 86_400
TOMORROW = after(DAY_S)
LONG_AFTER = after(16 * DAY_S)
RETIRED = SessionRetired(session_id=ONE, reason="gone")


def shrinking(*events: AnyEvent, minimum: int = 0, share: float = 0.2) -> Pool:
    """A pool whose sessions are stale after a day."""
    return folded(sized(minimum, share=share, stale_threshold_s=DAY_S), *events)


def several(count: int) -> list[AnyEvent]:
    return [provisioned(f"s{number}") for number in range(count)]


def stale_names(pool: Pool, now: Any = TOMORROW, origin: str = "http") -> list[SessionId]:
    return stale_sessions(pool, [*pool.sessions], origin, now)


def retirements(pool: Pool, now: Any = TOMORROW, origin: str = "http") -> list[PoolEvent]:
    """Retire whatever is stale and may go."""
    names = stale_names(pool, now, origin)
    decisions = [decide_retire_stale(pool, (name, origin), now) for name in names]
    return [event for decision in decisions for event in decision.events]


def session_view(pool: Pool, now: Any = TOMORROW) -> SessionView:
    (view,) = pool_status(pool, PoolStatus(session_id=ONE), now, 1, 1).sessions
    return view


def test_what_was_not_used_for_long_and_can_be_made_again_retires() -> None:
    pool = shrinking(provisioned("one"))

    assert retirements(pool, after(DAY_S - 1)) == []
    assert retirements(pool) == [
        SessionRetired(session_id=ONE, reason="stale", by="pool", by_pool=True)
    ]
    assert (pool.places, pool.sessions[ONE].retired_by_pool) == (0, True)


def test_a_lease_keeps_a_session_for_another_day() -> None:
    lease = lease_granted()
    pool = shrinking(provisioned("one"))
    for event in (lease, usage(lease)):
        evolve(pool, event, after(600), 2)

    assert stale_names(pool) == []
    assert stale_names(pool, after(600 + DAY_S)) == [ONE]


def test_one_that_came_back_stays_for_another_day() -> None:
    pool = shrinking(provisioned("one"))
    retirements(pool)
    evolve(pool, SessionRevived(session_id=ONE, origin="http", by="provisioner"), TOMORROW, 2)

    assert (stale_names(pool), pool.sessions[ONE].retired_by_pool) == ([], False)
    assert stale_names(pool, after(2 * DAY_S)) == [ONE]


@pytest.mark.parametrize(
    "events",
    [
        [session_added("one")],
        [provisioned("one", "file")],
        [provisioned("one", "generated")],
        [provisioned("one"), with_status("one", SessionStatus.DRAINING)],
        [provisioned("one"), login_expired("one")],
        [provisioned("one"), under_suspicion("one")],
        [provisioned("one"), RETIRED],
        [provisioned("one"), lease_granted()],
        [
            provisioned("one"),
            lease_granted(),
            usage(lease_granted(), Verdict.OUTCOME_UNKNOWN),
        ],
    ],
    ids=[
        "api",
        "file",
        "other provisioner",
        "draining",
        "disabled",
        "suspect",
        "retired",
        "open lease",
        "uncertain lease",
    ],
)
def test_what_stays_however_long_it_is_not_used(events: list[AnyEvent]) -> None:
    pool = shrinking(*events)

    assert stale_names(pool, after(2 * DAY_S)) == []


def test_without_a_threshold_nothing_is_stale() -> None:
    pool = folded(sized(0), provisioned("one"))

    assert stale_names(pool, LONG_AFTER) == []
    assert not session_view(pool, LONG_AFTER).stale


def test_what_a_file_or_the_api_brought_can_not_be_made_again() -> None:
    pool = shrinking(session_added("one", origin="admin"), provisioned("two", "file"))

    assert [retirements(pool, origin=origin) for origin in ("admin", "file")] == [[], []]


def test_the_smallest_size_is_kept() -> None:
    pool = shrinking(*several(5), minimum=3)

    assert len(retirements(pool)) == 2
    assert pool.places == 3


def test_no_type_is_left_with_less_than_twice_the_share() -> None:
    pool = folded(sized(0, stale_threshold_s=3600), *several(10))
    use_avatars(pool, *(f"s{number}" for number in range(5)), at=after(1800))

    retired = retirements(pool, after(3600))

    # Five of ten had an avatar: four of nine are enough, and three of eight are not.
    assert retired == [
        SessionRetired(session_id=SessionId("s5"), reason="stale", by="pool", by_pool=True)
    ]


def test_one_that_has_nothing_left_of_a_type_may_go_for_its_sake() -> None:
    pool = shrinking(provisioned("one"), *several(1), share=1.0)
    use_avatars(pool, "one")

    assert retirements(pool, after(2 * DAY_S)) == []


def test_one_whose_account_others_use_takes_nothing_along() -> None:
    sharing = [SessionJoined(session_id=SessionId(name), account=AccountId("a")) for name in "xy"]
    others = [provisioned("x"), provisioned("y"), session_added("z")]
    pool = shrinking(*others, *sharing, share=1.0)

    assert len(retirements(pool)) == 1


def test_what_was_stale_may_be_so_no_more() -> None:
    pool = shrinking(provisioned("one"))
    names = stale_names(pool)
    evolve(pool, lease_granted(), TOMORROW, 2)

    assert names == [ONE]
    assert decide_retire_stale(pool, (ONE, "http"), TOMORROW).events == []
    assert decide_retire_stale(pool, (SessionId("nobody"), "http"), TOMORROW).events == []


@pytest.mark.parametrize(
    ("event", "stale"),
    [
        (with_status("one", SessionStatus.ACTIVE), True),
        (with_status("one", SessionStatus.DRAINING), True),
        (with_status("one", SessionStatus.DISABLED), False),
        (RETIRED, False),
    ],
)
def test_a_stale_session_of_any_origin_is_shown_as_such(event: AnyEvent, stale: bool) -> None:  # noqa: FBT001
    pool = shrinking(session_added("one"), event)

    assert session_view(pool).stale is stale
    assert not session_view(pool, NOON).stale


# ------------------------------------------------------------------------- forgotten


def test_of_one_that_retired_long_ago_only_what_identifies_it_is_kept() -> None:
    lease = lease_granted(service_type=AVATAR)
    added = session_added("one", region="us", limits={IMAGE: 3}, quota_timezone="Asia/Tokyo")
    pool = folded(added, lease, usage(lease), RETIRED)

    assert long_retired(pool, [ONE], after(16 * DAY_S - 1)) == []
    assert decide_forget(pool, [ONE], LONG_AFTER).events == [SessionsForgotten(session_ids=[ONE])]
    assert pool.used_at == {}
    left = pool.sessions[ONE]
    kept = Session(
        session_id=ONE,
        created_at=NOON,
        region="us",
        account=left.account,
        origin="admin",
        status=SessionStatus.RETIRED,
    )
    fields = Session.__struct_fields__
    assert {name: getattr(left, name) for name in fields} == {
        name: getattr(kept, name) for name in fields
    }
    assert msgspec.to_builtins(left.account) == msgspec.to_builtins(
        Account(limits={IMAGE: 3}, quota_timezone="Asia/Tokyo")
    )
    assert decide_forget(pool, [ONE], LONG_AFTER).events == []


def test_one_that_was_forgotten_comes_back_as_it_was_made() -> None:
    pool = folded(session_added("one", limits={AVATAR: 1}), RETIRED)
    decide_forget(pool, [ONE], LONG_AFTER)

    evolve(pool, SessionRevived(session_id=ONE), LONG_AFTER, 3)

    session = pool.sessions[ONE]
    assert (session.status, session.account.limits) == (SessionStatus.ACTIVE, {AVATAR: 1})
    assert pool.index_at(LONG_AFTER).units_left_by_type(session)[AVATAR] == 1


def test_one_that_holds_a_lease_still_is_not_forgotten() -> None:
    pool = folded(session_added("one"), lease_granted(), RETIRED)

    assert decide_forget(pool, [ONE, SessionId("nobody")], LONG_AFTER).events == []


@pytest.mark.parametrize("events", [[], [lease_granted(), RETIRED]])
def test_a_log_that_forgets_what_is_there_changes_nothing(events: list[AnyEvent]) -> None:
    pool = folded(session_added("one"), *events, SessionsForgotten(session_ids=[ONE]))

    assert pool.sessions[ONE].created_at == NOON
    assert bool(pool.sessions[ONE].account.days.get(TODAY)) is bool(events)

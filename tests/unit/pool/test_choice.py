"""Which session is leased: scarce-aware, and without looking at all of them."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from contracts.base import QuotaDay, SessionId
from contracts.pool import LeaseRenewed, SessionChanged, SessionCooled, SessionStatus
from services.pool.domain import Pool, decide_cancel, decide_end, sweep_overdue
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.index.choice import Index
from services.pool.domain.index.deadlines import Deadlines
from services.pool.domain.index.shelves import Group, Shelf, ShelfKind
from services.pool.domain.quota import Zone, turn_zone, zone_at
from services.pool.domain.records import Account, Lease, Session, Tally
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    TODAY,
    VIDEO,
    after,
    cancel,
    folded,
    grant,
    lease_granted,
    placed,
    policy_changed,
    session_added,
    usage,
)

GUARD = timedelta(seconds=2)


def test_quota_that_resets_soonest_goes_first() -> None:
    pool = folded(
        session_added("utc"),
        session_added("shanghai", quota_timezone="Asia/Shanghai"),
        session_added("honolulu", quota_timezone="Pacific/Honolulu"),
    )

    # At noon UTC Shanghai resets in 4 hours, UTC in 12, Honolulu in 22.
    names = [grant(pool, AVATAR, f"r{number}").session_id for number in range(3)]

    assert names == ["shanghai", "utc", "honolulu"]


def test_rare_capabilities_are_kept_for_rare_work() -> None:
    pool = folded(
        session_added("all"),
        session_added("pictures", limits={VIDEO: 0, AVATAR: 0}),
        session_added("films", limits={AVATAR: 0}),
    )

    images = {grant(pool, IMAGE, f"i{number}").session_id for number in range(2)}

    assert images == {"pictures"}
    assert grant(pool, VIDEO, "v1").session_id == "films"
    assert grant(pool, AVATAR, "a1").session_id == "all"
    # The rare unit is gone: nothing to keep any more.
    assert grant(pool, VIDEO, "v2").session_id == "all"


def test_what_is_rare_is_what_the_whole_pool_has_least_of() -> None:
    pool = folded(session_added("plain", limits={VIDEO: 0}))
    grant(pool)
    for number in range(3):
        evolve(pool, session_added(f"film{number}", limits={IMAGE: 1, VIDEO: 99}), NOON, 2)

    # There is now far more video than image: for video, sessions without images left go first.
    assert grant(pool, IMAGE, "i1").session_id == "plain"


def test_limits_that_change_what_is_rare_change_what_is_kept() -> None:
    pool = folded(session_added("both"), session_added("films", limits={IMAGE: 0}))
    lease = grant(pool, VIDEO, "v0")
    decide_cancel(pool, cancel("v0"), NOON)

    assert lease.session_id == "both"  # images, 10 in all, are not rarer than films, 4

    films = {IMAGE: 0, VIDEO: 90}
    changed = SessionChanged(session_id=SessionId("films"), limits=films)
    evolve(pool, changed, NOON, 2)

    assert placed(pool.index_at(NOON)) == placed(rebuilt(pool, NOON))
    assert grant(pool, VIDEO, "v1").session_id == "films"


def test_the_least_used_goes_first_and_equals_take_turns() -> None:
    pool = folded(session_added("one"), session_added("two"), session_added("three"))

    names = Counter()
    for number in range(30):
        lease = grant(pool, IMAGE, f"r{number}")
        decide_end(pool, usage(lease), NOON)
        names[lease.session_id] += 1
        assert max(names.values()) - min(names.values() or [0]) <= 1 or len(names) < 3

    assert set(names.values()) == {10}


def test_a_request_for_many_units_finds_the_one_session_that_has_them() -> None:
    pool = folded(*(session_added(f"s{number}") for number in range(20)))
    for number in range(19):
        grant(pool, IMAGE, f"r{number}", units=8)

    assert grant(pool, IMAGE, "big", units=9).remaining[IMAGE] == 1


def test_a_session_rests_while_it_holds_as_many_leases_as_it_may() -> None:
    pool = folded(policy_changed(session_concurrency=1), session_added("one"), session_added("two"))
    first = grant(pool, IMAGE, "r1")
    second = grant(pool, IMAGE, "r2")

    assert {first.session_id, second.session_id} == {"one", "two"}

    decide_cancel(pool, cancel("r1"), NOON)

    assert grant(pool, IMAGE, "r3").session_id == first.session_id


def test_a_longer_cool_down_replaces_the_waking_of_a_shorter_one() -> None:
    pool = folded(session_added("one"), session_added("two"))
    pool.index_at(NOON)
    for seconds in (10, 30):
        cooled = SessionCooled(session_id=SessionId("one"), until=after(seconds), reason="x")
        evolve(pool, cooled, NOON, 2)

    assert grant(pool, IMAGE, "r1", now=after(10)).session_id == "two"
    assert grant(pool, IMAGE, "r2", now=after(30)).session_id == "one"


def test_a_new_quota_day_refills_only_the_zones_in_which_it_began() -> None:
    pool = folded(session_added("utc"), session_added("tokyo", quota_timezone="Asia/Tokyo"))
    for number in range(2):
        lease = grant(pool, AVATAR, f"r{number}")
        decide_end(pool, usage(lease), NOON)
    evening = datetime(2025, 3, 1, 15, tzinfo=UTC)

    lease = grant(pool, AVATAR, "r2", now=evening)

    assert (lease.session_id, lease.quota_day) == ("tokyo", "2025-03-02")
    assert pool.index_at(evening).units_left(AVATAR) == 0


# -------------------------------------------------------------------- index and records


def rebuilt(pool: Pool, now: datetime) -> Index:
    return Index(pool.sessions, pool.opened, pool.policy, now)


def test_the_index_kept_up_to_date_equals_one_built_anew() -> None:
    pool = folded(*(session_added(f"s{number}") for number in range(5)))
    for number in range(8):
        lease = grant(pool, (IMAGE, VIDEO, AVATAR)[number % 3], f"r{number}")
        if number % 2:
            decide_end(pool, usage(lease), NOON)
    disabled = SessionChanged(session_id=SessionId("s1"), status=SessionStatus.DISABLED)
    evolve(pool, disabled, NOON, 2)
    now = after(86_400)

    assert placed(pool.index_at(NOON)) == placed(rebuilt(pool, NOON))
    assert placed(pool.index_at(now)) == placed(rebuilt(pool, now))


def test_a_choice_looks_at_no_more_sessions_than_it_avoids() -> None:
    looked = []

    class Watched(set[SessionId]):
        def __contains__(self, item: object) -> bool:
            looked.append(item)
            return super().__contains__(item)

    shelf = Shelf(ShelfKind.FREE, zone_at("UTC", 0, NOON, GUARD), 0)
    for number in range(1000):
        shelf.put_group(Group(ShelfKind.FREE, (SessionId(f"s{number}"),), {}), 10)
    avoid = Watched({SessionId("s0"), SessionId("s1")})

    assert shelf.first_session(3, avoid) == "s2"
    assert looked == ["s0", "s1", "s2"]


def test_a_shelf_of_avoided_sessions_is_as_good_as_empty() -> None:
    shelf = Shelf(ShelfKind.FREE, zone_at("UTC", 0, NOON, GUARD), 0)
    group = Group(ShelfKind.FREE, (SessionId("s0"),), {}, counts=True)
    placing = shelf.put_group(group, 3)

    assert shelf.first_session(1, [SessionId("s0")]) is None
    shelf.take_group(group, placing)
    assert (shelf.tops, shelf.units, shelf.accounts) == ([], 0, 0)


def open_lease(number: int, seconds: float) -> Lease:
    lease = lease_granted(request=f"r{number}")
    session = Session(session_id=SessionId("one"), created_at=NOON, account=Account())
    return Lease(
        lease.lease_id,
        lease.request_id,
        session,
        IMAGE,
        TODAY,
        1,
        Tally(),
        NOON,
        NOON,
        after(seconds),
    )


def test_deadlines_of_ended_leases_do_not_pile_up() -> None:
    opened: dict[str, Lease] = {}
    deadlines = Deadlines(opened)  # type: ignore[arg-type]
    for number in range(5000):
        lease = open_lease(number, number)
        opened[lease.lease_id] = lease
        deadlines.watch_lease(lease)
        if number >= 3:
            del opened[lease.lease_id]

    assert deadlines._size < 1100
    assert deadlines.first_deadline() == NOON
    assert deadlines.overdue_lease(after(-1)) is None


def test_a_deadline_moved_by_the_log_itself_is_the_one_that_counts() -> None:
    lease = lease_granted()
    renewed = LeaseRenewed(lease_id=lease.lease_id, expires_at=after(2000))
    pool = folded(session_added(), lease, renewed)

    assert sweep_overdue(pool, after(1999)) == []
    assert len(sweep_overdue(pool, after(2000))) == 1


# --------------------------------------------------------------------------- quota days


@pytest.mark.parametrize(
    ("zone", "now", "day", "resets_at"),
    [
        ("UTC", "2025-03-01T12:00", "2025-03-01", "2025-03-02T00:00"),
        ("Asia/Shanghai", "2025-03-01T15:59", "2025-03-01", "2025-03-01T16:00"),
        ("Asia/Shanghai", "2025-03-01T16:00", "2025-03-02", "2025-03-02T16:00"),
        # 23 and 25 hours long
        ("Europe/Berlin", "2025-03-29T23:30", "2025-03-30", "2025-03-30T22:00"),
        ("Europe/Berlin", "2025-10-25T22:30", "2025-10-26", "2025-10-26T23:00"),
        # a midnight that was skipped, a day that was skipped, a midnight that came twice
        ("America/Sao_Paulo", "2018-11-04T02:59", "2018-11-03", "2018-11-04T03:00"),
        ("Pacific/Apia", "2011-12-30T09:59", "2011-12-29", "2011-12-30T10:00"),
        ("America/St_Johns", "2010-11-07T03:00", "2010-11-07", "2010-11-08T03:30"),
    ],
)
def test_a_quota_day_ends_at_local_midnight(zone: str, now: str, day: str, resets_at: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)

    found = zone_at(zone, 0, moment, GUARD)

    assert (found.day, found.resets_at.isoformat()[:16]) == (QuotaDay(day), resets_at)
    assert found.guard_at == found.resets_at - GUARD


def test_quota_days_follow_each_other_without_gap_whatever_the_clocks_do() -> None:
    zone: Zone = zone_at("America/St_Johns", 0, datetime(2010, 11, 5, tzinfo=UTC), GUARD)
    days = [zone.day]
    for _ in range(4):
        turn_zone(zone, zone.resets_at, GUARD)
        days.append(zone.day)

    assert days == [f"2010-11-0{number}" for number in range(4, 9)]


def test_a_session_that_joins_later_is_chosen_as_if_it_had_always_been_there() -> None:
    pool = folded(session_added("one"))

    assert grant(pool, IMAGE, "r1").session_id == "one"

    evolve(pool, session_added("two"), NOON, 2)

    assert grant(pool, IMAGE, "r2").session_id == "two"

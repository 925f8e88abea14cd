"""The fold as operators see it."""

from datetime import datetime

import msgspec

from contracts.base import NUMBER_MAX, RequestId, ServerId, SessionId
from contracts.pool import (
    LeaseExpired,
    LeaseView,
    Outcome,
    PoolEvent,
    PoolStatus,
    PoolStatusReply,
    QuotaObserved,
    SessionChanged,
    SessionCooled,
    SessionRetired,
    SessionStatus,
    SessionSuspected,
    SessionView,
    Verdict,
)
from services.pool.domain import pool_status
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    LIMITS,
    NOON,
    ONE,
    TODAY,
    VIDEO,
    after,
    folded,
    lease_cancelled,
    lease_expired,
    lease_granted,
    lease_named,
    session_added,
    usage,
)

UNKNOWN = lease_granted(request="r2")
EVENTS = (
    session_added("one", region="hk"),
    session_added("two"),
    session_added("gone"),
    SessionRetired(session_id=SessionId("gone"), reason="idle"),
    lease_granted(units=3),
    UNKNOWN,
    usage(UNKNOWN, Verdict.OUTCOME_UNKNOWN),
    lease_granted(request="r3", service_type=VIDEO),
    LeaseExpired(lease_id=lease_named("r3"), session_id=ONE),
)


def test_leases_are_listed_page_by_page_in_the_order_of_their_grants() -> None:
    """Some of one moment and some of another; one leaves behind which a page is to begin."""
    early = [lease_granted(request=f"e{number}") for number in (3, 1, 2)]
    late = [lease_granted(request=f"l{number}") for number in (2, 1)]
    pool = folded(session_added("one"), *early)
    for event in late:
        evolve(pool, event, after(1), 2)
    listed: list[LeaseView] = []
    behind = None

    for _ in range(3):
        asked = PoolStatus(leases="open", limit=2, leases_behind=behind)
        answer = pool_status(pool, asked, after(2), 1, 1)
        listed += answer.leases
        behind = listed[-1].granted_at, listed[-1].lease_id
        if len(listed) == 2:
            evolve(pool, lease_cancelled(early[2]), after(1), 3)

    wanted = [lease_named(name) for name in ("e1", "e2", "e3", "l1", "l2")]
    assert [lease.lease_id for lease in listed] == wanted
    assert not answer.leases_more


def test_an_uncertain_lease_is_listed_where_it_was_granted() -> None:
    """The later one ended first."""
    pool = folded(session_added("one"), UNKNOWN)
    later = lease_granted(request="r3")
    for event in (later, usage(later, Verdict.OUTCOME_UNKNOWN)):
        evolve(pool, event, after(1), 2)
    evolve(pool, usage(UNKNOWN, Verdict.OUTCOME_UNKNOWN), after(2), 3)

    first = pool_status(pool, PoolStatus(leases="unknown", limit=1), after(3), 1, 1)

    assert [lease.lease_id for lease in first.leases] == [UNKNOWN.lease_id]
    assert first.leases_more


def test_the_summary_counts_what_countable_sessions_have_left() -> None:
    answer = pool_status(folded(*EVENTS), PoolStatus(), NOON, 17, 4)

    assert (answer.sequence, answer.epoch, answer.now) == (17, 4, NOON)
    assert (answer.sessions_total, answer.sessions_active, answer.open_leases) == (2, 2, 1)
    assert (answer.min_size, answer.max_size) == (1, 500)
    assert answer.remaining == {IMAGE: 16, VIDEO: 3, AVATAR: 2}
    assert (answer.sessions, answer.leases) == ([], [])


def test_one_session_is_shown_as_the_fold_has_it() -> None:
    (view,) = pool_status(folded(*EVENTS), PoolStatus(session_id=ONE), NOON, 1, 1).sessions

    assert view == SessionView(
        session_id=ONE,
        status=SessionStatus.ACTIVE,
        region="hk",
        quota_day=TODAY,
        resets_in_s=12 * 3600.0,
        used={IMAGE: 1, VIDEO: 1, AVATAR: 0},
        reserved={IMAGE: 3, VIDEO: 0, AVATAR: 0},
        remaining={IMAGE: 6, VIDEO: 1, AVATAR: 1},
        limits=LIMITS,
        open_leases=1,
        origin="admin",
        created_at=NOON,
        last_used_at=NOON,
    )


def test_tomorrow_everything_is_there_again() -> None:
    answer = pool_status(folded(*EVENTS), PoolStatus(session_id=ONE), after(86_400), 1, 1)

    assert answer.sessions[0].remaining == LIMITS
    assert answer.remaining == {name: 2 * limit for name, limit in LIMITS.items()}


def test_an_unknown_session_yields_none() -> None:
    assert (
        pool_status(folded(*EVENTS), PoolStatus(session_id=SessionId("x")), NOON, 1, 1).sessions
        == []
    )


def test_sessions_are_listed_up_to_the_limit() -> None:
    pool = folded(*EVENTS)

    assert len(pool_status(pool, PoolStatus(sessions=True), NOON, 1, 1).sessions) == 3
    assert len(pool_status(pool, PoolStatus(sessions=True, limit=2), NOON, 1, 1).sessions) == 2


def test_leases_are_listed_by_state() -> None:
    pool = folded(*EVENTS)

    found = {
        state: [lease.lease_id for lease in pool_status(pool, asked, NOON, 1, 1).leases]
        for state in ("open", "unknown", "expired", "settled")
        if (asked := PoolStatus(leases=state))
    }

    assert found == {"open": ["r1.1"], "unknown": ["r2.1"], "expired": ["r3.1"], "settled": []}


def test_the_status_that_says_most_is_shown() -> None:
    pool = folded(
        *(session_added(name) for name in ("active", "cooling", "suspect", "off", "was")),
        SessionCooled(session_id=SessionId("cooling"), until=after(9), reason="rate_limited"),
        SessionCooled(session_id=SessionId("was"), until=after(-9), reason="rate_limited"),
        SessionSuspected(
            session_id=SessionId("suspect"), server_id=ServerId("s"), request_id=RequestId("r")
        ),
        SessionChanged(session_id=SessionId("off"), status=SessionStatus.DISABLED, reason="why"),
    )

    views = pool_status(pool, PoolStatus(sessions=True), NOON, 1, 1).sessions

    assert {view.session_id: (view.status, view.cooling_s) for view in views} == {
        "active": (SessionStatus.ACTIVE, 0.0),
        "cooling": (SessionStatus.COOLING, 9.0),
        "suspect": (SessionStatus.SUSPECT, 0.0),
        "off": (SessionStatus.DISABLED, 0.0),
        "was": (SessionStatus.ACTIVE, 0.0),
    }
    assert [view.reason for view in views[1:]] == ["rate_limited", "login_expired", "why", ""]


def test_a_type_used_up_upstream_shows_nothing_remaining() -> None:
    observed = QuotaObserved(session_id=ONE, service_type=VIDEO, quota_day=TODAY)
    answer = pool_status(folded(session_added(), observed), PoolStatus(session_id=ONE), NOON, 1, 1)

    assert (answer.sessions[0].remaining[VIDEO], answer.remaining[VIDEO]) == (0, 0)


def last_used(*events: PoolEvent) -> datetime | None:
    pool = folded(session_added(), *events)
    return pool_status(pool, PoolStatus(session_id=ONE), NOON, 1, 1).sessions[0].last_used_at


def test_a_session_was_last_used_when_it_was_leased_for_what_may_have_been_sent() -> None:
    lease = lease_granted()
    expired = lease_expired(lease)
    cancelled = lease_cancelled(lease)

    assert last_used(lease, usage(lease)) == NOON
    assert last_used(lease, usage(lease, Verdict.RATE_LIMITED)) == NOON
    assert last_used(lease, usage(lease, Verdict.OUTCOME_UNKNOWN)) == NOON
    assert last_used(lease, expired) == NOON
    assert last_used(lease) is None
    assert last_used(lease, cancelled) is None
    assert last_used(lease, usage(lease, Verdict.UNREACHABLE)) is None
    assert last_used(lease, usage(lease, Verdict.CLIENT_GONE, Outcome.RELEASED)) is None


def test_more_units_than_a_machine_word_holds_are_told_to_the_unit() -> None:
    """So many sessions of the greatest limit that their sum is no 64-bit number."""
    most = {IMAGE: NUMBER_MAX}
    sessions = [session_added(f"s{number}", limits=most) for number in range(2_100)]
    pool = folded(*sessions, lease_granted("s0", IMAGE))

    told = pool_status(pool, PoolStatus(sessions=True, limit=3), after(1), 1, 1)

    assert told.remaining[IMAGE] == 2_100 * NUMBER_MAX - 1 > 2**64
    assert msgspec.json.decode(msgspec.json.encode(told), type=PoolStatusReply) == told


def test_several_sessions_are_asked_for_by_name_and_those_nobody_knows_are_left_out() -> None:
    asked = PoolStatus(among=[SessionId("two"), SessionId("x"), ONE])

    views = pool_status(folded(*EVENTS), asked, NOON, 1, 1).sessions
    assert [view.session_id for view in views] == ["two", "one"]

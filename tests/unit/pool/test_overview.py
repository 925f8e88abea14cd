"""The pool as a whole, as a page asks for it every few seconds."""

from contracts.base import AccountId, QuotaDay, RequestId, ServerId, SessionId
from contracts.pool import (
    LeaseExpired,
    PoolOverview,
    PoolStatus,
    QuotaReset,
    SessionChanged,
    SessionCooled,
    SessionJoined,
    SessionRetired,
    SessionStatus,
    SessionSuspected,
    TypeUnits,
    Verdict,
)
from services.pool.domain import pool_status
from services.pool.domain.overview import pool_overview
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    ONE,
    TODAY,
    VIDEO,
    after,
    folded,
    lease_granted,
    lease_named,
    policy_changed,
    session_added,
    usage,
)

UNKNOWN = lease_granted(request="r2", units=2)


def test_it_is_only_told_where_it_is_asked_for() -> None:
    assert pool_status(folded(), PoolStatus(), NOON, 1, 1).overview is None
    assert pool_status(folded(), PoolStatus(overview=True), NOON, 1, 1).overview is not None


def test_units_and_doubts_are_summed_up() -> None:
    pool = folded(
        session_added("one"),
        session_added("two"),
        lease_granted(units=3),
        UNKNOWN,
        usage(UNKNOWN, Verdict.OUTCOME_UNKNOWN),
        lease_granted(request="r3", service_type=VIDEO),
        LeaseExpired(lease_id=lease_named("r3"), session_id=ONE),
    )

    overview = pool_overview(pool, NOON)

    assert overview == PoolOverview(
        states={"active": 2, "cooling": 0, "suspect": 0, "draining": 0, "disabled": 0},
        units=[
            TypeUnits(service_type=IMAGE, remaining=15, reserved=3, limit=20),
            TypeUnits(service_type=VIDEO, remaining=3, reserved=0, limit=4),
            TypeUnits(service_type=AVATAR, remaining=2, reserved=0, limit=2),
        ],
        resets=[QuotaReset(timezone="UTC", quota_day=TODAY, resets_at=after(12 * 3600))],
        in_doubt_leases=2,
        in_doubt_units=3,
        in_doubt_since=NOON,
    )


def test_limits_are_those_of_accounts_in_service_each_once() -> None:
    """One retired with units used, one is disabled, two share an account, one has its own limit."""
    pool = folded(
        *(session_added(name) for name in ("gone", "off", "alone")),
        lease_granted("gone", units=4),
        usage(lease_granted("gone", units=4)),
        *(session_added(name) for name in ("a", "b")),
        *(
            SessionJoined(session_id=SessionId(name), account=AccountId("shared"))
            for name in ("a", "b")
        ),
        session_added("rich", limits={IMAGE: 40}),
        SessionRetired(session_id=SessionId("gone"), reason="made up"),
        SessionChanged(session_id=SessionId("off"), status=SessionStatus.DISABLED, reason="why"),
    )

    image, *_ = pool_overview(pool, NOON).units

    assert image == TypeUnits(service_type=IMAGE, remaining=60, reserved=0, limit=60)


def test_sessions_are_counted_by_what_says_most_of_them() -> None:
    """Of five sessions one cools down, one did, one is suspect, one disabled, one retired."""
    pool = folded(
        *(session_added(name) for name in ("cooling", "was", "suspect", "off", "gone")),
        SessionCooled(session_id=SessionId("cooling"), until=after(9), reason="rate_limited"),
        SessionCooled(session_id=SessionId("was"), until=after(-9), reason="rate_limited"),
        SessionCooled(session_id=SessionId("suspect"), until=after(9), reason="rate_limited"),
        SessionSuspected(
            session_id=SessionId("suspect"), server_id=ServerId("s"), request_id=RequestId("r")
        ),
        SessionChanged(session_id=SessionId("off"), status=SessionStatus.DISABLED, reason="why"),
        SessionRetired(session_id=SessionId("gone"), reason="idle"),
    )

    overview = pool_overview(pool, NOON)

    assert overview.states == {
        "active": 1,
        "cooling": 1,
        "suspect": 1,
        "draining": 0,
        "disabled": 1,
    }


def test_every_time_zone_in_use_has_its_reset_and_so_has_the_pools_own() -> None:
    pool = folded(
        policy_changed(quota_timezone="America/New_York"),
        session_added("one", quota_timezone="Asia/Shanghai"),
    )

    overview = pool_overview(pool, NOON)

    assert overview.resets == [
        QuotaReset(timezone="Asia/Shanghai", quota_day=TODAY, resets_at=after(4 * 3600)),
        QuotaReset(
            timezone="America/New_York",
            quota_day=QuotaDay("2025-03-01"),
            resets_at=after(17 * 3600),
        ),
    ]


def test_leases_that_nobody_renews_are_counted_with_when_the_last_of_them_ends() -> None:
    """Gateways renew while ten minutes of 15 are left; where nine are, one is overdue."""
    pool = folded(
        session_added(),
        lease_granted(request="gone", expires_at=after(800)),
        lease_granted(request="hangs", expires_at=after(840)),
        lease_granted(request="young", expires_at=after(900)),
    )

    before = pool_overview(pool, after(250))
    overview = pool_overview(pool, after(305))

    assert (before.unrenewed_leases, before.unrenewed_until) == (0, None)
    assert (overview.unrenewed_leases, overview.unrenewed_until) == (2, after(840))

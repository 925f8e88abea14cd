"""Accounts: what several sessions use together is counted once, and no session leaves one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.base import AccountId, QuotaDay, ServiceType, SessionId
from contracts.pool import (
    AccountChanged,
    AddSession,
    AddSessions,
    ChangeSession,
    Done,
    PolicyChanged,
    PoolEvent,
    PoolStatus,
    QuotaObserved,
    Refusal,
    SessionAdded,
    SessionChanged,
    SessionJoined,
    SessionRetired,
    SessionRevived,
    SessionsForgotten,
    SessionStatus,
)
from services.pool.domain import (
    Pool,
    ViolationKind,
    decide_admin,
    decide_end,
    decide_lease,
    decide_policy,
    pool_status,
    state_hash,
)
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.index.choice import Index
from services.pool.domain.index.shelves import NO_TRIALS
from services.pool.snapshots.form import decode_pool, encode_pool
from services.pool.snapshots.formats import FORMAT
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    LIMITS,
    NOON,
    TODAY,
    VIDEO,
    WrittenLog,
    after,
    audited,
    folded,
    grant,
    lease_expired,
    lease_granted,
    lease_reconciled,
    lease_wanted,
    placed,
    policy_changed,
    session_added,
    usage,
    whole,
)

ONE, TWO = SessionId("one"), SessionId("two")
ACCOUNT = AccountId("jimeng-7")
VIP = {"vip": {IMAGE: 50}}


def joined(session_id: str, account: str = ACCOUNT) -> SessionJoined:
    return SessionJoined(session_id=SessionId(session_id), account=AccountId(account))


def shared_pool(*more: PoolEvent, count: int = 2) -> Pool:
    """A pool of so many sessions of one account."""
    names = ["one", "two", *(f"s{number}" for number in range(2, count))][:count]
    added: list[PoolEvent] = [session_added(name) for name in names]
    policies = [event for event in more if isinstance(event, PolicyChanged)]
    later = [event for event in more if event not in policies]
    return folded(*policies, *added, *map(joined, names), *later)


def counts(pool: Pool, session_id: SessionId = ONE) -> dict[ServiceType, tuple[int, int, bool]]:
    """What its account has used and reserved today, and whether it is closed."""
    tallies = pool.sessions[session_id].account.days.get(TODAY, {})
    return {name: (kept.used, kept.reserved, kept.closed) for name, kept in tallies.items()}


def refusal_of(pool: Pool, service_type: ServiceType, request: str, units: int = 1) -> Refusal:
    wanted = lease_wanted(service_type, request, units=units)
    reason: Refusal = decide_lease(pool, wanted, NOON).answer.reason
    return reason


def add_items(pool: Pool, *items: AddSession, now: datetime = NOON) -> Any:
    return decide_admin(pool, AddSessions(items=list(items), by="key-1"), now).answer


def addition(session_id: str, **fields: Any) -> AddSession:
    return AddSession(session_id=SessionId(session_id), sealed=b"", **fields)


# ------------------------------------------------------------------------------ counting


def test_sessions_of_one_account_never_sell_more_than_its_limit() -> None:
    pool = shared_pool(policy_changed("x", session_concurrency=0))

    served = [grant(pool, IMAGE, f"r{number}").session_id for number in range(LIMITS[IMAGE])]

    assert refusal_of(pool, IMAGE, "more") is Refusal.QUOTA_EXHAUSTED
    assert set(served) == {"one", "two"}
    assert counts(pool)[IMAGE] == counts(pool, TWO)[IMAGE] == (0, LIMITS[IMAGE], False)


def test_a_grant_beyond_the_accounts_limit_is_a_violation_whichever_session_has_it() -> None:
    pool = shared_pool()
    evolve(pool, lease_granted("one", AVATAR, request="r1"), NOON, 2)

    evolve(pool, lease_granted("two", AVATAR, request="r2"), NOON, 3)

    assert [violation.kind for violation in pool.violations] == [ViolationKind.OVERSOLD]


def test_who_joins_brings_its_counts_and_its_leases_and_may_stand_above_the_limit() -> None:
    settled, open_, late = (lease_granted("two", AVATAR, request=f"r{n}") for n in range(3))
    before = [
        lease_granted("one", AVATAR, request="r9"),
        joined("one"),
        settled,
        usage(settled),
        open_,
        late,
        lease_expired(late),
    ]
    pool = folded(policy_changed(daily_limits={AVATAR: 3}), session_added(), session_added("two"))
    for event in before:
        evolve(pool, event, NOON, 2)
    evolve(pool, policy_changed("other"), NOON, 3)

    evolve(pool, joined("two"), NOON, 4)

    assert counts(pool) == {AVATAR: (2, 2, False)}
    assert pool.violations == []
    assert pool.index_at(NOON).units_left(AVATAR) == 0
    evolve(pool, usage(open_), NOON, 5)
    evolve(pool, lease_reconciled(late, 0), NOON, 5)
    assert counts(pool) == {AVATAR: (2, 1, False)}


def test_what_is_used_up_upstream_is_so_for_all_that_join() -> None:
    closed = QuotaObserved(session_id=TWO, service_type=IMAGE, quota_day=TODAY)
    pool = folded(session_added(), session_added("two"), joined("one"), closed)

    evolve(pool, joined("two"), NOON, 2)

    assert pool.index_at(NOON).units_left(IMAGE) == 0
    evolve(pool, QuotaObserved(session_id=ONE, service_type=VIDEO, quota_day=TODAY), NOON, 3)
    assert pool.index_at(NOON).units_left(VIDEO) == 0


def test_counts_so_old_that_some_sessions_have_none_of_them_are_not_added() -> None:
    long_ago = [lease_granted(name, request=name, quota_day="2025-02-14") for name in (ONE, TWO)]
    lately = [lease_granted(name, VIDEO, quota_day="2025-02-16") for name in (ONE,)]
    pool = folded(session_added(), session_added("two"), *long_ago, *lately, joined("one"))

    evolve(pool, joined("two"), NOON, 2)

    assert [*pool.accounts[ACCOUNT].days] == ["2025-02-16"]


def test_a_joining_that_changes_which_types_are_rare_changes_what_is_kept() -> None:
    own, others = {AVATAR: 6, VIDEO: 2}, {AVATAR: 1, VIDEO: 5}
    pool = folded(
        session_added(limits=own),
        session_added("two", limits=own),
        session_added("three", limits=others),
        joined("one"),
    )
    pool.index_at(NOON)

    evolve(pool, joined("two"), NOON, 2)

    kept, anew = pool.index_at(NOON), Index(pool.sessions, pool.opened, pool.policy, NOON)
    assert placed(kept) == placed(anew)


def test_a_joining_changes_what_is_kept_in_its_place() -> None:
    pool = folded(session_added(), session_added("two"), joined("one"))
    kept = pool.index_at(NOON)

    evolve(pool, joined("two"), NOON, 2)
    anew = Index(pool.sessions, pool.opened, pool.policy, NOON)

    assert pool.index_at(NOON) is kept
    assert placed(kept) == placed(anew)


def test_at_the_beginning_of_the_calendar_all_days_are_added() -> None:
    beginning = datetime.min.replace(tzinfo=UTC)
    pool = folded(session_added(), session_added("two"), lease_granted("two"), joined("one"))

    evolve(pool, joined("two"), beginning, 2)

    assert counts(pool) == {IMAGE: (0, 1, False)}


def test_a_session_that_is_preferred_need_not_be_there_any_more() -> None:
    index = folded(session_added()).index_at(NOON)

    choice = index.choose_session(IMAGE, 1, (), kinds=NO_TRIALS, preferred=SessionId("gone"))

    assert choice is not None
    assert choice.session.session_id == ONE


def test_a_second_joining_is_none() -> None:
    pool = shared_pool()

    for event in (joined("one"), joined("one", "other"), joined("nobody"), joined("two", "")):
        evolve(pool, event, NOON, 2)

    assert [violation.kind for violation in pool.violations] == [
        ViolationKind.IMPOSSIBLE_CHANGE,
        ViolationKind.IMPOSSIBLE_CHANGE,
        ViolationKind.UNKNOWN_SESSION,
        ViolationKind.IMPOSSIBLE_CHANGE,
    ]
    assert (list(pool.accounts), pool.members) == ([ACCOUNT], {ACCOUNT: (ONE, TWO)})


def test_sums_count_an_account_once_whatever_kinds_of_sessions_use_it() -> None:
    pool = shared_pool(session_added("alone"), count=5)
    for event in (
        SessionChanged(session_id=SessionId("s2"), status=SessionStatus.DRAINING),
        SessionChanged(session_id=SessionId("s3"), status=SessionStatus.DISABLED),
        lease_granted("one", request="r1"),
        lease_granted("one", request="r2"),
    ):
        evolve(pool, event, NOON, 2)
    index = pool.index_at(NOON)

    assert (index.accounts_active, index.accounts_having(IMAGE)) == (2, 2)
    assert index.units_left(IMAGE) == 2 * LIMITS[IMAGE] - 2
    assert grant(pool, IMAGE, "r3").session_id in {"two", "s4", "alone"}


def test_the_account_counts_by_those_that_are_busy_once_none_is_free() -> None:
    pool = shared_pool(policy_changed("x", session_concurrency=1))
    for number in range(2):
        grant(pool, IMAGE, f"r{number}")
    index = pool.index_at(NOON)

    assert (index.accounts_having(IMAGE), index.units_left(IMAGE)) == (1, LIMITS[IMAGE] - 2)
    assert refusal_of(pool, IMAGE, "r3") is Refusal.SATURATED


def test_a_session_that_is_the_last_of_its_account_takes_its_units_along() -> None:
    pool = shared_pool(session_added("alone"))
    index = pool.index_at(NOON)

    assert not index.is_last_of_account(pool.sessions[ONE])
    assert index.is_last_of_account(pool.sessions[SessionId("alone")])


def test_a_new_day_refills_an_account_once() -> None:
    pool = shared_pool(policy_changed("x", daily_limits={IMAGE: 1}))
    decide_end(pool, usage(grant(pool)), NOON)

    assert pool.index_at(after(86_400)).units_left(IMAGE) == 1


def test_counts_that_an_account_owns_outlive_a_session_that_is_forgotten() -> None:
    lease = lease_granted("one")
    forgotten = SessionsForgotten(session_ids=[ONE])
    pool = shared_pool(
        lease, usage(lease), SessionRetired(session_id=ONE, reason="gone"), forgotten
    )

    assert counts(pool, TWO) == {IMAGE: (1, 0, False)}
    for event in (
        SessionRetired(session_id=TWO, reason="gone"),
        SessionsForgotten(session_ids=[TWO]),
    ):
        evolve(pool, event, NOON, 3)
    assert pool.accounts[ACCOUNT].days == {}


# --------------------------------------------------------------------- tiers and hours


def test_own_limits_go_before_a_tiers_and_these_before_the_types() -> None:
    vip = AccountChanged(session_id=ONE, tier="vip")
    policy = policy_changed("x", tiers=VIP)
    pool = folded(policy, session_added(limits={VIDEO: 7}), vip)

    view = pool_status(pool, PoolStatus(sessions=True), NOON, 1, 1).sessions[0]

    assert (view.limits, view.tier) == ({IMAGE: 50, VIDEO: 7, AVATAR: 1}, "vip")
    evolve(pool, SessionChanged(session_id=ONE, limits={IMAGE: 3}), NOON, 2)
    assert pool.index_at(NOON).units_left(IMAGE) == 3


def test_a_request_of_more_units_than_any_active_account_may_have_is_told_so() -> None:
    policy = policy_changed("x", tiers=VIP)
    pool = folded(policy, session_added(), session_added("two"))

    assert refusal_of(pool, IMAGE, "r1", units=11) is Refusal.TOO_MANY_UNITS
    evolve(pool, AccountChanged(session_id=TWO, tier="vip"), NOON, 2)
    assert grant(pool, IMAGE, "r2", units=50).session_id == TWO
    assert refusal_of(pool, IMAGE, "r3", units=51) is Refusal.TOO_MANY_UNITS
    evolve(pool, SessionChanged(session_id=TWO, status=SessionStatus.DISABLED), NOON, 3)
    assert refusal_of(pool, IMAGE, "r4", units=11) is Refusal.TOO_MANY_UNITS


def test_a_tier_that_is_in_use_is_not_removed() -> None:
    pool = folded(policy_changed("x", tiers=VIP), session_added(), session_added("two"))
    without = policy_changed("y", tiers={}).policy
    evolve(pool, AccountChanged(session_id=ONE, tier="vip"), NOON, 2)

    refused = decide_policy(pool, without, "y", "configuration", NOON)

    assert refused.events == []
    assert refused.answer.message == (
        "tiers: expected those that sessions have, but 'vip' of 1 is missing"
    )
    evolve(pool, SessionRetired(session_id=ONE, reason="gone"), NOON, 3)
    assert len(decide_policy(pool, without, "y", "configuration", NOON).events) == 1


@pytest.mark.parametrize(
    ("now", "day", "resets_in_s"),
    [("2025-03-01T12:00", "2025-03-01", 72_000), ("2025-03-01T07:59", "2025-02-28", 60)],
)
def test_a_quota_day_begins_at_its_reset_hour(now: str, day: str, resets_in_s: float) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    own = AccountChanged(session_id=TWO, quota_reset_hour=0)
    policy = policy_changed("x", quota_reset_hour=8)
    pool = folded(policy, session_added(), session_added("two"), own)

    views = pool_status(pool, PoolStatus(sessions=True), moment, 1, 1).sessions

    assert (views[0].quota_day, views[0].resets_in_s) == (day, resets_in_s)
    assert views[1].quota_day == "2025-03-01"


def test_an_hour_that_no_day_has_is_read_as_midnight() -> None:
    pool = folded(policy_changed("x", quota_reset_hour=99), session_added())

    assert pool.index_at(NOON).zone_of(pool.sessions[ONE]).day == TODAY


def test_units_told_to_be_used_only_ever_raise_what_is_counted() -> None:
    pool = shared_pool()
    decide_end(pool, usage(grant(pool)), NOON)

    for units, used in ((4, 4), (2, 4), (6, 6)):
        told = AccountChanged(session_id=TWO, used={IMAGE: units}, quota_day=TODAY)
        evolve(pool, told, NOON, 2)
        assert counts(pool)[IMAGE] == (used, 0, False)
    assert pool.index_at(NOON).units_left(IMAGE) == LIMITS[IMAGE] - 6


# ------------------------------------------------------------------------------ adding


def test_sessions_are_added_with_account_tier_hour_and_what_was_used_by_noon() -> None:
    pool = folded(policy_changed("x", tiers=VIP))
    first = addition("one", account=ACCOUNT, tier="vip", quota_reset_hour=8, used={IMAGE: 4})
    second = addition("two", account=ACCOUNT, used={IMAGE: 2, VIDEO: 1})

    done = add_items(pool, first, second)

    assert done == Done(changed=["one", "two"])
    account = pool.sessions[TWO].account
    assert (account.name, account.tier, account.quota_reset_hour) == (ACCOUNT, "vip", 8)
    assert counts(pool) == {IMAGE: (4, 0, False), VIDEO: (1, 0, False)}
    assert add_items(pool, first, second) == Done()


def test_who_comes_to_an_account_has_its_limits_in_the_log() -> None:
    pool = folded()
    add_items(
        pool, addition("one", account=ACCOUNT, limits={IMAGE: 3}, quota_timezone="Asia/Tokyo")
    )

    decision = decide_admin(
        pool, AddSessions(items=[addition("two", account=ACCOUNT)], by="k"), NOON
    )

    assert decision.events == [
        SessionAdded(
            session_id=TWO, limits={IMAGE: 3}, quota_timezone="Asia/Tokyo", origin="admin", by="k"
        ),
        SessionJoined(session_id=TWO, account=ACCOUNT, by="k"),
    ]


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"limits": {IMAGE: 4}}, "limits: expected {'image': 3}, as account 'jimeng-7' has it"),
        ({"tier": "vip"}, "tier: expected '', as account 'jimeng-7' has it, got 'vip'"),
        ({"tier": "no"}, "tier: expected one of [tiers] (vip), got 'no'"),
        ({"quota_timezone": "UTC"}, "quota_timezone: expected 'Asia/Tokyo', as account"),
        ({"quota_reset_hour": 1}, "quota_reset_hour: expected 0, as account"),
        ({"account": "one"}, "account: 'one' is a session's id, expected another name"),
    ],
)
def test_who_differs_from_its_account_is_refused_by_name_and_the_others_are_added(
    wish: dict[str, Any], reason: str
) -> None:
    pool = folded(policy_changed("x", tiers=VIP))
    add_items(
        pool, addition("one", account=ACCOUNT, limits={IMAGE: 3}, quota_timezone="Asia/Tokyo")
    )
    good = addition(
        "good",
        account=ACCOUNT,
        limits={IMAGE: 3},
        quota_timezone="Asia/Tokyo",
        quota_reset_hour=0,
    )

    done = add_items(pool, addition("two", **{"account": ACCOUNT, **wish}), good)

    assert done.changed == ["good"]
    assert list(done.refused) == ["two"]
    assert done.refused["two"].startswith(reason)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"account": "a" * 65}, "account: expected up to 64 printable characters"),
        ({"account": "a\n"}, "account: expected up to 64 printable characters"),
        ({"quota_reset_hour": 24}, "quota_reset_hour: expected 0 to 23"),
        ({"used": {IMAGE: 2**60}}, "used: expected numbers of at most"),
    ],
)
def test_what_no_account_can_be_refuses_the_whole_command(
    wish: dict[str, Any], message: str
) -> None:
    pool = folded()

    refused = add_items(pool, addition("good"), addition("two", **wish))

    assert refused.message.startswith(message)
    assert pool.sessions == {}


def test_an_account_has_sixteen_sessions_at_most_that_are_not_retired() -> None:
    pool = shared_pool(count=16)

    assert (
        "16 sessions use 'jimeng-7' already"
        in add_items(pool, addition("more", account=ACCOUNT)).refused["more"]
    )
    evolve(pool, SessionRetired(session_id=TWO, reason="gone"), NOON, 2)
    assert add_items(pool, addition("more", account=ACCOUNT)) == Done(changed=["more"])
    assert list(add_items(pool, addition("two")).refused) == ["two"]
    assert add_items(pool, addition("one", account=ACCOUNT)) == Done()


def test_one_that_is_there_joins_once_and_never_leaves() -> None:
    pool = folded(session_added(), session_added("two"))
    join = ChangeSession(session_id=ONE, account=ACCOUNT, by="key-1")

    assert decide_admin(pool, join, NOON).events == [
        SessionJoined(session_id=ONE, account=ACCOUNT, by="key-1")
    ]
    assert decide_admin(pool, join, NOON).events == []
    other = ChangeSession(session_id=ONE, account=AccountId("other"), by="key-1")
    refused = decide_admin(pool, other, NOON).answer
    assert (refused.code, refused.message) == (
        "conflict",
        "account: the session uses 'jimeng-7', and never leaves it",
    )
    assert list(add_items(pool, addition("one", account="other")).refused) == ["one"]
    assert add_items(pool, addition("two", account=ACCOUNT)) == Done(joined=[TWO])
    assert pool.sessions[TWO].account.name == ACCOUNT


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"quota_timezone": "Asia/Tokyo"}, "quota_timezone: expected 'UTC'"),
        ({"limits": {IMAGE: 1}}, "limits: expected {}"),
    ],
)
def test_one_that_counts_other_days_or_has_other_limits_joins_nothing(
    fields: Mapping[str, Any], word: str
) -> None:
    pool = folded(session_added(), joined("one"), session_added("two", **fields))

    join = ChangeSession(session_id=TWO, account=ACCOUNT, by="key-1")

    refused = decide_admin(pool, join, NOON).answer
    assert refused.code == "conflict"
    assert refused.message.startswith(word)


def test_one_of_another_reset_hour_joins_nothing_and_a_name_must_be_one() -> None:
    hour = AccountChanged(session_id=TWO, quota_reset_hour=5)
    pool = folded(session_added(), joined("one"), session_added("two"), hour)

    for account, word in ((ACCOUNT, "quota_reset_hour: expected 0"), ("\t", "account: expected")):
        join = ChangeSession(session_id=TWO, account=AccountId(account), by="key-1")
        assert decide_admin(pool, join, NOON).answer.message.startswith(word)


def test_a_retired_one_comes_back_into_an_account_with_the_limits_it_is_given() -> None:
    retired = SessionRetired(session_id=TWO, reason="gone")
    pool = folded(session_added(limits={IMAGE: 5}), joined("one"), session_added("two"), retired)

    wish = addition("two", account=ACCOUNT, limits={IMAGE: 5})
    decision = decide_admin(pool, AddSessions(items=[wish], by="k"), NOON)

    assert decision.events == [
        SessionRevived(session_id=TWO, by="k"),
        SessionChanged(session_id=TWO, limits={IMAGE: 5}, by="k"),
        SessionJoined(session_id=TWO, account=ACCOUNT, by="k"),
    ]


def test_a_tier_is_given_and_taken_of_the_whole_account() -> None:
    pool = shared_pool(policy_changed("x", tiers=VIP))

    for tier, left in (("vip", 50), ("", LIMITS[IMAGE])):
        change = ChangeSession(session_id=TWO, tier=tier, by="key-1")
        assert len(decide_admin(pool, change, NOON).events) == 1
        assert decide_admin(pool, change, NOON).events == []
        assert pool.index_at(NOON).units_left(IMAGE) == left
    unknown = decide_admin(pool, ChangeSession(session_id=ONE, tier="no", by="k"), NOON).answer
    assert unknown.message == "tier: expected one of [tiers] (vip), got 'no'"


def test_with_no_tier_there_is_none_to_choose() -> None:
    refused = add_items(folded(), addition("one", tier="vip")).refused

    assert refused == {"one": "tier: expected one of [tiers] (there are none), got 'vip'"}


# ------------------------------------------------------------------------ what is kept


def test_a_snapshot_has_a_shared_account_once_and_gives_it_back_shared() -> None:
    lease = lease_granted("two", request="r1")
    told = AccountChanged(session_id=ONE, used={VIDEO: 1}, quota_day=TODAY)
    pool = shared_pool(
        session_added("alone"), lease, usage(lease), lease_granted(request="r2"), told
    )

    again = decode_pool(encode_pool(pool), FORMAT)

    assert (whole(again), state_hash(again)) == (whole(pool), state_hash(pool))
    assert again.sessions[ONE].account is again.sessions[TWO].account
    evolve(again, lease_granted("two", AVATAR, request="r5"), NOON, 9)
    assert counts(again)[AVATAR] == (0, 1, False)


def test_the_recount_finds_what_the_fold_has_of_an_account() -> None:
    """Counts from before a joining, from after it, and what was only told."""
    log = WrittenLog()
    leases = [lease_granted(("one", "two")[n % 2], request=f"r{n}") for n in range(6)]
    told = AccountChanged(session_id=TWO, tier="vip", used={IMAGE: 5}, quota_day=TODAY)
    less = AccountChanged(session_id=SessionId("nobody"), used={IMAGE: 1}, quota_day=TODAY)
    log.write([policy_changed("x", tiers=VIP), session_added(), session_added("two")])
    log.write([*leases[:4], usage(leases[0]), usage(leases[1]), joined("one"), joined("two")])
    again = AccountChanged(session_id=ONE, used={IMAGE: 1}, quota_day=TODAY)
    log.write(
        [told, again, *leases[4:], usage(leases[2]), lease_expired(leases[4]), joined("one"), less]
    )

    auditor = audited(log)
    auditor.finish_audit()

    kinds = [violation.kind for violation in auditor.violations]
    assert kinds == [ViolationKind.IMPOSSIBLE_CHANGE, ViolationKind.UNKNOWN_SESSION]
    assert counts(auditor.pool) == {IMAGE: (7, 2, False)}
    auditor.pool.accounts[ACCOUNT].days[TODAY][IMAGE].used = 9
    assert [violation.about for violation in auditor.finish_audit()] == [ACCOUNT]


def test_the_recount_too_knows_what_is_too_much_for_an_account() -> None:
    log = WrittenLog()
    log.write([policy_changed(), session_added(), session_added("two"), *map(joined, (ONE, TWO))])
    told = AccountChanged(session_id=ONE, used={IMAGE: 9}, quota_day=QuotaDay(TODAY))
    log.write([told, lease_granted("one", request="r1"), lease_granted("two", request="r2")])

    assert [violation.kind for violation in audited(log).violations] == [ViolationKind.OVERSOLD]

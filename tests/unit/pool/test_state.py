"""Taking decisions back: in reverse, all of them, and never half a batch left behind."""

from typing import Any

import pytest
from msgspec.structs import replace

from contracts.base import AccountId, KeyId, LeaderElected, RequestId, ServerId, SessionId, WriterId
from contracts.pool import (
    AccountChanged,
    CheckRecorded,
    CredentialsRefused,
    GrowthHeld,
    GrowthResumed,
    LeaseCancelled,
    LeaseExpired,
    LeaseReconciled,
    LeaseRenewed,
    QuotaObserved,
    SessionChanged,
    SessionCooled,
    SessionDoubted,
    SessionJoined,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionsForgotten,
    SessionStatus,
    SessionSuspected,
    Verdict,
)
from services.pool.domain import Pool, fold_envelope
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.index.choice import Index
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    TODAY,
    WrittenLog,
    after,
    folded,
    grant,
    lease_granted,
    lease_named,
    placed,
    policy_changed,
    session_added,
    session_requested,
    usage,
    whole,
)

ONE, LEASE = SessionId("one"), lease_granted()
EXPIRED = LeaseExpired(lease_id=LEASE.lease_id, session_id=ONE)
RECONCILED = LeaseReconciled(
    lease_id=LEASE.lease_id, session_id=ONE, units=0, reason="seen", by="me"
)
CANCELLED = LeaseCancelled(
    lease_id=LEASE.lease_id, request_id=LEASE.request_id, number=1, reason="", session_id=ONE
)
FORBIDDEN = LeaseCancelled(
    lease_id=lease_named("r9"), request_id=RequestId("r9"), number=1, reason=""
)
RETIRED = SessionRetired(session_id=ONE, reason="gone")
SUSPECTED = SessionSuspected(
    session_id=ONE, server_id=ServerId("server-1"), request_id=RequestId("r1")
)
DOUBTED = SessionDoubted(
    session_id=ONE, request_id=RequestId("r1"), key_id=KeyId("key-1"), reason="answered 403"
)
REJECTED = usage(LEASE, Verdict.REJECTED, key_id=KeyId("key-1"), session_doubt=True)
SUSPECTED_TOO = replace(SUSPECTED, session_id=SessionId("two"), request_id=RequestId("r2"))
SUSPECTED_ELSEWHERE = replace(SUSPECTED, server_id=ServerId("server-2"))
BLAMED = SessionRecovered(session_id=ONE, reason="server_blamed", server_id=ServerId("server-1"))
REFUSED = CredentialsRefused(suspects=2, disabled=0)
COOLED = SessionCooled(
    session_id=ONE, until=after(60), reason="rate_limited", request_id=RequestId("r1")
)
TWO = SessionId("two")
JOINED_TWO = SessionJoined(session_id=TWO, account=AccountId("a"))
JOINED = SessionJoined(session_id=ONE, account=AccountId("a"))
CLOSED = QuotaObserved(
    session_id=ONE, service_type=IMAGE, quota_day=TODAY, request_id=RequestId("r1")
)


def test_what_was_registered_first_runs_last() -> None:
    pool = Pool()
    calls: list[int] = []

    pool.begin()
    for number in range(3):
        pool.on_rollback(calls.append, number)
    pool.rollback()

    assert calls == [2, 1, 0]


def test_what_has_stood_is_not_taken_back_with_the_next_batch() -> None:
    pool = Pool()
    calls: list[int] = []

    pool.begin()
    pool.on_rollback(calls.append, 1)
    pool.commit()
    pool.begin()
    pool.rollback()

    assert calls == []


def test_no_batch_begins_while_another_is_neither_in_the_log_nor_taken_back() -> None:
    pool = folded(session_added())
    grant(pool)

    with pytest.raises(AssertionError, match="neither in the log nor taken back"):
        pool.begin()


def test_no_envelope_is_folded_over_decisions_that_may_be_void() -> None:
    pool = folded(session_added())
    grant(pool)
    sequence, _, envelope = WrittenLog().envelopes[0]

    with pytest.raises(AssertionError, match="neither in the log nor taken back"):
        fold_envelope(pool, sequence, envelope)


def test_an_index_built_before_anything_was_decided_outlives_a_rollback() -> None:
    pool = folded(session_added(), session_added("two"))

    pool.begin()
    index = pool.index_at(NOON)
    first = lease_granted()
    for event in (first, usage(first), lease_granted("two", request="r2")):
        evolve(pool, event, NOON, 9)
    pool.rollback()

    assert pool.index_at(NOON) is index
    assert index.units_left(first.service_type) == 20


def test_an_index_built_from_what_was_taken_back_goes_with_it() -> None:
    pool = folded(session_added())

    pool.begin()
    evolve(pool, lease_granted(), NOON, 9)
    index = pool.index_at(NOON)
    pool.rollback()

    assert pool.index_at(after(1)) is not index


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], policy_changed("other", daily_limits={IMAGE: 1, AVATAR: 2})),
        ([], session_added("three")),
        ([], SessionChanged(session_id=ONE, status=SessionStatus.DRAINING)),
        ([], SessionChanged(session_id=ONE, limits={IMAGE: 1})),
        ([], RETIRED),
        ([RETIRED], SessionRevived(session_id=ONE)),
        ([LEASE, usage(LEASE), RETIRED], SessionsForgotten(session_ids=[ONE])),
        ([], SessionJoined(session_id=ONE, account=AccountId("a"))),
        ([JOINED_TWO, LEASE, EXPIRED, lease_granted(request="r2")], JOINED),
        ([JOINED_TWO, LEASE, usage(LEASE), CLOSED], JOINED),
        ([JOINED_TWO, lease_granted("two", quota_day="2024-01-01")], JOINED),
        ([JOINED_TWO, JOINED, LEASE], usage(LEASE)),
        ([JOINED_TWO, JOINED], CLOSED),
        ([], AccountChanged(session_id=ONE, tier="vip", quota_reset_hour=8)),
        ([JOINED_TWO], AccountChanged(session_id=TWO, used={IMAGE: 3}, quota_day=TODAY)),
        ([], COOLED),
        ([], SUSPECTED),
        ([SUSPECTED], SUSPECTED_TOO),
        ([SUSPECTED, SUSPECTED_TOO], BLAMED),
        ([SUSPECTED, lease_granted("two")], usage(lease_granted("two"), server="server-2")),
        ([SUSPECTED, lease_granted("two")], usage(lease_granted("two"))),
        ([SUSPECTED], SUSPECTED_ELSEWHERE),
        ([SUSPECTED], RETIRED),
        ([SUSPECTED], lease_granted(trial=True)),
        ([SUSPECTED, SUSPECTED_TOO], REFUSED),
        ([SUSPECTED, SUSPECTED_TOO, REFUSED], BLAMED),
        ([SUSPECTED, SUSPECTED_TOO, REFUSED], session_added("three")),
        ([SUSPECTED], SessionRecovered(session_id=ONE, reason="trial_succeeded")),
        ([], CLOSED),
        ([], DOUBTED),
        ([LEASE], REJECTED),
        ([LEASE, DOUBTED], usage(LEASE, key_id=KeyId("key-1"))),
        ([DOUBTED], RETIRED),
        ([], LEASE),
        ([], FORBIDDEN),
        ([LEASE], LeaseRenewed(lease_id=LEASE.lease_id, expires_at=after(1800))),
        ([LEASE], usage(LEASE)),
        ([LEASE], CANCELLED),
        ([LEASE], EXPIRED),
        ([LEASE, EXPIRED], usage(LEASE, Verdict.REJECTED)),
        ([LEASE, EXPIRED], RECONCILED),
        ([], session_requested(IMAGE, "r7")),
        ([], GrowthHeld(reason="logins_refused")),
        ([GrowthHeld(reason="logins_refused")], GrowthResumed(reason="logins_refused")),
        ([], CheckRecorded(session_id=ONE, judged="alive")),
        ([], LeaderElected(writer=WriterId("pool-2"), epoch=2)),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_that_is_taken_back_leaves_ledger_and_index_as_they_were(
    before: list[Any], event: Any
) -> None:
    pool = folded(session_added(), session_added("two"), *before)
    pool.index_at(NOON)
    ledger, standing = whole(pool), dict(pool.standing)

    pool.begin()
    evolve(pool, event, after(1), 9)

    assert whole(pool) != ledger

    # What is read of the index meanwhile is tidied on the way.
    pool.index_at(after(1)).deadlines.first_deadline()
    pool.rollback()

    assert (whole(pool), pool.standing) == (ledger, standing)
    kept, anew = pool.index_at(after(1)), Index(pool.sessions, pool.opened, pool.policy, after(1))
    assert placed(kept) == placed(anew)
    assert kept.deadlines.first_deadline() == anew.deadlines.first_deadline()

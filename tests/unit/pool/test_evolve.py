"""Any history folds; what should never be is noted."""

from datetime import UTC, datetime

import msgspec
import pytest

from contracts.base import KeyId, LeaderElected, RequestId, ServerId, SessionId, WriterId
from contracts.envelope import Envelope
from contracts.events import AnyEvent, UnknownEvent
from contracts.gateway import KeyRevoked
from contracts.pool import (
    LeaseRenewed,
    Outcome,
    PoolCheckpointed,
    PoolEvent,
    QuotaObserved,
    SessionChanged,
    SessionCooled,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionStatus,
    SessionSuspected,
    UsageRecorded,
    Verdict,
)
from services.pool.domain import HASH_VERSION, Pool, ViolationKind, fold_envelope, state_hash
from services.pool.domain.canonical import canonical_json
from services.pool.domain.ended import Mark
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    LEADER,
    NOON,
    ONE,
    TODAY,
    WrittenLog,
    after,
    folded,
    lease_cancelled,
    lease_expired,
    lease_granted,
    lease_reconciled,
    policy_changed,
    session_added,
    session_requested,
    usage,
)

NONE = SessionId("none")
LEASE = lease_granted()
CANCELLED = lease_cancelled(LEASE)
EXPIRED = lease_expired(LEASE)
UNKNOWN = usage(LEASE, Verdict.OUTCOME_UNKNOWN)


def session_cooled(request: str = "", session_id: SessionId = ONE) -> SessionCooled:
    return SessionCooled(
        session_id=session_id, until=after(9), reason="x", request_id=RequestId(request)
    )


RENEWED = LeaseRenewed(lease_id=LEASE.lease_id, expires_at=after(2000))
RECONCILED = lease_reconciled(LEASE, 0)
COOLING = SessionChanged(session_id=ONE, status=SessionStatus.COOLING)
OBSERVED = QuotaObserved(session_id=ONE, service_type=IMAGE, quota_day=TODAY)
SUSPECTED = SessionSuspected(session_id=ONE, server_id=ServerId("s"), request_id=RequestId("r0"))


@pytest.mark.parametrize(
    ("events", "kinds"),
    [
        ([lease_granted("none")], [ViolationKind.UNKNOWN_SESSION]),
        ([LEASE, LEASE], [ViolationKind.GRANTED_TWICE]),
        ([lease_granted(units=11)], [ViolationKind.OVERSOLD]),
        ([lease_granted(units=7), lease_granted(request="r2", units=4)], [ViolationKind.OVERSOLD]),
        ([lease_granted(service_type="hologram")], [ViolationKind.OVERSOLD]),
        ([OBSERVED, LEASE], [ViolationKind.GRANTED_AFTER_EXHAUSTION]),
        ([lease_cancelled(LEASE, ""), LEASE], [ViolationKind.GRANTED_AFTER_CANCEL]),
        ([usage(LEASE)], [ViolationKind.USAGE_WITHOUT_LEASE]),
        ([LEASE, usage(LEASE), usage(LEASE)], [ViolationKind.ENDED_TWICE]),
        ([LEASE, UNKNOWN, UNKNOWN], [ViolationKind.ENDED_TWICE]),
        ([LEASE, EXPIRED, EXPIRED], [ViolationKind.ENDED_TWICE]),
        ([LEASE, CANCELLED, CANCELLED], [ViolationKind.ENDED_TWICE]),
        ([LEASE, CANCELLED, usage(LEASE)], [ViolationKind.SETTLED_AFTER_CANCEL]),
        ([LEASE, CANCELLED, usage(LEASE, Verdict.REJECTED)], [ViolationKind.ENDED_TWICE]),
        ([LEASE, EXPIRED, RECONCILED, usage(LEASE)], [ViolationKind.USAGE_AFTER_RECONCILIATION]),
        ([lease_expired(lease_granted(request="x"))], [ViolationKind.END_WITHOUT_LEASE]),
        ([CANCELLED], [ViolationKind.END_WITHOUT_LEASE]),
        ([RENEWED], [ViolationKind.END_WITHOUT_LEASE]),
        ([RECONCILED], [ViolationKind.IMPOSSIBLE_CHANGE]),
        ([LEASE, EXPIRED, RECONCILED, RECONCILED], [ViolationKind.IMPOSSIBLE_CHANGE]),
        ([session_added("one")], [ViolationKind.IMPOSSIBLE_CHANGE]),
        ([COOLING], [ViolationKind.IMPOSSIBLE_CHANGE]),
        ([session_cooled("r1"), session_added("two"), session_cooled("r1", SessionId("two"))],
         [ViolationKind.PENALISED_TWICE]),
        ([session_cooled("r1"), session_cooled("r1")], []),
        ([session_cooled(session_id=NONE)], [ViolationKind.UNKNOWN_SESSION]),
        ([SessionRetired(session_id=NONE, reason="x")], [ViolationKind.UNKNOWN_SESSION]),
    ],
)  # fmt: skip
def test_what_should_never_be_is_noted(events: list[PoolEvent], kinds: list[ViolationKind]) -> None:
    pool = folded(session_added(), *events)

    assert [violation.kind for violation in pool.violations] == kinds


def test_a_violation_names_what_it_is_about_and_where_it_stands() -> None:
    pool = folded(session_added())
    evolve(pool, lease_granted(units=11), NOON, 77)

    (violation,) = pool.violations

    assert (violation.about, violation.sequence) == ("r1.1", 77)
    assert violation.message == "0 + 11 units of 10 on 2025-03-01"


def test_a_grant_noted_as_oversold_is_counted_all_the_same() -> None:
    lease = lease_granted(units=11)
    pool = folded(session_added(), lease, usage(lease))

    assert pool.sessions[ONE].account.days[TODAY][IMAGE].used == 11


def test_events_of_others_and_of_later_versions_are_skipped_and_counted() -> None:
    stranger = UnknownEvent(tag="lease_praised", raw=b"{}")
    pool = folded(stranger, stranger, KeyRevoked(key_id=KeyId("k")))
    before = state_hash(pool)

    evolve(pool, stranger, NOON, 2)

    assert pool.unknown == {"lease_praised": 3, "KeyRevoked": 1}
    assert state_hash(pool) == before


def test_requests_refusals_and_checkpoints_change_nothing() -> None:
    # That images were asked for at noon is known of the first request.
    pool = folded(session_added(), session_requested())
    before = canonical_json(pool)

    evolve(pool, session_requested(request="r2"), NOON, 2)
    evolve(pool, PoolCheckpointed(state_hash="x", hash_version=1), NOON, 2)

    assert canonical_json(pool) == before


def test_the_leader_is_the_one_elected_last() -> None:
    pool = folded(LeaderElected(writer=WriterId("a"), epoch=1))
    evolve(pool, LeaderElected(writer=WriterId("b"), epoch=2), NOON, 2)

    assert (pool.leader, pool.epoch) == ("b", 2)


@pytest.mark.parametrize(
    ("late", "risks", "used"),
    [
        (usage(LEASE), 0, True),
        (usage(LEASE, Verdict.REJECTED), 1, True),
        (usage(LEASE, Verdict.CLIENT_GONE, Outcome.RELEASED), 1, False),
    ],
)
def test_a_usage_after_a_cancellation_tells_of_its_session_what_it_would_have_told_in_time(
    late: UsageRecorded, risks: int, *, used: bool
) -> None:
    risky = SessionCooled(session_id=ONE, until=after(9), reason="risk_control")
    pool = folded(session_added(), LEASE, CANCELLED, risky)

    evolve(pool, late, after(60), 2)
    evolve(pool, late, after(90), 3)

    assert pool.sessions[ONE].risks == risks
    assert pool.used_at == ({ONE: after(60)} if used else {})


def test_a_usage_after_a_cancellation_of_a_session_that_is_not_there_is_noted() -> None:
    pool = folded(session_added(), LEASE, CANCELLED)

    evolve(pool, msgspec.structs.replace(usage(LEASE), session_id=NONE), NOON, 2)

    assert [found.kind for found in pool.violations] == [ViolationKind.SETTLED_AFTER_CANCEL]


def test_the_end_of_time_folds() -> None:
    second, third = lease_granted(request="r2"), lease_granted(request="r3")
    pool = folded(session_added(), LEASE, second, third)
    end = datetime.max.replace(tzinfo=UTC)

    for event in (usage(LEASE), usage(third), lease_expired(second)):
        evolve(pool, event, end, 2)

    assert pool.leases[second.lease_id].charged == second.units
    assert [pool.ended.mark_of(lease.lease_id) for lease in (LEASE, third)] == [Mark.SETTLED] * 2


def test_a_suspicion_in_the_log_is_lifted_by_recovery_revival_or_change() -> None:
    lifted: list[AnyEvent] = [
        SessionRecovered(session_id=ONE, reason="trial_succeeded"),
        SessionRevived(session_id=ONE),
        SessionChanged(session_id=ONE, status=SessionStatus.ACTIVE),
    ]

    for event in lifted:
        pool = folded(session_added(), SUSPECTED, event)
        assert pool.standing[SessionStatus.SUSPECT] == 0
        assert pool.standing[SessionStatus.ACTIVE] == 1


def test_only_an_operators_recovery_ends_cool_down_and_disablement() -> None:
    disabled = SessionChanged(session_id=ONE, status=SessionStatus.DISABLED)
    events = [session_added(), session_cooled(), disabled]

    alone = folded(*events, SessionRecovered(session_id=ONE, reason="server_blamed"))
    asked = folded(*events, SessionRecovered(session_id=ONE, reason="x", by="me"))
    cool = folded(
        session_added(), session_cooled(), SessionRecovered(session_id=ONE, reason="x", by="me")
    )

    assert alone.sessions[ONE].cooling_until == after(9)
    assert alone.sessions[ONE].status is SessionStatus.DISABLED
    assert asked.sessions[ONE].cooling_until is None
    assert asked.sessions[ONE].status is SessionStatus.ACTIVE
    assert cool.sessions[ONE].status is SessionStatus.ACTIVE


def test_an_envelope_is_folded_as_a_whole_and_cannot_be_taken_back() -> None:
    log = WrittenLog()
    log.write([policy_changed(), session_added(), LEASE, usage(LEASE)])
    pool = Pool()

    for sequence, _, envelope in log.envelopes:
        fold_envelope(pool, sequence, envelope)
    pool.rollback()

    assert (pool.sequence, pool.leader, len(pool.ended)) == (2, LEADER, 1)


def test_an_envelope_without_events_changes_nothing_but_the_place() -> None:
    pool = folded(session_added())
    before = state_hash(pool)

    empty = Envelope(
        writer=LEADER, epoch=1, number=2, time=after(10**6), previous_hash="", events=[]
    )
    fold_envelope(pool, 9, empty)

    assert (state_hash(pool), pool.sequence) == (before, 9)


def test_the_hash_tells_ledgers_apart_and_only_ledgers() -> None:
    pool = folded(session_added(), lease_granted(service_type=AVATAR))
    same = folded(session_added(), lease_granted(service_type=AVATAR))
    same.note_supply(growing=True)
    same.sequence = 99
    same.index_at(NOON)

    assert state_hash(pool) == state_hash(same)
    assert state_hash(pool) != state_hash(folded(session_added(), LEASE))


def test_the_hash_tells_how_many_leases_have_ended_and_what_they_left_used() -> None:
    lease = lease_granted()
    used = folded(session_added(), lease, usage(lease))
    given_back = folded(session_added(), lease, usage(lease, Verdict.REJECTED))
    twice = lease_granted(request="r2")
    both = folded(
        session_added(), lease, twice, *(usage(one, Verdict.REJECTED) for one in (lease, twice))
    )

    assert len({state_hash(pool) for pool in (used, given_back, both)}) == 3


def test_the_form_that_is_hashed_has_not_changed_within_its_version() -> None:
    """A record that gains a field changes it: raise `HASH_VERSION`, unless it is not released."""
    open_, overdue = lease_granted(request="r2"), lease_granted(request="r3")
    ends = [usage(LEASE), lease_expired(overdue)]
    troubles = [SUSPECTED, session_cooled("r9"), lease_cancelled(LEASE, "")]
    pool = folded(session_added(), LEASE, open_, overdue, *ends, *troubles)

    expected = "d68632e0b32c2d9a2ee3ec4e7dafdf7cf96662cf2f5fe10bcc0678a47958f2c7"
    assert (HASH_VERSION, state_hash(pool)) == (4, expected)


def test_an_end_may_be_taken_back_before_anything_was_decided() -> None:
    lease = lease_granted()
    pool = folded(session_added(), lease)
    before = state_hash(pool)

    pool.begin()
    evolve(pool, usage(lease), NOON, 9)

    assert state_hash(pool) != before

    pool.rollback()

    assert state_hash(pool) == before


def test_a_grant_may_be_taken_back_before_anything_was_decided() -> None:
    pool = folded(session_added())
    before = state_hash(pool)

    pool.begin()
    evolve(pool, lease_granted(), NOON, 9)

    assert state_hash(pool) != before

    pool.rollback()

    assert state_hash(pool) == before

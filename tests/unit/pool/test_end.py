"""A lease has one end, and two corrections."""

import pytest

from contracts.base import Failed, LeaseId, SessionId
from contracts.pool import (
    CancelAnswer,
    Done,
    EndAnswer,
    LeaseCancelled,
    LeaseExpired,
    LeaseRenewed,
    Outcome,
    PoolEvent,
    ReconcileLease,
    Verdict,
)
from services.pool.domain import (
    Pool,
    ViolationKind,
    decide_admin,
    decide_cancel,
    decide_end,
    decide_renew,
    next_wakeup,
    sweep_overdue,
)
from services.pool.domain.decide.upkeep import SWEPT_MAX
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.records import Tally
from tests.unit.pool.builders import (
    IMAGE,
    NOON,
    TODAY,
    after,
    cancel,
    folded,
    grant,
    lease_cancelled,
    lease_expired,
    lease_granted,
    lease_named,
    lease_reconciled,
    policy_changed,
    session_added,
    usage,
)

LEASE = lease_granted(units=4)
DAYS_8 = 8 * 86_400
EXPIRED = lease_expired(LEASE)


def leased_pool(*events: PoolEvent) -> Pool:
    return folded(session_added(), LEASE, *events)


def account(pool: Pool) -> tuple[int, int]:
    known: Tally = pool.sessions[SessionId("one")].account.days[TODAY][IMAGE]
    return known.used, known.reserved


def violation_kinds(pool: Pool) -> list[ViolationKind]:
    return [violation.kind for violation in pool.violations]


@pytest.mark.parametrize(
    ("outcome", "units", "used"),
    [
        (Outcome.SETTLED, 4, 4),
        (Outcome.SETTLED, 3, 3),
        (Outcome.RELEASED, 0, 0),
        (Outcome.UNKNOWN, 0, 4),
        (Outcome.EXPIRED, 0, 4),  # not a usage's to say: nobody knows
    ],
)
def test_an_end_uses_what_was_used_and_gives_back_the_rest(
    outcome: Outcome, units: int, used: int
) -> None:
    pool = leased_pool()

    decision = decide_end(pool, usage(LEASE, Verdict.REJECTED, outcome, units=units), NOON)

    assert decision.answer is EndAnswer.JOURNALLED
    assert account(pool) == (used, 0)
    assert (pool.opened, pool.sessions[SessionId("one")].open_leases) == ({}, 0)


def test_a_lease_never_ends_with_more_than_it_reserved() -> None:
    pool = leased_pool()

    decide_end(pool, usage(LEASE, units=9), NOON)

    assert account(pool) == (4, 0)
    assert violation_kinds(pool) == [ViolationKind.USAGE_BEYOND_LEASE]


def test_a_usage_on_another_session_than_leased_is_a_violation() -> None:
    pool = folded(session_added("one"), session_added("two"), LEASE)
    other = usage(lease_granted("two", units=4))

    decide_end(pool, other, NOON)

    assert (account(pool), violation_kinds(pool)) == ((4, 0), [ViolationKind.USAGE_BEYOND_LEASE])


def test_a_usage_handed_in_again_is_answered_without_an_event() -> None:
    pool = leased_pool()
    decide_end(pool, usage(LEASE), NOON)

    again = decide_end(pool, usage(LEASE, Verdict.OUTCOME_UNKNOWN), NOON)

    assert (again.events, again.answer) == ([], EndAnswer.JOURNALLED)


def test_a_usage_for_a_lease_not_in_the_fold_is_not_journalled() -> None:
    decision = decide_end(folded(session_added()), usage(LEASE), NOON)

    assert (decision.events, decision.answer) == ([], EndAnswer.UNKNOWN_LEASE)


def test_a_lease_without_a_word_expires_at_its_deadline_and_its_units_stay_used() -> None:
    pool = leased_pool()

    assert next_wakeup(pool, NOON) == after(900)
    assert sweep_overdue(pool, after(899)) == []

    assert sweep_overdue(pool, after(900)) == [EXPIRED]

    assert account(pool) == (4, 0)
    assert (sweep_overdue(pool, after(901)), next_wakeup(pool, after(901))) == ([], None)


def test_a_sweep_is_bounded_and_asks_for_the_next_at_once() -> None:
    limits = {IMAGE: 5000}
    leases = [lease_granted(request=f"r{number}") for number in range(SWEPT_MAX + 3)]
    pool = folded(policy_changed(daily_limits=limits), session_added(), *leases)

    assert len(sweep_overdue(pool, after(1000))) == SWEPT_MAX
    assert next_wakeup(pool, after(1000)) == after(900)
    assert len(sweep_overdue(pool, after(1000))) == 3


@pytest.mark.parametrize(
    ("outcome", "used", "uncertain"),
    [(Outcome.SETTLED, 3, set()), (Outcome.RELEASED, 0, set()), (Outcome.UNKNOWN, 4, {"r1.1"})],
)
def test_a_late_usage_corrects_an_expiry(outcome: Outcome, used: int, uncertain: set[str]) -> None:
    pool = leased_pool(EXPIRED)
    pool.index_at(NOON)

    decision = decide_end(pool, usage(LEASE, Verdict.REJECTED, outcome, units=3), after(950))

    assert decision.answer is EndAnswer.JOURNALLED
    assert account(pool) == (used, 0)
    assert set(pool.uncertain) == uncertain
    assert decide_end(pool, usage(LEASE), after(951)).events == []
    assert pool.violations == []


def test_settled_usage_of_a_cancelled_lease_is_journalled_once_and_moves_nothing() -> None:
    pool = leased_pool()
    decide_cancel(pool, cancel(), NOON)

    decision = decide_end(pool, usage(LEASE), NOON)

    assert decision.events == [usage(LEASE)]
    assert (account(pool), violation_kinds(pool)) == ((0, 0), [ViolationKind.SETTLED_AFTER_CANCEL])
    assert decide_end(pool, usage(LEASE), NOON).events == []


def test_any_other_usage_of_a_cancelled_lease_changes_nothing() -> None:
    pool = leased_pool()
    decide_cancel(pool, cancel(), NOON)

    decision = decide_end(pool, usage(LEASE, Verdict.RATE_LIMITED), NOON)

    assert (decision.events, decision.answer) == ([], EndAnswer.JOURNALLED)


# -------------------------------------------------------------------- reconciliation


def reconcile(pool: Pool, units: int = 0, at: float = 4500, **fields: str) -> object:
    command = ReconcileLease(
        lease_id=LeaseId(fields.get("lease", LEASE.lease_id)),
        units=units,
        reason=fields.get("reason", "asked the operator"),
        by="me",
    )
    return decide_admin(pool, command, after(at)).answer


def message(answer: object) -> str:
    assert isinstance(answer, Failed), answer
    return answer.message


def test_an_operator_settles_what_nobody_knew() -> None:
    pool = leased_pool(EXPIRED)

    assert reconcile(pool, 1) == Done(changed=[LEASE.lease_id])

    assert account(pool) == (1, 0)
    assert pool.uncertain == {}
    assert reconcile(pool, 1) == Done()
    assert "reconciled" in message(reconcile(pool, 2))


def test_reconciliation_waits_an_hour_past_the_deadline() -> None:
    assert "not before 3600 s" in message(reconcile(leased_pool(EXPIRED), at=4499))


def test_only_unknown_and_expired_leases_are_reconciled() -> None:
    assert "the lease is open" in message(reconcile(leased_pool()))
    assert "the lease is settled" in message(reconcile(leased_pool(usage(LEASE))))
    assert reconcile(leased_pool(usage(LEASE, Verdict.OUTCOME_UNKNOWN))) == Done(
        changed=[LEASE.lease_id]
    )


def test_a_reconciliation_needs_a_known_lease_a_reason_and_units_within_it() -> None:
    pool = leased_pool(EXPIRED)

    assert "there is no lease" in message(reconcile(pool, lease="r9.1"))
    assert "reason" in message(reconcile(pool, reason=""))
    assert "at most the 4" in message(reconcile(pool, 5))


def test_usage_after_units_were_given_back_moves_nothing_and_is_a_violation() -> None:
    pool = leased_pool(EXPIRED, lease_reconciled(LEASE, 1))

    decision = decide_end(pool, usage(LEASE, Verdict.SUCCESS), after(5000))

    assert decision.events == [usage(LEASE)]
    assert (account(pool), violation_kinds(pool)) == (
        (1, 0),
        [ViolationKind.USAGE_AFTER_RECONCILIATION],
    )
    assert decide_end(pool, usage(LEASE), after(5001)).events == []


def test_usage_that_agrees_with_the_reconciliation_is_no_violation() -> None:
    pool = leased_pool(EXPIRED, lease_reconciled(LEASE, 4))

    decide_end(pool, usage(LEASE, Verdict.LOGIN_EXPIRED), after(5000))

    assert (account(pool), pool.violations) == ((4, 0), [])
    assert pool.sessions[SessionId("one")].suspected_at is None


# ------------------------------------------------------------- renewals, cancellations


def test_a_renewal_moves_the_deadline_to_one_lease_time_from_now() -> None:
    pool = leased_pool()
    pool.index_at(NOON)

    decision = decide_renew(pool, LEASE.lease_id, after(300))

    assert decision.events == [LeaseRenewed(lease_id=LEASE.lease_id, expires_at=after(1200))]
    assert decision.answer.expires_in_s == 900.0
    assert sweep_overdue(pool, after(900)) == []
    assert next_wakeup(pool, after(900)) == after(1200)


def test_a_renewal_never_moves_a_deadline_back() -> None:
    pool = leased_pool(policy_changed("shorter", lease_ttl_s=10.0))

    decision = decide_renew(pool, LEASE.lease_id, after(300))

    assert (decision.events, decision.answer.expires_in_s) == ([], 600.0)


def test_an_ended_or_unknown_lease_is_not_renewed() -> None:
    pool = leased_pool(usage(LEASE))

    assert decide_renew(pool, LEASE.lease_id, NOON).answer.expires_in_s is None
    assert decide_renew(pool, LeaseId("x.1"), NOON).events == []


def test_a_lease_given_back_gives_its_units_back() -> None:
    pool = leased_pool()

    decision = decide_cancel(pool, cancel(), NOON)

    assert decision.answer is CancelAnswer.CANCELLED
    assert account(pool) == (0, 0)
    again = decide_cancel(pool, cancel(), NOON)
    assert (again.events, again.answer) == ([], CancelAnswer.CANCELLED)


def test_a_cancellation_comes_too_late_for_a_lease_that_ended_otherwise() -> None:
    decision = decide_cancel(leased_pool(EXPIRED), cancel(), NOON)

    assert (decision.events, decision.answer) == ([], CancelAnswer.ENDED)


def test_forbidding_an_id_twice_is_journalled_once() -> None:
    pool = folded(session_added())

    assert len(decide_cancel(pool, cancel(), NOON).events) == 1
    assert decide_cancel(pool, cancel(), NOON).events == []


# ------------------------------------------------------------------ leaving the fold


def test_ended_leases_leave_the_fold_after_eight_days_of_log_time() -> None:
    second = lease_granted(request="r2")
    pool = folded(session_added(), LEASE, second, usage(LEASE))
    evolve(pool, LeaseExpired(lease_id=second.lease_id, session_id=second.session_id), NOON, 2)
    decide_cancel(pool, cancel("r3"), NOON)

    evolve(pool, session_added("two"), after(DAYS_8 - 1), 3)

    assert (set(pool.leases), len(pool.ended)) == ({second.lease_id}, 2)

    evolve(pool, session_added("three"), after(DAYS_8), 4)

    assert (pool.leases, pool.uncertain, len(pool.ended)) == ({}, {}, 0)
    assert account(pool) == (5, 0)
    assert decide_end(pool, usage(LEASE), after(DAYS_8)).answer is EndAnswer.UNKNOWN_LEASE


def test_open_leases_stay_however_old() -> None:
    pool = leased_pool()

    evolve(pool, session_added("two"), after(2 * DAYS_8), 2)

    assert LEASE.lease_id in pool.leases


def test_a_session_keeps_the_counts_of_sixteen_days() -> None:
    days = ["2025-03-01", "2025-03-16", "2025-03-17", "2025-03-18"]
    pool = folded(
        session_added(),
        *(lease_granted(request=day, quota_day=day) for day in days),
    )

    assert list(pool.sessions[SessionId("one")].account.days) == days[1:]


def test_a_quota_day_that_is_no_date_folds_all_the_same() -> None:
    pool = leased_pool(lease_granted(request="r2", quota_day="someday"))

    assert set(pool.sessions[SessionId("one")].account.days) == {TODAY, "someday"}


def test_a_grant_taken_back_leaves_no_trace() -> None:
    pool = folded(session_added())
    pool.begin()
    grant(pool)
    pool.rollback()

    assert (pool.leases, pool.opened) == ({}, {})
    assert sweep_overdue(pool, after(1000)) == []
    assert lease_named() == grant(pool).lease_id


def test_an_end_taken_back_can_be_journalled_again() -> None:
    trial = lease_granted(request="r2", trial=True)
    pool = folded(session_added(), LEASE, trial)
    pool.index_at(NOON)
    pool.begin()
    decide_end(pool, usage(LEASE), NOON)
    decide_cancel(pool, cancel("r2"), NOON)
    pool.rollback()

    assert (set(pool.opened), account(pool)) == ({"r1.1", "r2.1"}, (0, 5))
    assert pool.sessions[SessionId("one")].trial == trial.lease_id
    assert decide_end(pool, usage(LEASE), NOON).events == [usage(LEASE)]


def test_a_decision_does_not_lean_on_what_leaves_the_fold_at_its_own_moment() -> None:
    late = after(DAYS_8)

    assert decide_end(leased_pool(EXPIRED), usage(LEASE), late).answer is EndAnswer.UNKNOWN_LEASE
    assert "there is no lease" in message(reconcile(leased_pool(EXPIRED), at=DAYS_8))
    (event,) = decide_cancel(leased_pool(EXPIRED), cancel(), late).events
    assert isinstance(event, LeaseCancelled)
    assert event.session_id == ""
    forgotten = leased_pool(usage(LEASE))
    assert grant(forgotten, now=late).lease_id == LEASE.lease_id


def test_a_cancellation_in_the_log_of_a_lease_with_an_end_is_a_violation() -> None:
    cancelled = lease_cancelled(LEASE, "")

    assert violation_kinds(leased_pool(usage(LEASE), cancelled)) == [ViolationKind.ENDED_TWICE]

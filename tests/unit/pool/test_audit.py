"""The audit convicts by name, and only the guilty."""

from datetime import timedelta

import pytest

from contracts.base import KeyId, LeaderElected, LeaseId, RequestId, ServerId, SessionId, WriterId
from contracts.envelope import Link, decode_envelope, link_to, seal_events
from contracts.gateway import KeyRevoked
from contracts.pool import (
    LeaseGranted,
    Policy,
    PolicyChanged,
    PoolCheckpointed,
    PoolEvent,
    QuotaObserved,
    SessionChanged,
    SessionCooled,
    SessionSuspected,
    Verdict,
)
from services.pool.audit import Chain, Totals, Violation, ViolationKind
from services.pool.domain import HASH_VERSION, Pool, checkpoint_ledger, fold_envelope, state_hash
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    LEADER,
    NOON,
    ONE,
    TODAY,
    VIDEO,
    WrittenLog,
    after,
    audited,
    lease_cancelled,
    lease_expired,
    lease_granted,
    lease_reconciled,
    policy_changed,
    session_added,
    usage,
)

LEASE = lease_granted(units=2)
EXPIRED = lease_expired(LEASE)
CANCELLED = lease_cancelled(LEASE)
BEGINNING = [policy_changed(), session_added("one"), session_added("two")]


def written(*events: PoolEvent) -> WrittenLog:
    log = WrittenLog()
    log.write(BEGINNING)
    for event in events:
        log.write([event])
    return log


def verdict(*events: PoolEvent) -> list[ViolationKind]:
    return [violation.kind for violation in audited(written(*events)).violations]


# -------------------------------------------------------------------------------- events


@pytest.mark.parametrize(
    ("events", "kinds"),
    [
        ([LEASE, usage(LEASE)], []),
        ([LEASE, CANCELLED], []),
        ([LEASE, EXPIRED, usage(LEASE)], []),
        ([LEASE, EXPIRED, lease_reconciled(LEASE, 2), usage(LEASE)], []),
        ([LEASE, EXPIRED, lease_reconciled(LEASE, 0), usage(LEASE, Verdict.REJECTED)], []),
        ([LEASE, usage(LEASE, Verdict.OUTCOME_UNKNOWN), lease_reconciled(LEASE, 1)], []),
        ([lease_granted(units=10), lease_granted(request="r2")], [ViolationKind.OVERSOLD]),
        ([LEASE, LEASE], [ViolationKind.GRANTED_TWICE]),
        ([lease_granted("nobody")], [ViolationKind.UNKNOWN_SESSION]),
        ([LEASE, usage(LEASE), usage(LEASE)], [ViolationKind.ENDED_TWICE]),
        ([LEASE, usage(LEASE), EXPIRED], [ViolationKind.ENDED_TWICE]),
        ([LEASE, CANCELLED, CANCELLED], [ViolationKind.ENDED_TWICE]),
        ([LEASE, CANCELLED, usage(LEASE, Verdict.REJECTED)], [ViolationKind.ENDED_TWICE]),
        ([usage(LEASE)], [ViolationKind.USAGE_WITHOUT_LEASE]),
        ([EXPIRED], [ViolationKind.END_WITHOUT_LEASE]),
        ([CANCELLED], [ViolationKind.END_WITHOUT_LEASE]),
        ([LEASE, CANCELLED, usage(LEASE)], [ViolationKind.SETTLED_AFTER_CANCEL]),
        (
            [LEASE, EXPIRED, lease_reconciled(LEASE, 1), usage(LEASE)],
            [ViolationKind.USAGE_AFTER_RECONCILIATION],
        ),
        ([lease_reconciled(LEASE, 1)], [ViolationKind.IMPOSSIBLE_CHANGE]),
        ([LEASE, lease_reconciled(LEASE, 1)], [ViolationKind.IMPOSSIBLE_CHANGE]),
    ],
)
def test_a_log_is_judged_by_its_leases(events: list[PoolEvent], kinds: list[ViolationKind]) -> None:
    assert verdict(*events) == kinds


def test_an_end_of_a_lease_that_has_left_the_fold_is_told_once() -> None:
    # The fold knows no such lease any more, the recount knows that it had ended.
    log = written(LEASE, usage(LEASE))
    log.write([usage(LEASE)], after(9 * 86_400))

    assert [one.kind for one in audited(log).violations] == [ViolationKind.USAGE_WITHOUT_LEASE]


def test_a_request_number_granted_under_two_lease_ids_is_granted_twice() -> None:
    other = LeaseGranted(
        lease_id=LeaseId("else"),
        request_id=LEASE.request_id,
        number=1,
        session_id=ONE,
        service_type=IMAGE,
        quota_day=TODAY,
        units=1,
        send_by=after(30),
        expires_at=after(900),
    )

    assert verdict(LEASE, other) == [ViolationKind.GRANTED_TWICE]


def test_a_request_that_penalises_two_sessions_is_named() -> None:
    request = RequestId("r1")
    penalties: list[PoolEvent] = [
        SessionCooled(session_id=ONE, until=after(9), reason="x", request_id=request),
        SessionSuspected(session_id=SessionId("two"), server_id=ServerId("s"), request_id=request),
        QuotaObserved(session_id=ONE, service_type=IMAGE, quota_day=TODAY, request_id=request),
    ]

    (violation,) = audited(written(*penalties)).violations

    assert (violation.kind, violation.about) == (ViolationKind.PENALISED_TWICE, "r1")


def test_what_a_request_did_eight_days_ago_is_forgotten() -> None:
    log = written()
    for name, seconds in (("one", 0), ("two", 8 * 86_400)):
        event = SessionCooled(
            session_id=SessionId(name), until=NOON, reason="x", request_id=RequestId("r1")
        )
        log.write([event], after(seconds))

    assert audited(log).violations == []


def test_forbidding_an_id_whose_lease_has_left_the_fold_is_no_second_end() -> None:
    log = written(LEASE, usage(LEASE))
    forbidden = lease_cancelled(LEASE, "")
    log.write([forbidden], after(8 * 86_400))

    assert audited(log).violations == []


def test_a_cancellation_that_names_no_session_still_ends_an_open_lease() -> None:
    forbidden = lease_cancelled(LEASE, "")

    auditor = audited(written(LEASE, forbidden))

    assert auditor.violations == []
    assert auditor.unit_totals()[TODAY, ONE, IMAGE] == Totals(cancelled=2)


def test_an_operators_penalty_belongs_to_no_request() -> None:
    both = [
        SessionCooled(session_id=SessionId(name), until=after(9), reason="x", by="me")
        for name in ("one", "two")
    ]

    assert verdict(*both) == []


@pytest.mark.parametrize(
    ("before", "kinds"),
    [
        (SessionChanged(session_id=ONE, limits={IMAGE: 1}), [ViolationKind.OVERSOLD]),
        (SessionChanged(session_id=ONE, limits={VIDEO: 1}), []),
        (SessionChanged(session_id=ONE, reason="x"), []),
        (
            PolicyChanged(policy=Policy(daily_limits={IMAGE: 1}), source="b"),
            [ViolationKind.OVERSOLD],
        ),
        (PolicyChanged(policy=Policy(daily_limits={IMAGE: 2}), source="b"), []),
    ],
)
def test_the_limit_is_the_one_in_force_at_the_grants_place(
    before: PoolEvent, kinds: list[ViolationKind]
) -> None:
    assert verdict(before, LEASE) == kinds
    assert verdict(LEASE, before) == []


def test_limits_of_a_session_nobody_knows_are_nobodys() -> None:
    stranger = SessionChanged(session_id=SessionId("x"), limits={IMAGE: 1})

    assert verdict(stranger) == [ViolationKind.UNKNOWN_SESSION]


def test_a_violation_is_told_once_with_its_place_in_the_stream() -> None:
    log = written(lease_granted(units=11))

    (violation,) = audited(log).violations

    assert violation == Violation(
        ViolationKind.OVERSOLD, "r1.1", "0 + 11 units of 10 on 2025-03-01", log.envelopes[-1][0]
    )


# --------------------------------------------------------------------------------- chain


def fed(chain: Chain, link: Link, time: float = 0, **fields: object) -> list[ViolationKind]:
    """What a chain says of an envelope written behind `link`."""
    values = {"writer": LEADER, "epoch": 1, "events": [], **fields}
    stored = seal_events(
        link, values["writer"], values["epoch"], after(time), values["events"]  # type: ignore[arg-type]
    )  # fmt: skip
    return [violation.kind for violation in chain.audit_link(7, stored, decode_envelope(stored))]


def begun(*, elected: bool = True) -> Chain:
    chain = Chain("evt.pool.0", elected=elected)
    elected = LeaderElected(writer=LEADER, epoch=1)
    assert fed(chain, Link(), events=[elected]) == []
    return chain


def test_an_unbroken_chain_is_fine() -> None:
    chain = begun()

    assert fed(chain, chain.link, 1) == []
    assert fed(chain, chain.link, 1) == []


def test_a_missing_number_is_named() -> None:
    chain = begun()
    link = Link(9, chain.link.number + 1, "0" * 64)

    assert fed(chain, link) == [ViolationKind.NUMBER_MISSING]
    assert fed(chain, chain.link) == []


def test_a_number_that_was_there_is_named_and_the_next_one_follows_what_stood_before() -> None:
    chain = begun()
    before = chain.link
    fed(chain, chain.link)

    assert fed(chain, before, writer=WriterId("foreign")) == [ViolationKind.NUMBER_REPEATED]
    assert fed(chain, chain.link) == []


def test_an_envelope_that_was_altered_breaks_the_chain() -> None:
    chain = begun()

    assert fed(chain, Link(9, chain.link.number, "0" * 64)) == [ViolationKind.CHAIN_BROKEN]


def test_time_that_goes_back_is_named() -> None:
    chain = begun()

    assert fed(chain, chain.link, -1) == [ViolationKind.TIME_WENT_BACK]


def test_a_foreign_epoch_or_writer_is_a_stale_leader() -> None:
    chain = begun()
    other = WriterId("pool-2")

    assert fed(chain, chain.link, epoch=2) == [ViolationKind.STALE_LEADER]
    assert fed(chain, chain.link, writer=other) == [ViolationKind.STALE_LEADER]
    elected = LeaderElected(writer=other, epoch=2)
    assert fed(chain, chain.link, writer=other, epoch=2, events=[elected]) == []
    assert fed(chain, chain.link) == [ViolationKind.STALE_LEADER]


def test_an_election_to_an_epoch_that_has_been_is_void() -> None:
    chain = begun()
    other = WriterId("pool-2")
    elected = LeaderElected(writer=other, epoch=1)

    assert fed(chain, chain.link, writer=other, events=[elected]) == [ViolationKind.STALE_LEADER]


def test_before_the_first_election_nobody_may_write() -> None:
    assert fed(Chain("evt.pool.0"), Link()) == [ViolationKind.STALE_LEADER]


def test_a_subject_without_leader_is_written_by_whom_the_fence_lets() -> None:
    chain = begun(elected=False)

    assert fed(chain, chain.link, writer=WriterId("gateway-9"), epoch=0) == []


def test_the_auditor_judges_the_chain_too() -> None:
    log = written()
    sequence, stored, envelope = log.envelopes.pop()
    auditor = audited(log)

    forged = stored.replace(b'"one"', b'"two"', 1)

    assert auditor.audit_envelope(sequence, forged, decode_envelope(forged)) != []
    again = seal_events(
        link_to(sequence, stored, envelope), LEADER, 1, NOON + timedelta(seconds=1), [LEASE]
    )

    (violation,) = auditor.audit_envelope(sequence + 1, again, decode_envelope(again))[:1]

    assert (violation.kind, violation.about) == (ViolationKind.CHAIN_BROKEN, "evt.pool.0")


# ---------------------------------------------------------------------- hashes and totals


def test_a_checkpoint_that_hashes_to_what_the_log_folds_to_is_fine() -> None:
    log = written(LEASE, usage(LEASE))
    pool = Pool()
    for sequence, _, envelope in log.envelopes:
        fold_envelope(pool, sequence, envelope)
    log.write([PoolCheckpointed(state_hash=state_hash(pool), hash_version=HASH_VERSION)])

    assert audited(log).violations == []

    log.write([PoolCheckpointed(state_hash="0" * 64, hash_version=HASH_VERSION)])
    log.write([PoolCheckpointed(state_hash="0" * 64, hash_version=HASH_VERSION + 1)])

    auditor = audited(log)
    assert [violation.kind for violation in auditor.violations] == [
        ViolationKind.STATE_HASH_DIFFERS
    ]
    assert auditor.checkpoints == 2


def test_a_checkpoint_is_of_the_ledger_at_its_own_moment() -> None:
    log = written(LEASE, usage(LEASE))
    pool = Pool()
    for sequence, _, envelope in log.envelopes:
        fold_envelope(pool, sequence, envelope)

    # The lease leaves the fold at the very moment of the checkpoint.
    late = after(8 * 86_400)
    log.write(checkpoint_ledger(pool, late), late)

    assert audited(log).violations == []


def test_totals_tell_what_became_of_every_unit() -> None:
    leases = [lease_granted(request=f"r{number}") for number in range(6)]
    video = lease_granted("two", VIDEO, "v")
    unknown = usage(leases[2], Verdict.OUTCOME_UNKNOWN)
    auditor = audited(
        written(
            *leases,
            video,
            usage(leases[0]),
            usage(leases[1], Verdict.REJECTED),
            unknown,
            lease_expired(leases[3]),
            lease_cancelled(leases[4]),
            usage(video, Verdict.OUTCOME_UNKNOWN),
            lease_reconciled(video, 1),
        )
    )

    assert auditor.violations == []
    totals = auditor.unit_totals()
    assert totals[TODAY, ONE, IMAGE] == Totals(
        reserved=1, settled=1, released=1, unknown=1, expired=1, cancelled=1
    )
    assert totals[TODAY, ONE, IMAGE].used == 3
    assert totals[TODAY, SessionId("two"), VIDEO] == Totals(reconciled=1)
    assert (auditor.envelopes, auditor.events) == (16, 18)


def test_a_fold_that_counts_otherwise_than_the_recount_is_convicted() -> None:
    auditor = audited(written(LEASE))
    auditor.pool.sessions[ONE].account.days[TODAY][IMAGE].used = 5

    (violation,) = auditor.finish_audit()

    assert (violation.kind, violation.about) == (ViolationKind.RECOUNT_DIFFERS, "one")
    assert "the fold has 5 used and 2 reserved, the recount 0 and 2" in violation.message


def test_days_that_have_left_the_fold_are_not_compared() -> None:
    old = lease_granted(service_type=AVATAR, quota_day="2025-01-01")

    assert verdict(old, lease_cancelled(old), lease_granted(request="r2")) == []


def test_events_of_other_services_are_no_violation() -> None:
    assert verdict(KeyRevoked(key_id=KeyId("k"))) == []  # type: ignore[arg-type]


def test_a_stray_is_named_and_not_folded() -> None:
    log = written()
    auditor = audited(log)
    stray = seal_events(Link(), WriterId("stranger"), 0, NOON, [session_added("forged")])

    (violation,) = auditor.audit_envelope(auditor.pool.sequence + 1, stray, decode_envelope(stray))

    assert violation.kind is ViolationKind.NUMBER_REPEATED
    assert "forged" not in auditor.pool.sessions

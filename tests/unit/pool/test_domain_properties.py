"""Laws of the ledger, in every prefix of any history (ARCHITECTURE.md, "Never true").

`Leading` plays a leader through whatever hypothesis thinks of: requests, usages late and twice,
cancellations, operators, failed appends, days going by. After every step the auditor has read
the log, and what it says is the verdict. `test_…` below feed events no leader would write.
"""

from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.base import AccountId, KeyId, LeaseId, RequestId, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    CancelLease,
    ChangeSession,
    CheckRecorded,
    DropWaits,
    Granted,
    KeyRotationBegan,
    KeyRotationEnded,
    LeaseExpired,
    LeaseGranted,
    LeaseReconciled,
    LeaseWanted,
    Outcome,
    Policy,
    PoolEvent,
    QuotaObserved,
    ReconcileLease,
    RecordCheck,
    Refused,
    SessionChanged,
    SessionCooled,
    SessionDoubted,
    SessionRecovered,
    SessionRetired,
    SessionStatus,
    SessionSuspected,
    UsageRecorded,
    Verdict,
)
from services.pool.audit import Auditor, ViolationKind
from services.pool.domain import (
    Pool,
    checkpoint_ledger,
    decide_admin,
    decide_cancel,
    decide_end,
    decide_forget,
    decide_growth,
    decide_lease,
    decide_policy,
    decide_renew,
    decide_retire_stale,
    fold_envelope,
    growth_of,
    serve_waiting,
    stale_sessions,
    state_hash,
    sweep_overdue,
    tend_waits,
)
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.index.choice import Index
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    TODAY,
    VIDEO,
    WrittenLog,
    cancel,
    folded,
    lease_granted,
    lease_wanted,
    placed,
    policy_changed,
    session_added,
    session_requested,
    usage,
    whole,
)

TYPES = (IMAGE, VIDEO, AVATAR)
NAMES = ("one", "two", "three")
SERVERS = ("server-1", "server-2")
KEYS = ("key-1", "key-2", "")
ZONES = ("", "Asia/Shanghai")
ORIGINS = ("admin", "http")
ACCOUNTS = ("", "", "shared", "other")
TIERS = ({}, {"vip": {IMAGE: 4}}, {"vip": {VIDEO: 1}})
REGIONS = {"one": "us", "two": "jp", "three": ""}
BOUNDS = {IMAGE: 3, VIDEO: 2, AVATAR: 1}
GATEWAYS_FAULT = {ViolationKind.SETTLED_AFTER_CANCEL, ViolationKind.USAGE_AFTER_RECONCILIATION}
"""What a gateway may do wrong and the log must show; nothing else may ever be wrong."""

USAGES_FAULT = {*GATEWAYS_FAULT, ViolationKind.USAGE_BEYOND_LEASE}
"""What a usage that is handed in may say, beside them."""

_types = st.sampled_from(TYPES)
_names = st.sampled_from(NAMES)
_picks = st.integers(0, 40)


class Leading(RuleBasedStateMachine):
    """One leader, its log, and an auditor who reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool()
        self.log = WrittenLog()
        fold_envelope(self.pool, self.log.envelopes[0][0], self.log.envelopes[0][2])
        self.auditor = Auditor("evt.pool.0")
        self.read = 0
        self.now = NOON
        self.asked_at: dict[str, datetime] = {}
        """When a lease was first asked for: what its command says for ever after."""
        self.grants: list[Granted] = []
        """Those that were answered: their envelope was acknowledged."""
        self.decisions: list[Any] = []
        self.pending: list[PoolEvent] = []
        self.waiting_before: set[str] = set()
        """Who waited when the last append was acknowledged."""

    @initialize(concurrency=st.integers(0, 2))
    def policy(self, concurrency: int) -> None:
        policy = Policy(
            daily_limits=BOUNDS,
            session_concurrency=concurrency,
            min_size=1,
            max_size=3,
            refresh_threshold=0.2,
            stale_threshold_s=40_000.0,
            tiers=TIERS[1],
        )
        self.pool.begin()
        self.pending += decide_policy(self.pool, policy, "file", "configuration", self.now).events
        self.add(["one", "two"], 0, "", "", {})

    def refolded(self) -> Pool:
        """The log's own state, at the same moment as the live one is brought to."""
        again = Pool()
        for sequence, _, envelope in self.log.envelopes:
            fold_envelope(again, sequence, envelope)
        again.drop_due(self.now)
        self.pool.drop_due(self.now)
        return again

    def decided(self, decision: Any) -> None:
        self.pending += decision.events
        if isinstance(decision.answer, Granted) and decision.answer.trial:
            assert decision.answer.avoid_servers[-1] == self.accuser(decision.answer.session_id)
        self.decisions.append(decision.answer)

    def accuser(self, session_id: SessionId) -> str:
        """Who accused a session last, by what the log has and is about to have."""
        logged = [event for _, _, envelope in self.log.envelopes for event in envelope.events]
        return next(
            event.server_id
            for event in reversed([*logged, *self.pending])
            if isinstance(event, SessionSuspected) and event.session_id == session_id
        )

    def picked(self, pick: int) -> Granted | None:
        return self.grants[-1 - pick % len(self.grants)] if self.grants else None

    def ask(self, service_type: Any, request: str, number: int = 1, **fields: Any) -> None:
        asked_at = self.asked_at.setdefault(f"{request}.{number}", self.now)
        command = lease_wanted(service_type, request, number, asked_at=asked_at, **fields)
        self.decided(decide_lease(self.pool, command, self.now))

    @rule(
        service_type=_types,
        units=st.integers(0, 3),
        avoid=st.sets(_names, max_size=1),
        regions=st.just(set()) | st.sets(st.sampled_from([*REGIONS.values()])),
        wait_ms=st.sampled_from((0, 0, 1000, 60_000, 3_000_000)),
        key=st.sampled_from(("a", "b")),
    )
    def ask_first(
        self,
        service_type: Any,
        units: int,
        avoid: set[str],
        regions: set[str],
        wait_ms: int,
        key: str,
    ) -> None:
        request = f"r{len(self.asked_at)}"
        avoided = {"avoid_sessions": sorted(avoid), "avoid_regions": sorted(regions)}
        waits = {"wait_ms": wait_ms, "key_id": KeyId(key)}
        self.ask(service_type, request, units=units, **avoided, **waits)
        answer = self.decisions[-1]
        if isinstance(answer, Granted):
            assert answer.session_id not in avoid
            assert answer.region not in regions

    @rule(pick=_picks, service_type=_types, wait_ms=st.sampled_from((0, 60_000)))
    def ask_again(self, pick: int, service_type: Any, wait_ms: int) -> None:
        self.ask(service_type, f"r{pick % (len(self.asked_at) + 1)}", wait_ms=wait_ms)

    @rule(at_most=st.integers(0, 4))
    def serve(self, at_most: int) -> None:
        """Serve those who wait, as far as an envelope has room."""
        for served in islice(serve_waiting(self.pool, self.now), at_most):
            self.pending += served.events
            self.decisions.append(served.granted)

    @rule(full=st.sampled_from((False, False, False, True)))
    def tend(self, full: bool) -> None:  # noqa: FBT001 (hypothesis gives it by name)
        self.pending += tend_waits(self.pool, self.now, full=full)

    @rule(key=st.sampled_from(("", "a", "b")))
    def drop(self, key: str) -> None:
        command = DropWaits(key_id=KeyId(key), by="me")
        self.decided(decide_admin(self.pool, command, self.now))

    @rule()
    def lead_anew(self) -> None:
        """Another term begins, and knows of nobody who waits but by the log."""
        self.append()
        self.pool.begin_line()
        self.waiting_before = set()

    @rule(
        pick=_picks,
        verdict=st.sampled_from(Verdict),
        outcome=st.sampled_from((None, *Outcome)),
        server=st.sampled_from(SERVERS),
        key=st.sampled_from(KEYS),
        following=st.sampled_from((None, *TYPES)),
    )
    def use(
        self,
        pick: int,
        verdict: Verdict,
        outcome: Outcome | None,
        server: str,
        key: str,
        following: Any,
    ) -> None:
        lease = self.picked(pick)
        if lease is None:
            return
        doubt = verdict is Verdict.REJECTED
        used = usage(lease, verdict, outcome, server=server, key_id=key, session_doubt=doubt)
        if following is not None:
            request, _, number = lease.lease_id.rpartition(".")
            self.ask(following, request, int(number) + 1, previous=used)
        else:
            self.decided(decide_end(self.pool, used, self.now))

    @rule(pick=_picks)
    def give_back(self, pick: int) -> None:
        self.decided(decide_cancel(self.pool, cancel(f"r{pick}"), self.now))

    @rule(pick=_picks)
    def renew(self, pick: int) -> None:
        self.decided(decide_renew(self.pool, LeaseId(f"r{pick}.1"), self.now))

    @rule(pick=_picks, units=st.integers(0, 2))
    def reconcile(self, pick: int, units: int) -> None:
        lease = self.picked(pick)
        if lease is not None:
            command = ReconcileLease(lease_id=lease.lease_id, units=units, reason="x", by="me")
            self.decided(decide_admin(self.pool, command, self.now))

    @rule(
        names=st.lists(_names, max_size=3),
        zone=st.integers(0, 1),
        account=st.sampled_from(ACCOUNTS),
        tier=st.sampled_from(("", "", "vip")),
        used=st.just({}) | st.dictionaries(_types, st.integers(0, 4), max_size=2),
    )
    def add(
        self, names: list[str], zone: int, account: str, tier: str, used: dict[Any, int]
    ) -> None:
        items = [
            AddSession(
                session_id=SessionId(name),
                sealed=b"",
                quota_timezone=ZONES[zone],
                region=REGIONS[name],
                account=AccountId(account),
                tier=tier,
                used=used,
            )
            for name in names
        ]
        command = AddSessions(items=items, by="me")
        self.decided(decide_admin(self.pool, command, self.now, ORIGINS[zone]))

    @rule(
        name=_names,
        status=st.sampled_from((None, *SessionStatus)),
        limits=st.none() | st.dictionaries(_types, st.integers(0, 4), max_size=2),
        cool_s=st.none() | st.integers(0, 100),
        account=st.sampled_from(ACCOUNTS),
        tier=st.sampled_from((None, None, "", "vip")),
        used_up=st.sampled_from((False, False, False, True)),
    )
    def change(self, name: str, **fields: Any) -> None:
        command = ChangeSession(session_id=SessionId(name), by="me", **fields)
        self.decided(decide_admin(self.pool, command, self.now))

    @rule(
        image=st.integers(0, 4), concurrency=st.integers(0, 2), tiers=st.integers(0, len(TIERS) - 1)
    )
    def configure(self, image: int, concurrency: int, tiers: int) -> None:
        policy = Policy(
            daily_limits={**BOUNDS, IMAGE: image},
            session_concurrency=concurrency,
            min_size=image,
            max_size=3,
            refresh_threshold=0.5,
            stale_threshold_s=4000.0,
            tiers=TIERS[tiers],
        )
        source = f"{image} {concurrency} {tiers}"
        self.pending += decide_policy(self.pool, policy, source, "configuration", self.now).events

    @rule(name=_names, judged=st.sampled_from(("alive", "dead", "unknown")))
    def check(self, name: str, judged: str) -> None:
        recorded = CheckRecorded(session_id=SessionId(name), judged=judged, server_id=SERVERS[0])
        self.decided(decide_admin(self.pool, RecordCheck(recorded=recorded), self.now))

    @rule()
    def keep(self) -> None:
        """Growth held or not, what is stale retired, what retired long ago forgotten."""
        pool, now = self.pool, self.now
        assert growth_of(pool, now).wanted <= pool.policy.max_size - min(pool.places, 3)
        self.decided(decide_growth(pool, False, now))
        for name in stale_sessions(pool, [*pool.sessions], "http", now):
            self.decided(decide_retire_stale(pool, (name, "http"), now))
        self.decided(decide_forget(pool, [*pool.sessions], now))

    @rule(seconds=st.sampled_from((1, 30, 61, 900, 4000, 43_198, 86_400, 700_000, 1_400_000)))
    def time_goes_by(self, seconds: int) -> None:
        self.append()
        self.now += timedelta(seconds=seconds)
        self.pending += sweep_overdue(self.pool, self.now)
        self.pending += tend_waits(self.pool, self.now)
        self.append()

    @rule()
    def checkpoint(self) -> None:
        self.pending += checkpoint_ledger(self.pool, self.now)

    @rule()
    def append(self) -> None:
        """The append was acknowledged."""
        if self.pending:
            self.log.write(self.pending, self.now)
        self.grants += [answer for answer in self.decisions if isinstance(answer, Granted)]
        self.pool.commit()
        self.pool.begin()
        self.pending, self.decisions = [], []
        self.waiting_before = set(self.pool.line.waits)

    @rule()
    def append_fails(self) -> None:
        """It was not: what was decided since the last one never happened."""
        self.pool.rollback()
        self.pending, self.decisions = [], []
        again = self.refolded()
        assert whole(self.pool) == whole(again)
        assert self.pool.standing == again.standing
        assert set(self.pool.line.waits) == self.waiting_before
        self.pool.commit()
        self.pool.begin()

    @invariant()
    def no_account_holds_more_than_is_due(self) -> None:
        for session in self.pool.sessions.values():
            for accounts in session.account.days.values():
                for account in accounts.values():
                    assert account.used >= 0
                    assert account.reserved >= 0

    @invariant()
    def who_waits_stands_once_in_its_lane_and_has_no_lease(self) -> None:
        line = self.pool.line
        standing = [
            name
            for lanes in line.lanes.values()
            for lane in lanes.by_key.values()
            for _, _, name in lane.orders
        ]
        there = [name for name, wait in line.waits.items() if not wait.absent]
        assert sorted(standing) == sorted(there)
        assert sum(lanes.waiting for lanes in line.lanes.values()) == len(line)
        assert sum(line.counts.values()) == len(line)
        assert not set(line.waits) & set(self.pool.leases)
        assert not any(map(self.pool.ended.mark_of, line.waits))
        assert {name for name, wait in line.waits.items() if not wait.journalled} == set(line.young)
        assert {name for name, wait in line.waits.items() if wait.journalled} <= set(
            self.pool.queued
        )

    @invariant()
    def the_index_is_as_if_built_anew(self) -> None:
        if self.pool.index is not None:
            pool = self.pool
            kept = pool.index_at(max(self.now, pool.index.now if pool.index else self.now))
            anew = Index(pool.sessions, pool.opened, pool.policy, kept.now)
            assert placed(kept) == placed(anew)
            assert kept.deadlines.first_deadline() == anew.deadlines.first_deadline()
            assert [kept.units_left(name) for name in TYPES] == [
                anew.units_left(name) for name in TYPES
            ]

    @invariant()
    def the_auditor_finds_nothing_but_gateways_faults(self) -> None:
        for sequence, stored, envelope in self.log.envelopes[self.read :]:
            self.auditor.audit_envelope(sequence, stored, envelope)
        self.read = len(self.log.envelopes)
        assert {violation.kind for violation in self.auditor.violations} <= GATEWAYS_FAULT

    def teardown(self) -> None:
        """Everything decided is in the log; refolded it is the live state."""
        self.append()
        self.the_auditor_finds_nothing_but_gateways_faults()
        again = self.refolded()
        assert state_hash(self.pool) == state_hash(again)
        assert whole(self.pool) == whole(again)
        assert self.auditor.finish_audit() == []
        assert_lease_laws(self.log, self.pool)


def assert_lease_laws(log: WrittenLog, pool: Pool) -> None:
    """No grant above the limit, no lease with two ends: spelt out, by neither fold nor recount."""
    granted_ids: list[str] = []
    ends: dict[str, int] = {}
    for _, _, envelope in log.envelopes:
        for event in envelope.events:
            if isinstance(event, LeaseGranted):
                granted_ids.append(event.lease_id)
            elif isinstance(event, LeaseExpired):
                ends[event.lease_id] = ends.get(event.lease_id, 0) + 1
    assert len(granted_ids) == len(set(granted_ids))
    assert set(ends.values()) <= {1}
    assert set(pool.opened) <= set(granted_ids)


LeadingTest = Leading.TestCase
LeadingTest.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

# ------------------------------------------------------- histories that no leader writes

MINTED = ("0195a3e1-1c00-7abc-8def-0123456789ab", "0195a4e1-1c00-7abc-8def-0123456789ab")
"""Ids that tell when they were minted, hours apart."""
_leases = st.builds(
    lease_granted,
    session_id=st.sampled_from((*NAMES, "nobody")),
    service_type=_types,
    request=st.sampled_from(("r1", "r2", *MINTED)),
    units=st.integers(0, 3),
    quota_day=st.sampled_from((TODAY, "2025-03-02")),
    trial=st.booleans(),
)
_requests = st.sampled_from(("", "r1", MINTED[0]))


def _about_lease(kind: Any, **fields: Any) -> Any:
    return st.builds(
        lambda lease, given: kind(lease_id=lease.lease_id, session_id=lease.session_id, **given),
        _leases,
        st.fixed_dictionaries(fields),
    )


def _about_session(kind: Any, **fields: Any) -> Any:
    return st.builds(
        lambda name, given: kind(session_id=SessionId(name), **given),
        st.sampled_from((*NAMES, "nobody")),
        st.fixed_dictionaries(fields),
    )


_text = st.sampled_from(("", "me"))
EVENTS: st.SearchStrategy[PoolEvent] = st.one_of(
    _leases,
    st.builds(
        usage,
        _leases,
        st.sampled_from(Verdict),
        st.sampled_from(Outcome),
        key_id=st.sampled_from(KEYS),
        session_doubt=st.booleans(),
    ),
    _about_lease(LeaseExpired),
    _about_lease(LeaseReconciled, units=st.integers(0, 3), reason=_text, by=_text),
    st.builds(session_added, _names),
    st.builds(policy_changed, _text, daily_limits=st.just(BOUNDS)),
    _about_session(SessionRetired, reason=_text),
    _about_session(SessionRecovered, reason=_text, by=_text),
    _about_session(SessionChanged, status=st.none() | st.sampled_from(SessionStatus)),
    _about_session(
        SessionCooled,
        until=st.datetimes(datetime(2025, 1, 1), datetime(2026, 1, 1)).map(  # noqa: DTZ001
            lambda moment: moment.replace(tzinfo=NOON.tzinfo)
        ),
        reason=_text,
        request_id=_requests.map(RequestId),
        by=_text,
    ),
    _about_session(
        SessionDoubted,
        request_id=_requests.map(RequestId),
        key_id=st.sampled_from(KEYS),
        reason=_text,
        failures=st.integers(0, 4),
    ),
    _about_session(SessionSuspected, server_id=_text, request_id=_requests.map(RequestId)),
    _about_session(
        QuotaObserved, service_type=_types, quota_day=st.just(TODAY), request_id=_requests
    ),
    st.builds(session_requested),
    st.builds(KeyRotationBegan, key_id=_text, by=_text),
    st.builds(KeyRotationEnded, key_id=_text),
)
HISTORIES = st.lists(st.tuples(EVENTS, st.sampled_from((0, 1, 100, 8 * 86_400))), max_size=40)


def played(pool: Pool, history: list[tuple[PoolEvent, int]], start: datetime) -> datetime:
    for event, seconds in history:
        start += timedelta(seconds=seconds)
        evolve(pool, event, start, 2)
    return start


@given(HISTORIES)
@settings(deadline=None)
def test_any_history_folds_and_is_audited_without_an_error(
    history: list[tuple[PoolEvent, int]],
) -> None:
    log, auditor, now = WrittenLog(), Auditor("evt.pool.0"), NOON
    for event, seconds in history:
        now += timedelta(seconds=seconds)
        log.write([event], now)
    for sequence, stored, envelope in log.envelopes:
        auditor.audit_envelope(sequence, stored, envelope)
    auditor.finish_audit()

    kinds = {violation.kind for violation in auditor.violations}
    assert kinds.isdisjoint(
        {ViolationKind.CHAIN_BROKEN, ViolationKind.NUMBER_MISSING, ViolationKind.STALE_LEADER}
    )


@given(before=HISTORIES, taken_back=HISTORIES, indexed=st.booleans())
@settings(deadline=None)
def test_rollback_restores_the_ledger_whatever_happened_since(
    before: list[tuple[PoolEvent, int]], taken_back: list[tuple[PoolEvent, int]], *, indexed: bool
) -> None:
    pool = folded(*(session_added(name) for name in NAMES))
    now = played(pool, before, NOON)
    if indexed:
        pool.index_at(now)
    pool.commit()
    pool.begin()
    ledger, standing, unknown = whole(pool), dict(pool.standing), dict(pool.unknown)
    departures, violations = list(pool.departures), list(pool.violations)

    later = played(pool, taken_back, now)
    decide_lease(pool, lease_wanted(IMAGE, "new", asked_at=later), later)
    sweep_overdue(pool, later)
    pool.rollback()

    assert whole(pool) == ledger
    assert (pool.standing, pool.unknown) == (standing, unknown)
    assert (list(pool.departures), pool.violations) == (departures, violations)
    kept = pool.index_at(later)
    anew = Index(pool.sessions, pool.opened, pool.policy, later)
    assert placed(kept) == placed(anew)
    assert kept.deadlines.first_deadline() == anew.deadlines.first_deadline()


COMMANDS: st.SearchStrategy[Any] = st.one_of(
    st.builds(lease_wanted, _types, st.sampled_from(("r1", "r5")), units=st.integers(0, 3)),
    st.builds(usage, _leases, st.sampled_from(Verdict), st.sampled_from(Outcome)),
    st.builds(cancel, st.sampled_from(("r1", *MINTED, "r5"))),
    _leases.map(lambda lease: lease.lease_id),
    st.builds(
        ChangeSession,
        session_id=_names,
        status=st.sampled_from((None, *SessionStatus)),
        limits=st.none() | st.dictionaries(_types, st.integers(0, 4), max_size=2),
        cool_s=st.none() | st.integers(0, 100),
        used_up=st.booleans(),
        by=_text,
    ),
    st.builds(
        lambda lease, units: ReconcileLease(
            lease_id=lease.lease_id, units=units, reason="x", by=""
        ),
        _leases,
        st.integers(0, 3),
    ),
)


def decide_any(pool: Pool, command: Any, now: datetime) -> Any:
    """Decide a command by its kind; a lease's id asks for its renewal."""
    match command:
        case LeaseWanted():
            return decide_lease(pool, command, now)
        case UsageRecorded():
            return decide_end(pool, command, now)
        case CancelLease():
            return decide_cancel(pool, command, now)
        case str():
            return decide_renew(pool, LeaseId(command), now)
        case _:
            return decide_admin(pool, command, now)


@given(HISTORIES, st.lists(st.tuples(COMMANDS, st.sampled_from((0, 61, 4000))), max_size=20))
@settings(deadline=None)
def test_no_history_keeps_a_leader_from_deciding(
    history: list[tuple[PoolEvent, int]], commands: list[tuple[Any, int]]
) -> None:
    pool = folded(*(session_added(name) for name in NAMES))
    now = played(pool, history, NOON)
    noted = len(pool.violations)
    pool.commit()

    for command, seconds in commands:
        now += timedelta(seconds=seconds)
        pool.begin()
        decision = decide_any(pool, command, now)
        sweep_overdue(pool, now)
        pool.commit()
        assert decision.answer is not None or decision.held_until is not None

    assert {violation.kind for violation in pool.violations[noted:]} <= USAGES_FAULT


@given(HISTORIES, st.lists(st.tuples(_types, st.integers(1, 3)), max_size=30))
@settings(deadline=None)
def test_decide_never_grants_what_the_auditor_calls_oversold(
    history: list[tuple[PoolEvent, int]], asked: list[tuple[Any, int]]
) -> None:
    log, auditor, pool, now = WrittenLog(), Auditor("evt.pool.0"), Pool(), NOON
    log.write([policy_changed(session_concurrency=0), *(session_added(name) for name in NAMES)])
    for event, seconds in history:
        now += timedelta(seconds=seconds)
        log.write([event], now)
    for sequence, stored, envelope in log.envelopes:
        fold_envelope(pool, sequence, envelope)
        auditor.audit_envelope(sequence, stored, envelope)
    auditor.violations.clear()

    for number, (service_type, units) in enumerate(asked):
        command = lease_wanted(service_type, f"new{number}", units=units, asked_at=now)
        decision = decide_lease(pool, command, now)
        events = decision.events
        assert isinstance(decision.answer, Granted | Refused)
        log.write(events, now)
        auditor.audit_envelope(*log.envelopes[-1])

    grants = {
        ViolationKind.OVERSOLD,
        ViolationKind.GRANTED_TWICE,
        ViolationKind.GRANTED_AFTER_EXHAUSTION,
    }
    assert grants.isdisjoint(violation.kind for violation in auditor.violations)


@pytest.mark.parametrize("sessions", [1, 3])
def test_of_any_number_of_calls_exactly_the_quota_is_granted(sessions: int) -> None:
    names = NAMES[:sessions]
    pool = folded(policy_changed(session_concurrency=0), *(session_added(name) for name in names))

    answers = [
        decide_lease(pool, lease_wanted(IMAGE, f"r{number}"), NOON).answer for number in range(100)
    ]

    assert sum(isinstance(answer, Granted) for answer in answers) == 10 * sessions

"""The law of accounts, in every prefix of a run: used and reserved within the limit, but for joins.

Who judges is the simulation's oracle: it shares no code with the pool, keeps each session's units
apart, and sums those of an account.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.base import AccountId, RequestId, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    ChangeSession,
    Granted,
    Outcome,
    ReconcileLease,
    Verdict,
)
from services.pool.domain import (
    Pool,
    decide_admin,
    decide_cancel,
    decide_end,
    decide_lease,
    fold_envelope,
    sweep_overdue,
)
from tests.simulation.pool.oracle import Entry, Oracle
from tests.unit.pool.builders import (
    IMAGE,
    NOON,
    VIDEO,
    WrittenLog,
    cancel,
    lease_wanted,
    policy_changed,
    session_added,
    usage,
)

NAMES = tuple(map(SessionId, ("one", "two", "three")))
LIMITS = {IMAGE: 3, VIDEO: 1}


class Run:
    """A leader, its log, and what it has granted."""

    def __init__(self) -> None:
        self.pool, self.log, self.oracle = Pool(), WrittenLog(), Oracle()
        self.now = NOON
        self.grants: list[Granted] = []
        self.asked = self.read = 0
        policy = policy_changed(
            daily_limits=LIMITS, session_concurrency=0, reconcile_after_s=0.0, lease_ttl_s=900.0
        )
        self.log.write([policy, *map(session_added, NAMES)])
        for sequence, _, envelope in self.log.envelopes:
            fold_envelope(self.pool, sequence, envelope)
        self.pool.begin()

    def decide_and_store(self, decision: Any) -> None:
        """Append what was decided, and have all that is stored judged."""
        if isinstance(decision.answer, Granted):
            self.grants.append(decision.answer)
        self.store(decision.events)

    def store(self, events: Any) -> None:
        if events:
            self.log.write(events, self.now)
        self.pool.commit()
        self.pool.begin()
        stored = self.log.envelopes[self.read :]
        self.read = len(self.log.envelopes)
        self.oracle.read(Entry(float(sequence), body) for sequence, body, _ in stored)

    def picked(self, pick: int) -> Granted | None:
        return self.grants[pick % len(self.grants)] if self.grants else None


class Ask(NamedTuple):
    """A call asks for a lease."""

    service_type: Any
    units: int

    def take(self, run: Run) -> Any:
        run.asked += 1
        wanted = lease_wanted(
            self.service_type, f"r{run.asked}", units=self.units, asked_at=run.now
        )
        return decide_lease(run.pool, wanted, run.now)


class End(NamedTuple):
    """A call tells how a lease ended, in time or not."""

    pick: int
    outcome: Outcome

    def take(self, run: Run) -> Any:
        lease = run.picked(self.pick)
        if lease is None:
            return None
        run.grants.remove(lease)
        verdict = Verdict.SUCCESS if self.outcome is Outcome.SETTLED else Verdict.UNREACHABLE
        return decide_end(run.pool, usage(lease, verdict, self.outcome), run.now)


class GiveBack(NamedTuple):
    """A call gives its lease back unused."""

    pick: int

    def take(self, run: Run) -> Any:
        lease = run.picked(self.pick)
        if lease is None:
            return None
        run.grants.remove(lease)
        command = cancel(RequestId(lease.lease_id.rpartition(".")[0]))
        return decide_cancel(run.pool, command, run.now)


class Reconcile(NamedTuple):
    """An operator settles a lease of which nobody told."""

    pick: int

    def take(self, run: Run) -> Any:
        uncertain = [*run.pool.uncertain]
        if not uncertain:
            return None
        name = uncertain[self.pick % len(uncertain)]
        run.grants = [lease for lease in run.grants if lease.lease_id != name]
        command = ReconcileLease(lease_id=name, units=0, reason="x", by="me")
        return decide_admin(run.pool, command, run.now)


class Join(NamedTuple):
    """An operator has a session join an account."""

    session_id: SessionId
    account: AccountId

    def take(self, run: Run) -> Any:
        command = ChangeSession(session_id=self.session_id, account=self.account, by="me")
        return decide_admin(run.pool, command, run.now)


class Change(NamedTuple):
    """An operator sets the limit of a session's account, or closes its day."""

    session_id: SessionId
    image: int
    used_up: bool

    def take(self, run: Run) -> Any:
        limits = None if self.used_up else {IMAGE: self.image}
        command = ChangeSession(
            session_id=self.session_id, limits=limits, used_up=self.used_up, by="me"
        )
        return decide_admin(run.pool, command, run.now)


class Tell(NamedTuple):
    """An operator says how many units of an account are used at least."""

    session_id: SessionId
    image: int

    def take(self, run: Run) -> Any:
        item = AddSession(session_id=self.session_id, sealed=b"", used={IMAGE: self.image})
        return decide_admin(run.pool, AddSessions(items=[item], by="me"), run.now)


class Pass(NamedTuple):
    """Time passes, and leases with it."""

    seconds: int

    def take(self, run: Run) -> None:
        run.now += timedelta(seconds=self.seconds)
        run.store(sweep_overdue(run.pool, run.now))


_names, _picks = st.sampled_from(NAMES), st.integers(0, 9)
_outcomes = st.sampled_from((Outcome.SETTLED, Outcome.RELEASED, Outcome.RELEASED, Outcome.UNKNOWN))
_asking = st.builds(Ask, st.sampled_from((IMAGE, IMAGE, VIDEO)), st.sampled_from((1, 1, 2)))
_joining = st.builds(Join, _names, st.sampled_from((AccountId("shared"), AccountId("other"))))
_steps = st.one_of(
    _asking,
    _asking,
    _asking,
    st.builds(End, _picks, _outcomes),
    st.builds(End, _picks, _outcomes),
    st.builds(GiveBack, _picks),
    st.builds(Reconcile, _picks),
    _joining,
    _joining,
    st.builds(Change, _names, st.integers(0, 5), st.sampled_from((False, False, True))),
    st.builds(Tell, _names, st.integers(0, 4)),
    st.builds(Pass, st.sampled_from((1, 901))),
)


def play_step(run: Run, step: Any, *, stored: bool) -> None:
    """Decide, and store it, or have the append fail: then nothing of it ever happened."""
    take: Callable[[Run], Any] = step.take
    decision = take(run)
    if decision is None:
        return
    if stored:
        run.decide_and_store(decision)
        return
    run.pool.rollback()
    run.pool.begin()


_appends = st.sampled_from((True, True, True, False))


@given(st.lists(st.tuples(_steps, _appends), min_size=20, max_size=60))
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
def test_no_account_is_sold_beyond_its_limit_but_by_who_joins_in_any_prefix(
    steps: list[tuple[Any, bool]],
) -> None:
    run = Run()
    run.store([])

    for step, stored in steps:
        play_step(run, step, stored=stored)
        assert run.oracle.findings == []
    for session in run.pool.sessions.values():
        for day, tallies in session.account.days.items():
            for name, tally in tallies.items():
                place = str(session.session_id), str(name), str(day)
                assert tally.used + tally.reserved == run.oracle.accounts.taken(place)

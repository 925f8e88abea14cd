"""Bugs planted in the product, to see that the simulation finds them.

Each is a way in which such a system is really built wrong. It is in force within its context alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from contracts.pool import LeaseExpired, Outcome, Refused, SessionJoined, UsageRecorded, Waiting
from runtime.eventlog.writer import SubjectWriter
from runtime.leadership import Leadership
from runtime.nats.connection import UnansweredError
from services.pool.commits import deliveries
from services.pool.commits.committer import Committer
from services.pool.domain.decide import end, lease
from services.pool.domain.ended import Mark
from services.pool.domain.evolve import accounts, ends, fold
from tests.simulation.pool.disk import Disk


@contextmanager
def _replaced(owner: Any, name: str, ours: object) -> Iterator[None]:
    """Put another function in the place of one of the product's."""
    theirs = owner[name] if isinstance(owner, dict) else owner.__dict__[name]
    put = owner.__setitem__ if isinstance(owner, dict) else lambda *of: setattr(owner, *of)
    put(name, ours)
    try:
        yield
    finally:
        put(name, theirs)


@contextmanager
def no_fence() -> Iterator[None]:
    """The log stores whatever is appended, behind whatever it stands."""
    append = Disk.append

    def append_anyway(self: Disk, *args: Any) -> None:
        self.fenced = False
        append(self, *args)

    with _replaced(Disk, "append", append_anyway):
        yield


@contextmanager
def refusal_while_stale() -> Iterator[None]:
    """A refusal is answered at once: it changes nothing, so why wait for the log?"""
    decide_round = Committer._decide_round

    async def decide_and_refuse(self: Committer, now: Any) -> Any:
        round_ = await decide_round(self, now)
        for decided in list(round_.decided):
            batch, index = decided.queued
            if type(decided.answer) is Refused:
                round_.decided.remove(decided)
                batch.store_answer(index, decided.answer)
                if batch.is_answered:
                    await self._send_answer(batch, batch.joint_reply())
        return round_

    with _replaced(Committer, "_decide_round", decide_and_refuse):
        yield


@contextmanager
def expiry_before_settlement() -> Iterator[None]:
    """A lease that expires gives its units back, although its usage may be on its way."""

    def on_lease_expired(state: Any, event: LeaseExpired) -> None:
        expired = state.leases.get(event.lease_id)
        if expired is not None and expired.state == "open":
            ends._end_lease(state, expired, Outcome.EXPIRED, 0)

    with _replaced(fold._TAKE, LeaseExpired, on_lease_expired):  # type: ignore[arg-type]
        yield


@contextmanager
def double_refund() -> Iterator[None]:
    """A usage that is told twice gives its units back twice."""
    end_lease: Callable[[Any, UsageRecorded], Any] = end.end_lease
    on_usage_recorded = fold._TAKE[UsageRecorded]
    assert on_usage_recorded is not None

    def is_refunded(state: Any, usage: UsageRecorded) -> bool:
        released = state.ended.end_of(usage.lease_id) is Mark.RELEASED
        return released and usage.outcome is Outcome.RELEASED

    def end_again(draft: Any, usage: UsageRecorded) -> Any:
        if is_refunded(draft.pool, usage):
            draft.emit(usage)
        return end_lease(draft, usage)

    def refund_again(state: Any, event: UsageRecorded) -> None:
        if not is_refunded(state, event):
            on_usage_recorded(state, event)
            return
        days = state.sessions[event.session_id].account.days
        account = days[max(days)].get(event.service_type)
        if account is not None:
            state.set_field(account, "used", account.used - 1)

    with (
        _replaced(end, "end_lease", end_again),
        _replaced(lease, "end_lease", end_again),
        _replaced(fold._TAKE, UsageRecorded, refund_again),  # type: ignore[arg-type]
    ):
        yield


@contextmanager
def old_version_leads() -> Iterator[None]:
    """A process that skipped events it does not know stands for election all the same."""
    with _replaced(Leadership, "unfitness", property(lambda _: None)):
        yield


@contextmanager
def unknown_taken_for_stored() -> Iterator[None]:
    """An append without acknowledgement is taken for stored."""

    async def settle_outcome(self: SubjectWriter, _: bytes) -> int:
        return self.link.sequence + 1

    with _replaced(SubjectWriter, "_settle_outcome", settle_outcome):
        yield


@contextmanager
def entry_lost_at_takeover() -> Iterator[None]:
    """A new leader believes that whom the log names as waiting stands in its line."""
    as_waiting = lease._as_waiting

    def as_known(draft: Any, wanted: Any, asked: Any) -> Any:
        known = asked in draft.pool.queued and wanted.requested.wait_ms
        return as_waiting(draft, wanted, asked) or (Waiting(position=0) if known else None)

    with _replaced(lease, "_as_waiting", as_known):
        yield


@contextmanager
def undelivered_by_timeout() -> Iterator[None]:
    """A grant whose delivery nobody acknowledged at once is taken for undelivered."""
    hasty = _replaced(deliveries, "_TIMEOUT_S", 0.01)
    with hasty, _replaced(deliveries, "NobodyThereError", UnansweredError):
        yield


@contextmanager
def late_append_unheeded() -> Iterator[None]:
    """An append that was given up is stored all the same, and whom it served stays in line."""
    with _replaced(fold, "_follow_in_line", lambda *_: None):
        yield


@contextmanager
def account_counted_by_session() -> Iterator[None]:
    """A session that joins an account is counted alone, as before, beside those it has joined."""
    join = fold._TAKE[SessionJoined]
    assert join is not None

    def join_in_name(state: Any, event: SessionJoined) -> None:
        if event.account not in state.accounts:
            join(state, event)
            return
        own = state.sessions[event.session_id].account
        state.set_field(own, "name", event.account)

    with _replaced(fold._TAKE, SessionJoined, join_in_name):  # type: ignore[arg-type]
        yield


@contextmanager
def leases_left_behind() -> Iterator[None]:
    """Who joins an account brings its counts; its leases give back what nobody counts any more."""
    with _replaced(accounts, "_move_leases", lambda *_: None):
        yield


PLANTED: dict[str, Callable[[], Any]] = {
    "no_fence": no_fence,
    "refusal_while_stale": refusal_while_stale,
    "expiry_before_settlement": expiry_before_settlement,
    "double_refund": double_refund,
    "old_version_leads": old_version_leads,
    "unknown_taken_for_stored": unknown_taken_for_stored,
    "entry_lost_at_takeover": entry_lost_at_takeover,
    "undelivered_by_timeout": undelivered_by_timeout,
    "late_append_unheeded": late_append_unheeded,
    "account_counted_by_session": account_counted_by_session,
    "leases_left_behind": leases_left_behind,
}

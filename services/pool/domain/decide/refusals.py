"""No lease: why, for how long, and how much of it the log is told.

Refusals are journalled one by one within two budgets: ten of a key, of which one comes back each
second, and a hundred a second of the shard. Past either, equal ones (key, type, reason; the first
lease of a call apart from its later ones) are counted, and journalled as one ten seconds after
the first of them, by whatever is decided next. The counts belong to the leader: one that dies
takes at most those of its last ten seconds along.

A command that is sent again hears the refusal it was answered, which is told once. So is a call
that its gateway gave up on: as the refusal that was journalled for it, or as given up.
"""

from datetime import datetime, timedelta

import msgspec

from contracts.base import KeyId, ServiceType, lease_id
from contracts.pool import (
    TRY_PATH,
    CancelLease,
    LeaseCancelled,
    LeaseRefused,
    Refusal,
    Refused,
    SessionRequested,
    SessionStatus,
)
from services.pool.domain.decide import bounds
from services.pool.domain.decide.decision import Draft
from services.pool.domain.decide.keeping.growth import may_grow
from services.pool.domain.ended import Mark
from services.pool.domain.index.choice import SUSPICION, Index
from services.pool.domain.index.shelves import ShelfKind
from services.pool.domain.leading.memory import RefusalBudget
from services.pool.domain.state import Pool

REFUSALS_PER_SECOND = 100
REFUSALS_OF_A_KEY = 10
"""So many of one key are journalled singly at once; one more each second."""
COUNTED_FOR = timedelta(seconds=10)
_DRAINING, _TRIAL = frozenset({ShelfKind.DRAINING}), frozenset({ShelfKind.TRIAL})
_COUNTED_AT_ONCE = 500
_BUDGETS_KEPT = 1000
_RETRY_S_MIN, _RETRY_S_MAX = 1.0, 30.0
_SECOND = timedelta(seconds=1)
MESSAGES = {
    Refusal.UNKNOWN_SERVICE: "there is no such service type",
    Refusal.TOO_MANY_UNITS: "expected at least 1 unit and at most the highest daily limit",
    Refusal.QUOTA_EXHAUSTED: "no session has an unreserved unit today",
    Refusal.CREDENTIALS_EXHAUSTED: "every session is disabled or suspect",
    Refusal.SATURATED: "all sessions are busy, cooling, draining, or still being made",
}
GIVEN_UP = Refused(reason=Refusal.CANCELLED, message="cancelled before it was granted")


def refusal_for(reason: Refusal, retry_after_s: float = 0.0) -> Refused:
    """Word a refusal; `retry_after_s` is 0 where nobody knows when asking again may help."""
    return Refused(reason=reason, retry_after_s=retry_after_s, message=MESSAGES[reason])


def unfit_reason(state: Pool, index: Index, requested: SessionRequested) -> Refusal | None:
    """Say what no session could ever grant."""
    limit = state.policy.daily_limits.get(requested.service_type)
    if limit is None:
        return Refusal.UNKNOWN_SERVICE
    if requested.units > 1:
        # While no account is active nobody knows which will be.
        highest = index.highest_limit(requested.service_type)
        limit = limit if highest is None else highest
    # A type of which nothing is allowed is exhausted, not misused, by a request for one unit.
    if not 1 <= requested.units <= max(limit, 1):
        return Refusal.TOO_MANY_UNITS
    return None


def refusal_of_all(draft: Draft, index: Index, requested: SessionRequested) -> Refused:
    """Say why no session will do, and after how many seconds asking again may help.

    0 seconds: nobody knows; a pool without sessions that gets none has nothing to wait for.
    """
    refused = _refusal_by_standing(draft, index, requested)
    reason = draft.pool.upkeep.held_message()
    return msgspec.structs.replace(refused, held=reason) if reason else refused


def _refusal_by_standing(draft: Draft, index: Index, requested: SessionRequested) -> Refused:
    """Say the same by what stands in the way of a grant, whether the pool grows or not."""
    pool, now = draft.pool, draft.now
    standing = pool.standing
    if pool.all_barred and standing[SessionStatus.SUSPECT]:
        # At once, whatever a provisioner is about to bring: what is refused now is refused.
        return refusal_for(Refusal.CREDENTIALS_EXHAUSTED, _trial_comes_s(draft, index, requested))
    if pool.growing or not (pool.size or pool.provisioner_empty):
        return refusal_for(Refusal.SATURATED, _RETRY_S_MIN)
    if not pool.size:
        return refusal_for(Refusal.QUOTA_EXHAUSTED)
    if pool.all_barred:
        return refusal_for(Refusal.CREDENTIALS_EXHAUSTED)
    grows = may_grow(pool, now)
    if grows or not standing[SessionStatus.ACTIVE]:
        # They drain: what they have left is no less, and somebody will let them work again.
        return refusal_for(Refusal.SATURATED, _RETRY_S_MIN if grows else _RETRY_S_MAX)
    return _refusal_by_units(draft, index, requested)


def _trial_comes_s(draft: Draft, index: Index, requested: SessionRequested) -> float:
    """Tell in how many seconds a suspect may be tried again; 0: nobody knows."""
    now, tried_at = draft.now, draft.pool.evidence.tried_at
    rest = timedelta(0) if tried_at is None else max(timedelta(0), SUSPICION - (now - tried_at))
    if index.has_units(requested.service_type, requested.units, _TRIAL):
        return rest.total_seconds()
    waking = index.next_waking()
    return 0.0 if waking is None else max(_seconds_until(now, waking), rest.total_seconds())


def _refusal_by_units(draft: Draft, index: Index, requested: SessionRequested) -> Refused:
    """Say why none of the sessions that may work will do: by what they, and others, have left."""
    now = draft.now
    if index.has_units(requested.service_type, requested.units):
        freed = index.deadlines.first_deadline()
        soonest = min(_seconds_until(now, freed, index.next_waking()), _RETRY_S_MAX)
        return refusal_for(Refusal.SATURATED, max(soonest, _RETRY_S_MIN))
    # Reserved units may come back with an end, at the latest by the first deadline.
    deadline, reset = index.deadlines.earliest_of(requested.service_type), index.next_reset()
    soonest = max(_seconds_until(now, deadline, reset), _RETRY_S_MIN)
    if index.has_units(requested.service_type, requested.units, _DRAINING):
        # What drains is not used up: somebody will let it work again.
        return refusal_for(Refusal.SATURATED, min(soonest, _RETRY_S_MAX))
    exhausted = refusal_for(Refusal.QUOTA_EXHAUSTED, soonest)
    return msgspec.structs.replace(exhausted, resets_at=reset)


def refuse_lease(draft: Draft, requested: SessionRequested, refused: Refused) -> None:
    """Remember that this was refused, and journal it or count it; what was only tried is told."""
    event = LeaseRefused(
        request_id=requested.request_id,
        number=requested.number,
        service_type=requested.service_type,
        key_id=requested.key_id,
        reason=refused.reason,
        retry_after_s=refused.retry_after_s,
    )
    draft.pool.remember_refused(lease_id(requested.request_id, requested.number), refused)
    if requested.path == TRY_PATH:
        return
    if _may_journal(draft, requested.key_id):
        _spend_budget(draft, requested.key_id)
        draft.emit(requested)
        draft.emit(event)
    else:
        _count_refusal(draft, event, requested.asked_at)


def forbid_lease(draft: Draft, command: CancelLease) -> None:
    """Never grant what was asked for and given up, and tell of its call unless that is told.

    Within the budgets of refusals it is journalled. Past them this leader alone knows the id, and
    counts the call: another one could grant it only if it were sent once more after this.
    """
    name = lease_id(command.request_id, command.number)
    pool = draft.pool
    answered = pool.refusals.refused.get(name)
    if pool.ended.mark_of(name) is Mark.FORBIDDEN or answered == GIVEN_UP:
        return
    ends = bool(command.status) and answered is None
    # Counted as refusals are, it can tell no more than they: a key, and that the ledger was not to
    # be had.
    countable = (
        command.key_id
        # A wait that is in the log ends there by its name.
        and name not in pool.queued
        and (not ends or command.error_code == Refusal.LEDGER_UNAVAILABLE)
    )
    if not countable or _may_journal(draft, command.key_id):
        if countable:
            _spend_budget(draft, command.key_id)
        event = LeaseCancelled(
            lease_id=name,
            request_id=command.request_id,
            number=command.number,
            reason=command.reason,
            status=bounds.cut_count(command.status) if ends else 0,
            error_code=command.error_code if ends else "",
            key_id=command.key_id if ends else KeyId(""),
            service_type=command.service_type if ends else ServiceType(""),
        )
        draft.emit(event)
        return
    pool.remember_refused(name, GIVEN_UP)
    if ends:
        refused = LeaseRefused(
            request_id=command.request_id,
            number=command.number,
            service_type=command.service_type,
            key_id=command.key_id,
            reason=Refusal.LEDGER_UNAVAILABLE,
        )
        _count_refusal(draft, refused, draft.now)


def _count_refusal(draft: Draft, event: LeaseRefused, asked_at: datetime) -> None:
    """Count a refusal among those equal to it; what it refuses was asked for at `asked_at`."""
    counted = draft.pool.refusals.counted
    key = (event.key_id, event.service_type, event.reason, event.number == 1)
    first = counted.get(key)
    if first is None or first.until is None:
        tally = msgspec.structs.replace(event, since=draft.now, until=asked_at)
    else:
        until = max(first.until, asked_at)
        tally = msgspec.structs.replace(first, count=first.count + 1, until=until)
    draft.pool.put_entry(counted, key, tally)


def _may_journal(draft: Draft, key_id: KeyId) -> bool:
    """Whether the budgets of its key and of the second have one more refusal."""
    refusals = draft.pool.refusals
    journalled = 0 if _is_next_second(draft) else refusals.journalled
    return journalled < REFUSALS_PER_SECOND and _budget_left(draft, key_id) >= 1


def _spend_budget(draft: Draft, key_id: KeyId) -> None:
    """Take one refusal from the budgets of its key and of the second."""
    pool, now = draft.pool, draft.now
    refusals = pool.refusals
    if _is_next_second(draft):
        pool.set_field(refusals, "second", now.replace(microsecond=0))
        pool.set_field(refusals, "journalled", 0)
    left = _budget_left(draft, key_id)
    # A key without a budget has a full one: those that have filled up again need not be kept.
    if len(refusals.budgets) >= _BUDGETS_KEPT and key_id not in refusals.budgets:
        refilled = now - timedelta(seconds=REFUSALS_OF_A_KEY)
        kept = {name: budget for name, budget in refusals.budgets.items() if budget.at > refilled}
        pool.set_field(refusals, "budgets", kept)
    pool.put_entry(refusals.budgets, key_id, RefusalBudget(left - 1, now))
    pool.set_field(refusals, "journalled", refusals.journalled + 1)


def _is_next_second(draft: Draft) -> bool:
    """Whether the second in which refusals were counted last is over."""
    second = draft.pool.refusals.second
    return second is None or draft.now >= second + _SECOND


def _budget_left(draft: Draft, key_id: KeyId) -> float:
    """Count the refusals of a key that may be journalled now, as they come back one a second."""
    full = float(REFUSALS_OF_A_KEY)
    budget = draft.pool.refusals.budgets.get(key_id)
    if budget is None:
        return full
    return min(full, budget.left + max(0.0, (draft.now - budget.at).total_seconds()))


def tell_counted(draft: Draft, *, ending: bool = False) -> None:
    """Journal what was only counted, ten seconds after its first; when `ending`, all of it."""
    pool = draft.pool
    counted = pool.refusals.counted
    # No envelope may grow too long: the rest is due with whatever is decided next.
    for _ in range(_COUNTED_AT_ONCE):
        due = count_due_at(pool)
        if due is None or (draft.now < due and not ending):
            return
        key = next(iter(counted))
        event = counted[key]
        pool.drop_entry(counted, key)
        draft.emit(event)


def count_due_at(state: Pool) -> datetime | None:
    """Tell when the first of the counted refusals is to be told; None when there are none."""
    # A tally that grows keeps its place, so that the first is the oldest.
    for event in state.refusals.counted.values():
        assert event.since is not None
        return event.since + COUNTED_FOR
    return None


def _seconds_until(now: datetime, *instants: datetime | None) -> float:
    """Seconds from `now` to the first of the instants known; 0 when none is."""
    soonest = min((instant for instant in instants if instant is not None), default=now)
    return max(0.0, (soonest - now).total_seconds())

"""How much of what is refused the log is told.

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
)
from services.pool.domain.decide import bounds
from services.pool.domain.decide.decision import Draft
from services.pool.domain.ended import Mark
from services.pool.domain.leading.memory import RefusalBudget
from services.pool.domain.state import Pool

REFUSALS_PER_SECOND = 100
REFUSALS_OF_A_KEY = 10
"""So many of one key are journalled singly at once; one more each second."""
COUNTED_FOR = timedelta(seconds=10)
_COUNTED_AT_ONCE = 500
_BUDGETS_KEPT = 1000
_SECOND = timedelta(seconds=1)
GIVEN_UP = Refused(reason=Refusal.CANCELLED, message="cancelled before it was granted")


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

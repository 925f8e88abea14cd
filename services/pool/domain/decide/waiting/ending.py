"""Waits that are over without a lease, and what is journalled of those that last.

A wait is the leader's memory, asked for anew every two seconds; of one that has lasted a second
the log is told, as far as twenty a second and key allow. Its end then stands in the log by name.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache

from msgspec.structs import replace

from contracts.base import LeaseId, lease_id
from contracts.pool import (
    DropWaits,
    LeaseQueued,
    PoolEvent,
    Refusal,
    Refused,
    SessionRequested,
    WaitEnd,
    WaitsEnded,
)
from services.pool.domain.decide.decision import Draft
from services.pool.domain.decide.reasons import refusal_for, refusal_of_all, unfit_reason
from services.pool.domain.decide.refusals import refuse_lease
from services.pool.domain.decide.waiting.entering import hope_of
from services.pool.domain.index.choice import Index
from services.pool.domain.leading.line import Wait
from services.pool.domain.state import Pool

JOURNALLED_AFTER = timedelta(seconds=1)
JOURNALLED_PER_SECOND = 20
"""Waits of one key."""
UNHEARD_AFTER = timedelta(seconds=30)
_LOOK_EVERY = timedelta(seconds=1)
_SECOND = timedelta(seconds=1)
_ENDED_AT_ONCE = 500
FULL = Refused(
    reason=Refusal.LEDGER_UNAVAILABLE, retry_after_s=1.0, message="the event log is nearly full"
)
DROPPED = replace(refusal_for(Refusal.SATURATED), wait="an operator dropped it from the queue")


def tend_waits(state: Pool, now: datetime, *, full: bool = False) -> list[PoolEvent]:
    """End the waits that are over, all of them where the log is `full`; journal those that last."""
    line = state.line
    if line.began_at is None:
        line.began_at = now
    if not line and not state.queued:
        return []
    draft = Draft(state, now)
    if full:
        _end_waits(draft, [*line.waits.values()], "full", lambda _: FULL)
    elif line.looked_at is None or now - line.looked_at >= _LOOK_EVERY:
        line.looked_at = now
        _end_those_over(draft)
    if not full:
        _journal_lasting(draft)
    return draft.events


def drop_waits(draft: Draft, command: DropWaits) -> list[LeaseId]:
    """End the waits that an operator names; return those that there were, a part of very many."""
    waits = draft.pool.line.waits.values()
    dropped = [
        wait
        for wait in waits
        if command.lease_id in {"", wait.lease_id}
        and command.service_type in {"", wait.requested.service_type}
        and command.key_id in {"", wait.requested.key_id}
    ]
    return _end_waits(draft, dropped, "dropped", lambda _: DROPPED, command.by or "operator")


def leave_line(draft: Draft, name: LeaseId, how: str) -> None:
    """Take a wait out that ends in another way than by its turn; `how` is that of `WaitOver`."""
    pool = draft.pool
    if name not in pool.line.waits:
        return
    wait = pool.line.remove_wait(name)
    pool.on_rollback(pool.line.add_wait, wait)
    pool.line.note_over(wait, how, draft.now)
    pool.on_rollback(pool.line.over.pop)


def refuse_wait(draft: Draft, requested: SessionRequested, refused: Refused) -> None:
    """Refuse a request, which may have waited until now."""
    name = lease_id(requested.request_id, requested.number)
    if name in draft.pool.queued:
        draft.emit(WaitsEnded(items=[WaitEnd(lease_id=name, reason="deadline")]))
    refuse_lease(draft, requested, refused)


def _end_those_over(draft: Draft) -> None:
    """End what is past its deadline, in vain, or of a gateway that is not heard any more."""
    pool, now = draft.pool, draft.now
    line = pool.line
    late: list[Wait] = []
    vain: list[Wait] = []
    unheard: list[Wait] = []
    index = pool.index_at(now)
    hope = lru_cache(64)(lambda service_type, units: hope_of(draft, service_type, units))
    for wait in line.waits.values():
        requested = wait.requested
        if now >= wait.deadline:
            late.append(wait)
        elif now - wait.heard_at >= UNHEARD_AFTER:
            unheard.append(wait)
        elif (
            pool.all_barred
            or unfit_reason(pool, index, requested) is not None
            or (moment := hope(requested.service_type, requested.units)) is None
            or moment > wait.deadline
        ):
            vain.append(wait)
    for ended, reason in ((late, "deadline"), (vain, "hopeless")):
        _end_waits(draft, ended, reason, lambda wait: _refusal_now(draft, index, wait.requested))
    _end_waits(draft, unheard, "unheard")
    assert line.began_at is not None
    if now - line.began_at >= UNHEARD_AFTER:
        # Those of a term before: nobody has asked for them in this one.
        gone = [name for name in pool.queued if name not in line.waits][:_ENDED_AT_ONCE]
        if gone:
            items = [WaitEnd(lease_id=name, reason="unheard") for name in gone]
            draft.emit(WaitsEnded(items=items))


def _refusal_now(draft: Draft, index: Index, requested: SessionRequested) -> Refused:
    """Say why there is no lease for it: what is allowed may have changed while it waited."""
    reason = unfit_reason(draft.pool, index, requested)
    return refusal_of_all(draft, index, requested) if reason is None else refusal_for(reason)


def _end_waits(
    draft: Draft,
    waits: list[Wait],
    reason: str,
    refusal: Callable[[Wait], Refused] | None = None,
    by: str = "",
) -> list[LeaseId]:
    """End waits, and return which: the rest of very many has to wait for the next time.

    Who asks again hears its `refusal`; without one it may wait anew.
    """
    pool, ended = draft.pool, waits[:_ENDED_AT_ONCE]
    for wait in ended:
        leave_line(draft, wait.lease_id, reason)
        if refusal is not None:
            refuse_lease(draft, wait.requested, refusal(wait))
    named = [wait.lease_id for wait in ended if wait.lease_id in pool.queued]
    if named:
        items = [WaitEnd(lease_id=name, reason=reason) for name in named]
        draft.emit(WaitsEnded(items=items, by=by))
    return [wait.lease_id for wait in ended]


def _journal_lasting(draft: Draft) -> None:
    """Journal the waits that have lasted a second."""
    line, now = draft.pool.line, draft.now
    if line.second is None or now - line.second >= _SECOND:
        line.second = now
        line.journalled.clear()
    for name in [*line.young]:
        wait = line.waits[name]
        if now - wait.came_at < JOURNALLED_AFTER:
            break
        key_id = wait.requested.key_id
        if line.journalled[key_id] >= JOURNALLED_PER_SECOND:
            continue
        if len(draft.events) >= _ENDED_AT_ONCE:
            break
        line.journalled[key_id] += 1
        _note_journalled(draft, wait)


def _note_journalled(draft: Draft, wait: Wait) -> None:
    pool = draft.pool
    event = LeaseQueued(
        lease_id=wait.lease_id,
        requested=wait.requested,
        since=wait.since,
        deadline=wait.deadline,
    )
    draft.emit(event)
    del pool.line.young[wait.lease_id]
    pool.on_rollback(pool.line.young.__setitem__, wait.lease_id, None)
    pool.set_field(wait, "journalled", value=True)

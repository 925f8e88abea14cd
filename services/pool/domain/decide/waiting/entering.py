"""Who may wait for a lease, and what it is told while it does."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from contracts.base import LeaseId, ServiceType, lease_id
from contracts.pool import Refusal, Refused, SessionRequested, Waiting
from runtime.texts import count_phrase
from services.pool.domain.decide.decision import Draft
from services.pool.domain.decide.keeping.growth import may_grow
from services.pool.domain.decide.reasons import refusal_for
from services.pool.domain.estimates import hope_at, told_of
from services.pool.domain.leading.line import Wait

HEARD_WITHIN = timedelta(seconds=5)
"""Whose gateway was not heard of for so long is passed over: nobody might take its lease."""
WAIT_MAX = timedelta(hours=1)
"""No command may wait for longer, whatever it says; gateways have bounds of their own."""
_AFTER_RESET = timedelta(seconds=5)


def enter_line(
    draft: Draft,
    requested: SessionRequested,
    refused: Refused,
    until_reset: datetime | None = None,
) -> Waiting | Refused:
    """Let a request wait that is to be refused otherwise, unless that is in vain, or too many do.

    One that comes right before a reset waits for that at least.
    """
    pool, now = draft.pool, draft.now
    line = pool.line
    deadline = now + min(timedelta(milliseconds=requested.wait_ms), WAIT_MAX)
    if until_reset is not None:
        deadline = max(deadline, until_reset + _AFTER_RESET)
    hope = until_reset or hope_of(draft, requested.service_type, requested.units)
    if hope is None or hope > deadline:
        wait_s = requested.wait_ms / 1000
        return replace(refused, wait=f"nothing will come free within {wait_s:g} s")
    bounds = pool.policy
    if len(line) >= bounds.queue_max:
        waiting = count_phrase(len(line), "request waits", "requests wait")
        return _full(f"{waiting} already, as many as may ([pool] queue_max)")
    if line.counts[requested.key_id] >= bounds.queue_max_per_key:
        own = line.counts[requested.key_id]
        waiting = count_phrase(own, "request of this key waits", "requests of this key wait")
        return _full(f"{waiting} already, as many as may ([pool] queue_max_per_key)")
    name = lease_id(requested.request_id, requested.number)
    wait = Wait(
        lease_id=name,
        requested=requested,
        came_at=now,
        since=min(requested.waiting_since or now, now),
        deadline=deadline,
        heard_at=now,
        journalled=name in pool.queued,
    )
    line.add_wait(wait)
    pool.on_rollback(line.remove_wait, name)
    return told_of(pool, wait, now)


def hope_of(draft: Draft, service_type: ServiceType, units: int) -> datetime | None:
    """Tell when such a lease may come free at the earliest: at once where the pool may grow."""
    if may_grow(draft.pool, draft.now):
        return draft.now
    return hope_at(draft.pool, service_type, units, draft.now)


def hear_again(draft: Draft, name: LeaseId, wait_ms: int) -> Waiting | None:
    """Hear once more from a gateway that waits; None: nobody waits so, or not any longer."""
    line = draft.pool.line
    wait = line.waits.get(name)
    if wait is None or not wait_ms:
        return None
    if wait.absent or draft.now - wait.heard_at > HEARD_WITHIN:
        line.hear(wait, draft.now)
    wait.heard_at = draft.now
    return told_of(draft.pool, wait, draft.now)


def _full(wait: str) -> Refused:
    return replace(refusal_for(Refusal.SATURATED, 1.0), wait=wait)

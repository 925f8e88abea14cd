"""A lease is asked for: grant the session that would be missed least, or say why none will do."""

from datetime import datetime, timedelta

from contracts.base import LeaseId, lease_id
from contracts.pool import (
    Free,
    Granted,
    LeaseWanted,
    Outcome,
    Refusal,
    Refused,
    SessionRequested,
    SessionStatus,
    Waiting,
)
from services.pool.domain.decide.blame import tell_refused_logins
from services.pool.domain.decide.bounds import asks_within
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.decide.end import end_lease
from services.pool.domain.decide.granting import grant_lease, grant_reply, kinds_wanted
from services.pool.domain.decide.reasons import refusal_for, refusal_of_all, unfit_reason
from services.pool.domain.decide.refusals import GIVEN_UP, tell_counted
from services.pool.domain.decide.waiting.ending import leave_line, refuse_wait
from services.pool.domain.decide.waiting.entering import enter_line, hear_again
from services.pool.domain.ended import Mark
from services.pool.domain.index.choice import Index
from services.pool.domain.records import OPEN, Lease
from services.pool.domain.state import Pool

STALE_AFTER = timedelta(minutes=10)
FREE = Free()
_WAITABLE = frozenset({Refusal.SATURATED, Refusal.QUOTA_EXHAUSTED})
"""What may be over in a while."""


def decide_lease(state: Pool, wanted: LeaseWanted, now: datetime) -> Decision:
    """End the lease before it, if it names one, and grant the next or refuse it.

    A repetition of a granted (request id, number) gets its grant again, of a refused one its
    refusal, of an ended one a refusal; none with an event. For one that only asks, `Free` takes
    the place of a grant, and of the wait for a reset that is near.
    """
    draft = Draft(state, now)
    state.drop_due(now)
    # Refusals that were counted have no timer but the sweep: whatever is decided tells them.
    tell_counted(draft)
    # First: the session that it frees may be the one that is missed least.
    if wanted.previous is not None:
        end_lease(draft, wanted.previous)
    requested = wanted.requested
    asked = lease_id(requested.request_id, requested.number)
    # Whatever it is told now, it may use: a lease of its id is not taken back any more.
    state.line.untold.discard(asked)
    earlier = _earlier_answer(draft, requested, asked) or _as_waiting(draft, wanted, asked)
    if earlier is not None:
        return Decision(draft.events, earlier)
    index = state.index_at(now)
    reason = unfit_reason(state, index, requested)
    if reason is not None:
        return _refusal(draft, requested, refusal_for(reason))
    choice = index.choose_session(
        requested.service_type,
        requested.units,
        requested.avoid_sessions,
        requested.avoid_regions,
        kinds=kinds_wanted(state, requested, now),
        preferred=state.line.affinities.get(requested.affinity),
    )
    reset = index.guard_ends_at() if choice is None and _may_grant_after_reset(state) else None
    if wanted.only_ask and (choice is not None or reset is not None):
        return Decision(draft.events, FREE)
    # Whoever is there still asks for the last time, and waits no more.
    leave_line(draft, asked, "deadline" if choice is None else "granted")
    if choice is not None:
        return Decision(draft.events, grant_lease(draft, requested, asked, choice))
    return _without_session(draft, wanted, index, reset)


def _without_session(
    draft: Draft, wanted: LeaseWanted, index: Index, reset: datetime | None
) -> Decision:
    """Have a request wait for a session, or for a `reset` that is near; or refuse it."""
    requested = wanted.requested
    refused = refusal_of_all(draft, index, requested)
    if requested.wait_ms and not wanted.only_ask and refused.reason in _WAITABLE:
        answer = enter_line(draft, requested, refused, until_reset=reset)
        return (
            _refusal(draft, requested, answer)
            if isinstance(answer, Refused)
            else (Decision(draft.events, answer))
        )
    if reset is not None:
        return Decision(draft.events, held_until=reset)
    return _refusal(draft, requested, refused)


def _as_waiting(draft: Draft, wanted: LeaseWanted, asked: LeaseId) -> Waiting | None:
    """Answer a repetition of what waits; None for the last one, which waits no more."""
    if wanted.only_ask or not draft.pool.line:
        return None
    return hear_again(draft, asked, wanted.requested.wait_ms)


def _refusal(draft: Draft, requested: SessionRequested, refused: Refused) -> Decision:
    """Decide that there is no lease."""
    refuse_wait(draft, requested, refused)
    if refused.reason is Refusal.CREDENTIALS_EXHAUSTED and _has_suspects(draft.pool):
        tell_refused_logins(draft, requested.request_id)
    return Decision(draft.events, refused)


def _has_suspects(state: Pool) -> bool:
    return state.standing[SessionStatus.SUSPECT] > 0


def _may_grant_after_reset(state: Pool) -> bool:
    """Whether a new quota day could make a difference to anybody."""
    return state.standing[SessionStatus.ACTIVE] > 0


def _earlier_answer(
    draft: Draft, requested: SessionRequested, asked: LeaseId
) -> Granted | Refused | None:
    """Answer what has been decided before, or is too old, or too absurd, to be decided at all.

    Nothing of the last goes into the log; gateways refuse it before they ask.
    """
    if not asks_within(requested):
        return refusal_for(Refusal.TOO_MANY_UNITS)
    pool = draft.pool
    lease = pool.leases.get(asked)
    if lease is not None:
        return _grant_again(draft, lease)
    mark = pool.ended.mark_of(asked)
    if mark is not None:
        return GIVEN_UP if mark is Mark.FORBIDDEN else _refused_again(mark.outcome)
    refused = pool.refusals.refused.get(asked)
    # Too old is only what nobody remembers: an answer that was given is given again.
    if refused is None and draft.now - requested.asked_at > STALE_AFTER:
        return Refused(reason=Refusal.STALE_REQUEST, message="asked more than 10 minutes ago")
    return refused


def _grant_again(draft: Draft, lease: Lease) -> Granted | Refused:
    """Answer a repetition of what was granted."""
    if lease.state == OPEN:
        return grant_reply(draft, lease)
    return _refused_again(lease.state)


def _refused_again(end: str | None) -> Refused:
    """Refuse what was granted once, and has ended."""
    if end == Outcome.CANCELLED:
        return Refused(reason=Refusal.CANCELLED, message="this lease was given back")
    return Refused(reason=Refusal.STALE_REQUEST, message=f"this lease has ended: {end}")

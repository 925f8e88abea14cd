"""A lease is asked for: grant the session that would be missed least, or say why none will do."""

from datetime import datetime, timedelta

import msgspec

from contracts.base import lease_id
from contracts.pool import (
    Free,
    Granted,
    LeaseGranted,
    LeaseWanted,
    Outcome,
    Refusal,
    Refused,
    SessionRequested,
    SessionStatus,
)
from services.pool.domain.decide.bounds import asks_within
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.decide.end import end_lease
from services.pool.domain.decide.refusals import (
    GIVEN_UP,
    refusal_for,
    refusal_of_all,
    refuse_lease,
    tell_counted,
)
from services.pool.domain.ended import Mark
from services.pool.domain.index.choice import Choice
from services.pool.domain.quota import policy_span
from services.pool.domain.records import OPEN, Lease
from services.pool.domain.state import Pool

SEND_WITHIN = timedelta(seconds=30)
STALE_AFTER = timedelta(minutes=10)
FREE = Free()


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
    earlier = _earlier_answer(draft, requested)
    if earlier is not None:
        return Decision(draft.events, earlier)
    reason = _unfit_refusal(state, requested)
    if reason is not None:
        return _refusal(draft, requested, refusal_for(reason))
    index = state.index_at(now)
    choice = index.choose_session(
        requested.service_type,
        requested.units,
        requested.avoid_sessions,
        requested.avoid_regions,
        # A call that was disappointed once is not to clear somebody else's session.
        trials_first=requested.number == 1,
    )
    reset = index.guard_ends_at() if choice is None and _may_grant_after_reset(state) else None
    if wanted.only_ask and (choice is not None or reset is not None):
        return Decision(draft.events, FREE)
    if choice is not None:
        return Decision(draft.events, _grant_lease(draft, requested, choice))
    if reset is not None:
        return Decision(draft.events, held_until=reset)
    return _refusal(draft, requested, refusal_of_all(draft, index, requested))


def _refusal(draft: Draft, requested: SessionRequested, refused: Refused) -> Decision:
    """Decide that there is no lease."""
    refuse_lease(draft, requested, refused)
    return Decision(draft.events, refused)


def _may_grant_after_reset(state: Pool) -> bool:
    """Whether a new quota day could make a difference to anybody."""
    standing = state.standing
    return standing[SessionStatus.ACTIVE] + standing[SessionStatus.SUSPECT] > 0


def _earlier_answer(draft: Draft, requested: SessionRequested) -> Granted | Refused | None:
    """Answer what has been decided before, or is too old, or too absurd, to be decided at all.

    Nothing of the last goes into the log; gateways refuse it before they ask.
    """
    if not asks_within(requested):
        return refusal_for(Refusal.TOO_MANY_UNITS)
    pool = draft.pool
    asked = lease_id(requested.request_id, requested.number)
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
        return _grant_reply(draft, lease)
    return _refused_again(lease.state)


def _refused_again(end: str | None) -> Refused:
    """Refuse what was granted once, and has ended."""
    if end == Outcome.CANCELLED:
        return Refused(reason=Refusal.CANCELLED, message="this lease was given back")
    return Refused(reason=Refusal.STALE_REQUEST, message=f"this lease has ended: {end}")


def _unfit_refusal(state: Pool, requested: SessionRequested) -> Refusal | None:
    """Say what no session could ever grant."""
    limit = state.policy.daily_limits.get(requested.service_type)
    if limit is None:
        return Refusal.UNKNOWN_SERVICE
    # A type of which nothing is allowed is exhausted, not misused, by a request for one unit.
    if not 1 <= requested.units <= max(limit, 1):
        return Refusal.TOO_MANY_UNITS
    return None


def _grant_lease(draft: Draft, requested: SessionRequested, choice: Choice) -> Granted:
    """Journal the request and its grant of the session chosen."""
    pool, now = draft.pool, draft.now
    assert choice.trial == (choice.session.suspected_at is not None)
    draft.emit(requested)
    granted = lease_id(requested.request_id, requested.number)
    event = LeaseGranted(
        lease_id=granted,
        request_id=requested.request_id,
        number=requested.number,
        session_id=choice.session.session_id,
        service_type=requested.service_type,
        quota_day=choice.zone.day,
        units=requested.units,
        # Sent any later, it might be counted on the next quota day.
        send_by=min(now + SEND_WITHIN, choice.zone.guard_at),
        expires_at=now + policy_span(pool.policy.lease_ttl_s),
        trial=choice.trial,
    )
    draft.emit(event)
    return _grant_reply(draft, pool.leases[granted])


def _grant_reply(draft: Draft, lease: Lease) -> Granted:
    """Tell a gateway all it needs of an open lease, as of the draft's moment."""
    session, now = lease.session, draft.now
    return Granted(
        lease_id=lease.lease_id,
        session_id=session.session_id,
        region=session.region,
        quota_day=lease.quota_day,
        units=lease.units,
        # Seconds, not moments: the gateway's clock may be another.
        send_within_s=max(0.0, (lease.send_by - now).total_seconds()),
        expires_in_s=max(0.0, (lease.expires_at - now).total_seconds()),
        remaining=draft.pool.index_at(now).units_left_by_type(session),
        trial=lease.trial,
        # Its accuser would say the same again; another server is to judge.
        avoid_servers=[session.accuser] if lease.trial and session.accuser else [],
    )


def grant_as_sent(granted: Granted, elapsed_s: float, revision: int) -> Granted:
    """Tell a grant as it is when it is sent, `elapsed_s` after its decision.

    `revision` is that of the session's credential by then.
    """
    return msgspec.structs.replace(
        granted,
        send_within_s=max(granted.send_within_s - elapsed_s, 0.0),
        expires_in_s=max(granted.expires_in_s - elapsed_s, 0.0),
        credential_revision=revision,
    )

"""A lease is asked for: grant the session that would be missed least, or say why none will do."""

from datetime import datetime, timedelta

from contracts.base import lease_id
from contracts.pool import (
    Free,
    Granted,
    LeaseGranted,
    LeaseWanted,
    Outcome,
    PoolEvent,
    Refusal,
    Refused,
    SessionRequested,
    SessionStatus,
)
from services.pool.domain.decide.bounds import asks_within
from services.pool.domain.decide.decision import Decision, emit
from services.pool.domain.decide.end import end_lease
from services.pool.domain.decide.refusals import (
    GIVEN_UP,
    MESSAGES,
    refuse_lease,
    tell_counted,
    why_none,
)
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
    events: list[PoolEvent] = []
    state.drop_departed(now)
    tell_counted(state, events, now)
    if wanted.previous is not None:
        end_lease(state, events, wanted.previous, now)
    requested = wanted.requested
    earlier = _earlier_answer(state, requested, now)
    if earlier is not None:
        return Decision(events, earlier)
    reason = _unfit_refusal(state, requested)
    if reason is not None:
        return Decision(events, refuse_lease(state, events, requested, reason, 0.0, now))
    index = state.index_at(now)
    choice = index.choose_session(
        requested.service_type,
        requested.units,
        requested.avoid_sessions,
        trials_first=requested.number == 1,
    )
    reset = index.guard_ends_at() if choice is None else None
    hopeful = choice is not None or (reset is not None and _has_hope(state))
    if wanted.only_ask and hopeful:
        return Decision(events, FREE)
    if choice is not None:
        return Decision(events, _grant_lease(state, events, requested, choice, now))
    if reset is not None and hopeful:
        return Decision(events, held_until=reset)
    reason, retry_after_s = why_none(state, index, requested, now)
    return Decision(events, refuse_lease(state, events, requested, reason, retry_after_s, now))


def _has_hope(state: Pool) -> bool:
    """Whether a new quota day could make a difference to anybody."""
    standing = state.standing
    return standing[SessionStatus.ACTIVE] + standing[SessionStatus.SUSPECT] > 0


def _earlier_answer(
    state: Pool, requested: SessionRequested, now: datetime
) -> Granted | Refused | None:
    """Answer what has been decided before, or is too old, or too absurd, to be decided at all.

    Nothing of the last goes into the log; gateways refuse it before they ask.
    """
    if not asks_within(requested):
        too_many = Refusal.TOO_MANY_UNITS
        return Refused(reason=too_many, message=MESSAGES[too_many])
    asked = lease_id(requested.request_id, requested.number)
    lease = state.leases.get(asked)
    if lease is not None:
        return _grant_again(state, lease, now)
    if asked in state.forbidden:
        return GIVEN_UP
    answers = state.refusals.answers.get(asked)
    if answers is None and now - requested.asked_at > STALE_AFTER:
        return Refused(reason=Refusal.STALE_REQUEST, message="asked more than 10 minutes ago")
    return answers


def _grant_again(state: Pool, lease: Lease, now: datetime) -> Granted | Refused:
    """Answer a repetition of what was granted."""
    if lease.state == OPEN:
        return _grant_reply(state, lease, now)
    if lease.state == Outcome.CANCELLED:
        return Refused(reason=Refusal.CANCELLED, message="this lease was given back")
    message = f"this lease has ended: {lease.state}"
    return Refused(reason=Refusal.STALE_REQUEST, message=message)


def _unfit_refusal(state: Pool, requested: SessionRequested) -> Refusal | None:
    """Say what no session could ever grant."""
    limit = state.policy.daily_limits.get(requested.service_type)
    if limit is None:
        return Refusal.UNKNOWN_SERVICE
    # A type of which nothing is allowed is exhausted, not misused, by a request for one unit.
    if not 1 <= requested.units <= max(limit, 1):
        return Refusal.TOO_MANY_UNITS
    return None


def _grant_lease(
    state: Pool,
    events: list[PoolEvent],
    requested: SessionRequested,
    choice: Choice,
    now: datetime,
) -> Granted:
    """Journal the request and its grant of the session chosen."""
    emit(state, events, requested, now)
    granted = lease_id(requested.request_id, requested.number)
    event = LeaseGranted(
        lease_id=granted,
        request_id=requested.request_id,
        number=requested.number,
        session_id=choice.session.session_id,
        service_type=requested.service_type,
        quota_day=choice.zone.day,
        units=requested.units,
        send_by=min(now + SEND_WITHIN, choice.zone.guard_at),
        expires_at=now + policy_span(state.policy.lease_ttl_s),
        trial=choice.trial,
    )
    emit(state, events, event, now)
    return _grant_reply(state, state.leases[granted], now)


def _grant_reply(state: Pool, lease: Lease, now: datetime) -> Granted:
    session = lease.session
    return Granted(
        lease_id=lease.lease_id,
        session_id=session.session_id,
        region=session.region,
        quota_day=lease.quota_day,
        units=lease.units,
        send_within_s=max(0.0, (lease.send_by - now).total_seconds()),
        expires_in_s=max(0.0, (lease.expires_at - now).total_seconds()),
        remaining=state.index_at(now).units_left_by_type(session),
        trial=lease.trial,
        avoid_servers=[session.accuser] if lease.trial and session.accuser else [],
    )

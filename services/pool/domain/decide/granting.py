"""A lease of a session that was chosen, and what its gateway is told of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from contracts.base import LeaseId
from contracts.pool import TRY_PATH, Granted, LeaseGranted, SessionRequested
from services.pool.domain.decide.decision import Draft
from services.pool.domain.index.choice import SUSPICION, Choice
from services.pool.domain.index.shelves import (
    NO_TRIALS,
    TRIALS_FIRST,
    TRIALS_LAST,
    ShelfKind,
)
from services.pool.domain.quota import policy_span
from services.pool.domain.records import Lease
from services.pool.domain.state import Pool

SEND_WITHIN = timedelta(seconds=30)


def kinds_wanted(pool: Pool, requested: SessionRequested, now: datetime) -> Sequence[ShelfKind]:
    """Tell in which order sessions of which kinds may do this call."""
    if requested.path == TRY_PATH:
        return NO_TRIALS
    tried_at = pool.evidence.tried_at
    # While no login is believed one call a minute is enough to find out that one is.
    if tried_at is not None and now - tried_at < SUSPICION and pool.all_barred:
        return NO_TRIALS
    # A call that was disappointed once is not to clear somebody else's session.
    return TRIALS_FIRST if requested.number == 1 else TRIALS_LAST


def grant_lease(
    draft: Draft, requested: SessionRequested, lease_id: LeaseId, choice: Choice
) -> Granted:
    """Journal the request and its grant, by this id, of the session chosen."""
    pool, now = draft.pool, draft.now
    assert choice.trial == (choice.session.suspected_at is not None)
    draft.emit(requested)
    event = LeaseGranted(
        lease_id=lease_id,
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
        only_tried=requested.path == TRY_PATH,
    )
    draft.emit(event)
    if requested.affinity:
        pool.line.note_affinity(requested.affinity, event.session_id)
    return grant_reply(draft, pool.leases[lease_id])


def grant_reply(draft: Draft, lease: Lease) -> Granted:
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
        # Who accused it would say the same again; another server is to judge.
        avoid_servers=[accuser.server_id for accuser in session.accusers] if lease.trial else [],
        label=draft.pool.labels.get(session.session_id, ""),
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

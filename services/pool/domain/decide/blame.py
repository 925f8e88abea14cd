"""Whom a verdict blames: the session, its server, or nobody yet (leases.md, ADR 37).

A rate, a quota and risk control are said of the session, and believed. A login that is called
expired makes it a suspect: whether it is to blame or the server, another server's success shows. A
4xx that no table lists may be the session's fault or the client's: so it is compared.
"""

from datetime import timedelta

from contracts.base import QuotaDay, RequestId, ServerId, ServiceType, SessionId
from contracts.pool import (
    CredentialsRefused,
    QuotaObserved,
    SessionChanged,
    SessionCooled,
    SessionDoubted,
    SessionRecovered,
    SessionStatus,
    SessionSuspected,
    UsageRecorded,
    Verdict,
)
from services.pool.domain.decide.decision import Draft
from services.pool.domain.evidence import COMPARED_FOR, KeyPlace, place_of
from services.pool.domain.evolve.sessions import RISK_CONTROL
from services.pool.domain.records import Lease, Session, Tally

RATE_LIMITED_S = 60.0
"""Cool-down after a 429 that names no `Retry-After`."""
RISK_CONTROL_S = 300.0
"""Cool-down after a first risk control; each further one in a row doubles it."""
DOUBTS_MAX = 3
"""From so many failures in a row that speak against it a session is cooled for each."""
DOUBTED_S = 300.0
RECOVERED_MAX = 500
"""Sessions that one decision recovers of one server's accusations."""
COOLING_S_MAX = 86_400.0
_DOUBLINGS_MAX = 9
_NO_REQUEST = RequestId("")
_PATH_UNKNOWN = (404, 405)
_IN_SERVICE = (SessionStatus.ACTIVE, SessionStatus.DRAINING)


def blame_session(draft: Draft, lease: Lease, usage: UsageRecorded, *, was_trial: bool) -> None:
    """Penalise the session, if the verdict says so and the request has cost no other one."""
    own = lease.session.session_id
    # A request that fails by its own fault would fail on one session after the other.
    if draft.pool.ended.penalised_session(lease.request_id) not in {None, own}:
        return
    match usage.verdict:
        case Verdict.RATE_LIMITED:
            seconds = RATE_LIMITED_S if usage.retry_after_s is None else usage.retry_after_s
            _cool_session(draft, lease, seconds, "rate_limited")
        case Verdict.RISK_CONTROL:
            seconds = RISK_CONTROL_S * 2 ** min(lease.session.risks, _DOUBLINGS_MAX)
            _cool_session(draft, lease, seconds, RISK_CONTROL)
        case Verdict.QUOTA_EXHAUSTED:
            session, day, request_id = lease.session, lease.quota_day, lease.request_id
            close_day(draft, session, lease.service_type, day, lease.tally, request_id=request_id)
        case Verdict.LOGIN_EXPIRED:
            server_id = usage.attempts[-1].server_id if usage.attempts else ServerId("")
            if was_trial and _is_convicted(draft, lease.session, server_id):
                _disable_session(draft, lease)
            elif was_trial or lease.session.lasting_status() in _IN_SERVICE:
                _suspect_session(draft, lease, server_id)
        case Verdict.REJECTED if usage.session_doubt:
            _doubt_session(draft, lease, usage)
        case _:
            pass


def _doubt_session(draft: Draft, lease: Lease, usage: UsageRecorded) -> None:
    """Doubt the session where a comparison speaks against it; three in a row cool it.

    Where most sessions are doubted there is nothing to compare with: none is cooled for it, or
    what clients write could empty the pool.
    """
    pool, session = draft.pool, lease.session
    why = _doubt_reason(draft, session, usage)
    if why is None:
        return
    doubted = len(pool.evidence.doubted) + (session.session_id not in pool.evidence.doubted)
    status = usage.attempts[-1].status if usage.attempts else 0
    event = SessionDoubted(
        session_id=session.session_id,
        request_id=lease.request_id,
        key_id=usage.key_id,
        reason=f"answered {status}; {why}",
        failures=session.doubts + 1,
        many=2 * doubted > pool.standing[SessionStatus.ACTIVE],
    )
    draft.emit(event)
    if event.failures >= DOUBTS_MAX and not event.many:
        _cool_session(draft, lease, DOUBTED_S, "doubted")


def _doubt_reason(draft: Draft, session: Session, usage: UsageRecorded) -> str | None:
    """Say what speaks against a session with which a call has just failed.

    What a backend lacks fails with every session: so of what went well nothing counts but what this
    very server answered of this type, and of a path that it calls unknown what it answered there.
    Nor does what a session showed that has left since. Two keys agree if this server said both, or
    if it is known to serve others: else one may have met what a server lacks.
    """
    place = place_of(usage)
    if place is None:
        return None
    now = draft.now
    unknown_path = usage.path if usage.attempts[-1].status in _PATH_UNKNOWN else None
    other = _served_beside(draft, session, place, unknown_path)
    if other is not None:
        return f"its key succeeded with session {other}"
    # Whoever's call it was: what succeeded here shows that the server does such things.
    is_served = _served_beside(draft, session, place.of_all_keys, unknown_path) is not None
    for failure in session.failures:
        is_here = failure.server_id == place.server_id and unknown_path is None
        if (
            (is_here or is_served)
            and failure.service_type == usage.service_type
            and failure.key_id != usage.key_id
            and now - failure.at <= COMPARED_FOR
        ):
            return f"key {failure.key_id} failed with it, too"
    return None


def _served_beside(
    draft: Draft, session: Session, place: KeyPlace, path: str | None
) -> SessionId | None:
    """Find another session that is in service, and with which a call in this place succeeded."""
    pool = draft.pool
    others = pool.evidence.successes_beside(place, session.session_id, draft.now, path)
    for other in others:
        if pool.sessions[other].lasting_status() in _IN_SERVICE:
            return other
    return None


def _cool_session(draft: Draft, lease: Lease, seconds: float, reason: str) -> None:
    """Cool the session, unless it is cooling for longer already."""
    session = lease.session
    until = draft.now + timedelta(seconds=max(0.0, min(COOLING_S_MAX, seconds)))
    if session.cooling_until is None or until > session.cooling_until:
        cooled = SessionCooled(
            session_id=session.session_id,
            until=until,
            reason=reason,
            request_id=lease.request_id,
        )
        draft.emit(cooled)


def close_day(
    draft: Draft,
    session: Session,
    service_type: ServiceType,
    day: QuotaDay,
    tally: Tally | None,
    *,
    request_id: RequestId = _NO_REQUEST,
    by: str = "",
) -> None:
    """Believe the upstream's own count: nothing of this type is left on this day.

    `tally` is its account's of both; None while there is none. Open leases end as ever.
    """
    if tally is None or not tally.closed:
        observed = QuotaObserved(
            session_id=session.session_id,
            service_type=service_type,
            quota_day=day,
            request_id=request_id,
            by=by,
        )
        draft.emit(observed)


def _disable_session(draft: Draft, lease: Lease) -> None:
    """Believe a second invalid login."""
    disabled = SessionChanged(
        session_id=lease.session.session_id,
        status=SessionStatus.DISABLED,
        reason="login_expired",
        by="pool",
    )
    draft.emit(disabled)
    tell_barred_pool(draft, lease.request_id)


def _is_convicted(draft: Draft, session: Session, server_id: ServerId) -> bool:
    """Tell whether a second invalid login speaks against the session.

    The server that says so has served others since the first. Without that it may be the servers
    as well, and the session stays suspect.
    """
    served_at, since = draft.pool.evidence.served_at.get(server_id), session.suspected_at
    return served_at is not None and since is not None and served_at >= since


def _suspect_session(draft: Draft, lease: Lease, server_id: ServerId) -> None:
    """Suspect the session, or the server, where that said so of several and another one served."""
    suspected = SessionSuspected(
        session_id=lease.session.session_id, server_id=server_id, request_id=lease.request_id
    )
    draft.emit(suspected)
    blame_servers(draft)
    tell_barred_pool(draft, lease.request_id)


def blame_servers(draft: Draft) -> None:
    """Recover the sessions that only refuted servers accuse: it is not they who have expired."""
    evidence = draft.pool.evidence
    for server_id in evidence.refuted_servers():
        # No envelope may grow too long: what is left is recovered with the next success.
        for session_id in [*evidence.suspects[server_id]][:RECOVERED_MAX]:
            blamed = SessionRecovered(
                session_id=session_id, reason="server_blamed", server_id=server_id
            )
            draft.emit(blamed)


def tell_barred_pool(draft: Draft, request_id: RequestId) -> None:
    """Tell that no login is believed any more, if all are suspect or disabled."""
    if draft.pool.all_barred:
        tell_refused_logins(draft, request_id)


def tell_refused_logins(draft: Draft, request_id: RequestId) -> None:
    """Tell once that no login is believed of those sessions that are not used up."""
    pool = draft.pool
    if pool.evidence.refused_at is not None:
        return
    standing = pool.standing
    refused = CredentialsRefused(
        suspects=standing[SessionStatus.SUSPECT],
        disabled=standing[SessionStatus.DISABLED],
        request_id=request_id,
    )
    draft.emit(refused)

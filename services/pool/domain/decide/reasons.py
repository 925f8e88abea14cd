"""Why no session will do, and after how many seconds asking again may help."""

from datetime import datetime, timedelta
from itertools import islice

import msgspec

from contracts.pool import Refusal, Refused, SessionRequested, SessionStatus
from runtime.texts import count_phrase
from services.pool.domain.decide.decision import Draft
from services.pool.domain.decide.keeping.growth import LOGIN_EXPIRED, may_grow
from services.pool.domain.index.choice import SUSPICION, Index
from services.pool.domain.index.shelves import SUSPECTS, ShelfKind
from services.pool.domain.state import Pool

_DRAINING, _TRIAL = frozenset({ShelfKind.DRAINING}), frozenset({ShelfKind.TRIAL})
_FREE = frozenset({ShelfKind.FREE, ShelfKind.DOUBTFUL})
_RETRY_S_MIN, _RETRY_S_MAX = 1.0, 30.0
_LOOKED_AT = 1000
"""Sessions of which it is seen who disabled them."""
MESSAGES = {
    Refusal.UNKNOWN_SERVICE: "there is no such service type",
    Refusal.TOO_MANY_UNITS: "expected at least 1 unit and at most the highest daily limit",
    Refusal.QUOTA_EXHAUSTED: "no session has an unreserved unit today",
    Refusal.CREDENTIALS_EXHAUSTED: "every session is disabled or suspect",
    Refusal.SATURATED: "all sessions are busy, cooling, draining, or still being made",
}


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
        saturated = refusal_for(Refusal.SATURATED, _RETRY_S_MIN)
        why = "" if pool.size else "the pool has no session yet"
        return msgspec.structs.replace(saturated, why=why)
    if not pool.size or pool.all_barred:
        exhausted = refusal_for(Refusal.CREDENTIALS_EXHAUSTED)
        return msgspec.structs.replace(exhausted, why=_why_none_works(pool))
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
        if requested.avoid_sessions and index.has_units(
            requested.service_type, requested.units, _FREE
        ):
            return _refusal_by_tries(requested)
        freed = index.deadlines.first_deadline()
        soonest = _seconds_until(now, freed, index.next_waking())
        # Whatever runs may end at any moment; with nothing that runs the moment is known.
        if freed is not None:
            soonest = min(soonest, _RETRY_S_MAX)
        return refusal_for(Refusal.SATURATED, max(soonest, _RETRY_S_MIN))
    # Reserved units may come back with an end, at the latest by the first deadline.
    deadline, reset = index.deadlines.earliest_of(requested.service_type), index.next_reset()
    soonest = max(_seconds_until(now, deadline, reset), _RETRY_S_MIN)
    if index.has_units(requested.service_type, requested.units, _DRAINING):
        # What drains is not used up: somebody will let it work again.
        return refusal_for(Refusal.SATURATED, min(soonest, _RETRY_S_MAX))
    if index.has_units(requested.service_type, requested.units, SUSPECTS):
        return _refusal_by_suspects(draft, index, requested)
    exhausted = refusal_for(Refusal.QUOTA_EXHAUSTED, soonest)
    return msgspec.structs.replace(exhausted, resets_at=reset)


def _refusal_by_tries(requested: SessionRequested) -> Refused:
    """Say that whatever is free is nothing for this call: another may have it at once."""
    tried = count_phrase(len(requested.avoid_sessions), "session", "sessions")
    why = (
        f"no session with a unit of {requested.service_type} left is free but the {tried} that"
        " this call has tried already"
    )
    return msgspec.structs.replace(refusal_for(Refusal.SATURATED, _RETRY_S_MIN), why=why)


def _refusal_by_suspects(draft: Draft, index: Index, requested: SessionRequested) -> Refused:
    """Say that what is left is that of suspects.

    Where a backend has served since the first of them was accused, logins are believed in general,
    and trials show soon whose are not.
    """
    evidence = draft.pool.evidence
    reason, retry_s = Refusal.CREDENTIALS_EXHAUSTED, _trial_comes_s(draft, index, requested)
    first = next((draft.pool.sessions[name] for name in evidence.accused), None)
    since = None if first is None else first.suspected_at
    if since is not None and any(at >= since for at in evidence.served_at.values()):
        reason, retry_s = Refusal.SATURATED, max(retry_s, _RETRY_S_MIN)
    why = (
        f"what is left of {requested.service_type} today is that of credentials which a backend"
        " called invalid"
    )
    return msgspec.structs.replace(refusal_for(reason, retry_s), why=why)


def _why_none_works(pool: Pool) -> str:
    """Say why no session may ever be granted, where it is not that all logins are refused."""
    if not pool.size:
        return "the pool has no session: its operator has to add credentials"
    reasons = {
        session.reason == LOGIN_EXPIRED
        for session in islice(pool.sessions.values(), _LOOKED_AT)
        if session.status is SessionStatus.DISABLED
    }
    if False not in reasons:
        return ""
    if True not in reasons:
        return "every session of the pool is disabled, by its operator"
    return "every session of the pool is disabled, by its operator or because its login expired"


def _seconds_until(now: datetime, *instants: datetime | None) -> float:
    """Seconds from `now` to the first of the instants known; 0 when none is."""
    soonest = min((instant for instant in instants if instant is not None), default=now)
    return max(0.0, (soonest - now).total_seconds())

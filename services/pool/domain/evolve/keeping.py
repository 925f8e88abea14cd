"""What growth goes by into state: what was asked for, who joined, whether it is held."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from contracts.base import LeaseId, ServerId, ServiceType
from contracts.pool import (
    TRY_PATH,
    CheckRecorded,
    GrowthHeld,
    GrowthResumed,
    PolicyChanged,
    SessionAdded,
    SessionRequested,
    SessionRevived,
    SessionsForgotten,
    SessionStatus,
)
from services.pool.domain.records import Account, Session
from services.pool.domain.state import Pool
from services.pool.domain.upkeep import PROVISIONER, RECENTLY, REMADE, Bought, Joined

_GRAIN = timedelta(minutes=1)
_SUCCESS_GRAIN = timedelta(seconds=30)
_FORGOTTEN: dict[str, Any] = {
    "last_used_at": None,
    "cooling_until": None,
    "risks": 0,
    "suspected_at": None,
    "accuser": ServerId(""),
    "trial": LeaseId(""),
    "reason": "",
    "retired_at": None,
    "revived_at": None,
    "succeeded_at": None,
    "checked_at": None,
}
"""What is left of the fields of a session that is forgotten; the others identify it."""


def note_asked(state: Pool, service_type: ServiceType) -> None:
    """Note that a type was asked for; one that the policy does not name is nobody's to serve."""
    asked_at = state.upkeep.asked_at
    before = asked_at.get(service_type)
    if before is None:
        if service_type in state.policy.daily_limits:
            state.put_entry(asked_at, service_type, state.at)
    elif state.at - before >= _GRAIN:
        state.put_entry(asked_at, service_type, state.at)


def note_joined(state: Pool, event: SessionAdded | SessionRevived) -> None:
    """Note that a session was added, or added again, and by whom."""
    upkeep, at = state.upkeep, state.at
    while upkeep.joined and at - upkeep.joined[0].at >= RECENTLY:
        state.on_rollback(upkeep.joined.appendleft, upkeep.joined.popleft())
    upkeep.joined.append(Joined(event.session_id, at))
    state.on_rollback(upkeep.joined.pop)
    if event.by == PROVISIONER and event.origin in REMADE:
        day = at.date().isoformat()
        before = upkeep.bought.count if upkeep.bought.day == day else 0
        state.set_field(upkeep, "bought", Bought(day, before + 1))


def note_account_lives(state: Pool, session: Session) -> None:
    """Note that an account lives."""
    before = session.succeeded_at
    if before is None or state.at - before >= _SUCCESS_GRAIN:
        state.set_field(session, "succeeded_at", state.at)


def note_check(state: Pool, session: Session, event: CheckRecorded) -> None:
    """Note that a backend was asked after an account, and whether it lives."""
    state.set_field(session, "checked_at", state.at)
    if event.judged == "alive":
        note_account_lives(state, session)


def forget_types(state: Pool, event: PolicyChanged) -> None:
    """Forget when types were asked for that there are no more."""
    limits, asked_at = event.policy.daily_limits, state.upkeep.asked_at
    if not asked_at.keys() <= limits.keys():
        kept = {name: at for name, at in asked_at.items() if name in limits}
        state.set_field(state.upkeep, "asked_at", kept)


def _on_sessions_forgotten(state: Pool, event: SessionsForgotten) -> None:
    """Keep of each what identifies it; one that is not retired, or is leased, stays as it is."""
    for session in filter(None, map(state.sessions.get, event.session_ids)):
        if session.status is not SessionStatus.RETIRED or session.open_leases:
            continue
        for name, value in _FORGOTTEN.items():
            state.set_field(session, name, value)
        if _is_all_forgotten(state, session.account):
            state.set_field(session.account, "days", {})
        state.drop_entry(state.used_at, session.session_id)


def _is_all_forgotten(state: Pool, account: Account) -> bool:
    """Whether no session uses an account any more: what one used counts for the others."""
    if not account.name:
        return True
    members = map(state.sessions.__getitem__, state.members[account.name])
    return all(
        session.status is SessionStatus.RETIRED and session.retired_at is None
        for session in members
    )


def _on_session_requested(state: Pool, event: SessionRequested) -> None:
    if event.path != TRY_PATH:
        note_asked(state, event.service_type)


def _on_growth_held(state: Pool, event: GrowthHeld) -> None:
    state.set_field(state.upkeep, "held", event)


def _on_growth_resumed(state: Pool, _: GrowthResumed) -> None:
    state.set_field(state.upkeep, "held", None)


KEEPING_EVENTS: dict[type, Callable[[Pool, Any], None]] = {
    SessionRequested: _on_session_requested,
    GrowthHeld: _on_growth_held,
    GrowthResumed: _on_growth_resumed,
    SessionsForgotten: _on_sessions_forgotten,
}

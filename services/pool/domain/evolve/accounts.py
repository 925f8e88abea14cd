"""Accounts into state: a session joins one for good, and what is said of one holds for all of it.

The account of the first that joins gets the name. The counts of a later one are added to it, and so
are its leases: those that are open, and those of which nobody knows what became of them, give back
and correct what is the account's from then on.
"""

from datetime import datetime, timedelta

from contracts.base import QuotaDay
from contracts.pool import AccountChanged, SessionJoined
from services.pool.domain.quota import KEPT_DAYS
from services.pool.domain.records import Account, Session
from services.pool.domain.state import Pool
from services.pool.domain.violations import ViolationKind

_JOINED_DAYS = timedelta(days=KEPT_DAYS - 2)
"""Counts of days that are older are not added: of some sessions they have left the fold by now."""


def on_session_joined(state: Pool, session: Session, event: SessionJoined) -> None:
    """Have a session use a named account; one that does so already stays there."""
    own, name = session.account, event.account
    if own.name or not name:
        message = f"joined {name or 'no name'}, though it had {own.name or 'none'}"
        state.note_violation(ViolationKind.IMPOSSIBLE_CHANGE, session.session_id, message)
        return
    account = state.accounts.get(name)
    members = state.members.get(name, ())
    state.put_entry(state.members, name, (*members, session.session_id))
    if account is None:
        state.set_field(own, "name", name)
        state.put_entry(state.accounts, name, own)
        return
    index = state.index
    if index is not None:
        # Rolling back SessionJoined drops the whole index, as with SessionAdded.
        state.on_rollback(setattr, state, "index", None)
        index.drop_account(own)
    _add_counts(state, own, account)
    if own.days:
        _move_leases(state, session, account)
    state.set_field(session, "account", account)
    if index is not None:
        if index.is_reordered_by(session):
            state.index = None
        else:
            index.add_session(session)


def _add_counts(state: Pool, own: Account, account: Account) -> None:
    """Add the counts of all days that are kept, and let go of older ones."""
    oldest = _oldest_joined(state.at)
    if any(day < oldest for day in account.days):
        kept = {day: tallies for day, tallies in account.days.items() if day >= oldest}
        state.set_field(account, "days", kept)
    for day, tallies in own.days.items():
        if day < oldest:
            continue
        for service_type, tally in tallies.items():
            into = state.open_tally(account, day, service_type)
            state.set_field(into, "used", into.used + tally.used)
            state.set_field(into, "reserved", into.reserved + tally.reserved)
            state.set_field(into, "closed", into.closed or tally.closed)


def _move_leases(state: Pool, session: Session, account: Account) -> None:
    """Have the leases of a session that are whole count in another account."""
    for lease in state.leases.values():
        if lease.session is session:
            tally = account.days.get(lease.quota_day, {}).get(lease.service_type)
            if tally is not None:
                state.set_field(lease, "tally", tally)


def _oldest_joined(at: datetime) -> QuotaDay:
    """Tell the oldest day whose counts are added; '' at the calendar's beginning."""
    try:
        return QuotaDay((at - _JOINED_DAYS).date().isoformat())
    except OverflowError:
        return QuotaDay("")


def on_account_changed(state: Pool, session: Session, event: AccountChanged) -> None:
    """Take what is said of a session's account."""
    account = session.account
    for service_type, units in event.used.items():
        tally = state.open_tally(account, event.quota_day, service_type)
        if units > tally.used:
            state.set_field(tally, "used", units)
    if event.tier is None and event.quota_reset_hour is None:
        return
    if event.tier is not None:
        state.set_field(account, "tier", event.tier)
    if event.quota_reset_hour is not None:
        state.set_field(account, "quota_reset_hour", event.quota_reset_hour)
    # Limits and zones are built into the index.
    state.set_field(state, "index", None)

"""Which account a session may use.

A session uses an account of its own until it joins a named one, and never leaves that. What it says
of zone, reset hour, limits and tier must be what the account has; what it leaves out is the
account's. One that has counts of its own must count the same days, too, or they could not be added.
"""

from typing import Any

from msgspec.structs import replace

from contracts.base import AccountId, SessionId
from contracts.pool import AddSession, Policy, SessionJoined, SessionStatus
from runtime.texts import as_quoted
from services.pool.domain.decide.accounts.telling import days_of, tier_objection
from services.pool.domain.decide.decision import Draft
from services.pool.domain.records import Account, Session
from services.pool.domain.state import Pool

NAME_MAX = 64
MEMBERS_MAX = 16
"""Sessions that use one account and have not retired."""


def name_objection(name: str) -> str | None:
    """Say why an account cannot be called so; None when it can."""
    if len(name) <= NAME_MAX and name.isprintable() and name == name.strip():
        return None
    return f"account: expected up to {NAME_MAX} printable characters, no blanks around them"


def addition_objection(pool: Pool, item: AddSession) -> str | None:
    """Say why a session cannot be added with its account and tier; None when it can."""
    session = pool.sessions.get(item.session_id)
    wish = Account(
        name=item.account,
        limits=item.limits,
        tier=item.tier,
        quota_timezone=item.quota_timezone,
        quota_reset_hour=item.quota_reset_hour,
    )
    if session is None:
        return tier_objection(pool.policy, item.tier) or _use_objection(pool, wish, None)
    own = session.account
    if not item.account or own.name:
        wish = replace(wish, name=item.account or own.name)
    else:
        limits = wish.limits if session.status is SessionStatus.RETIRED else {}
        wish = replace(own, name=item.account, limits=limits or own.limits, tier=item.tier)
        wish.tier = wish.tier or own.tier
    return tier_objection(pool.policy, item.tier) or _use_objection(pool, wish, session)


def joining_objection(pool: Pool, session: Session, name: AccountId) -> str | None:
    """Say why a session cannot join an account; None when it can, or has."""
    return name_objection(name) or _use_objection(
        pool, replace(session.account, name=name), session
    )


def _use_objection(pool: Pool, wish: Account, session: Session | None) -> str | None:
    """Say why a session cannot use the account of this name, with what else is wished of it."""
    name = wish.name
    if not name:
        return None
    own = None if session is None else session.account
    if own is not None and own.name not in ("", name):
        return f"account: the session uses {as_quoted(own.name)}, and never leaves it"
    if SessionId(name) in pool.sessions:
        return f"account: {as_quoted(name)} is a session's id, expected another name"
    account = pool.accounts.get(name)
    if account is None:
        return None
    is_here = own is account and session is not None and session.status is not SessionStatus.RETIRED
    statuses = [pool.sessions[member].status for member in pool.members[name]]
    members = len(statuses) - statuses.count(SessionStatus.RETIRED)
    if not is_here and members >= MEMBERS_MAX:
        return f"account: {MEMBERS_MAX} sessions use {as_quoted(name)} already, as many as may"
    counts = session is not None and own is not account
    return _difference(pool.policy, account, wish, counts=counts)


def _difference(policy: Policy, account: Account, wish: Account, *, counts: bool) -> str | None:
    """Name what is wished otherwise than the account has it.

    What is not said is the account's; but where there are counts, days are as they were counted.
    """
    there = days_of(policy, account)
    wished = days_of(policy, wish)
    said = (wish.quota_timezone, wish.quota_reset_hour)
    pairs: list[tuple[str, Any, Any]] = [
        (name, has, wants)
        for name, has, wants, word in zip(
            ("quota_timezone", "quota_reset_hour"), there, wished, said, strict=True
        )
        if counts or word not in ("", None)
    ]
    if wish.limits:
        pairs.append(("limits", account.limits, wish.limits))
    if wish.tier:
        pairs.append(("tier", account.tier, wish.tier))
    for name, has, wants in pairs:
        if has != wants:
            expected = f"{has!r}, as account {as_quoted(account.name)} has it"
            return f"{name}: expected {expected}, got {wants!r}"
    return None


def join_account(draft: Draft, session: Session, name: AccountId, by: str) -> None:
    """Have a session join, unless it has."""
    if name and session.account.name != name:
        draft.emit(SessionJoined(session_id=session.session_id, account=name, by=by))

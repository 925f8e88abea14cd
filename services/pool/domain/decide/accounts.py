"""Which account a session may use, and what may be said of one.

A session uses an account of its own until it joins a named one, and never leaves that. What it says
of zone, reset hour, limits and tier must be what the account has; what it leaves out is the
account's. One that has counts of its own must count the same days, too, or they could not be added.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from contracts.base import AccountId, QuotaDay, ServiceType, SessionId
from contracts.pool import AccountChanged, AddSession, Policy, SessionJoined, SessionStatus
from runtime.texts import as_quoted
from services.pool.domain.decide.decision import Draft
from services.pool.domain.quota import HOUR_MAX, policy_span, zone_at
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


def hour_objection(hour: int | None) -> str | None:
    """Say why no quota day begins at this hour; None when one can."""
    if hour is None or 0 <= hour <= HOUR_MAX:
        return None
    return f"quota_reset_hour: expected 0 to {HOUR_MAX}"


def tier_objection(policy: Policy, tier: str) -> str | None:
    """Say why there is no such tier; None when there is, or none is named."""
    if not tier or tier in policy.tiers:
        return None
    there = ", ".join(policy.tiers) or "there are none"
    return f"tier: expected one of [tiers] ({there}), got {as_quoted(tier)}"


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
    there = _days_of(policy, account)
    wished = _days_of(policy, wish)
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


def _days_of(policy: Policy, account: Account) -> tuple[str, int]:
    """Tell in which zone, and from which hour on, an account's days are."""
    hour = account.quota_reset_hour
    zone = account.quota_timezone or policy.quota_timezone
    return zone, policy.quota_reset_hour if hour is None else hour


def join_account(draft: Draft, session: Session, name: AccountId, by: str) -> None:
    """Have a session join, unless it has."""
    if name and session.account.name != name:
        draft.emit(SessionJoined(session_id=session.session_id, account=name, by=by))


def change_account(
    draft: Draft,
    session: Session,
    by: str,
    *,
    tier: str | None = None,
    reset_hour: int | None = None,
    used: Mapping[ServiceType, int],
) -> None:
    """Journal what is said of a session's account, as far as it is not so already."""
    account, policy = session.account, draft.pool.policy
    if tier == account.tier:
        tier = None
    zone, hour = _days_of(policy, account)
    hour = hour if reset_hour is None else reset_hour
    day = QuotaDay("")
    if used:
        day = zone_at(zone, hour, draft.now, policy_span(policy.reset_guard_s)).day
        tallies = account.days.get(day, {})
        used = {
            name: units
            for name, units in used.items()
            if units > (tallies[name].used if name in tallies else 0)
        }
    if tier is None and reset_hour is None and not used:
        return
    changed = AccountChanged(
        session_id=session.session_id,
        tier=tier,
        quota_reset_hour=reset_hour,
        used=dict(used),
        quota_day=day if used else QuotaDay(""),
        by=by,
    )
    draft.emit(changed)


def tiers_objection(pool: Pool, policy: Policy) -> str | None:
    """Say which tiers a policy leaves out that are in use; None when it has them all."""
    missing: dict[str, int] = {}
    for session in pool.sessions.values():
        tier = session.account.tier
        if tier and tier not in policy.tiers and session.status is not SessionStatus.RETIRED:
            missing[tier] = missing.get(tier, 0) + 1
    if not missing:
        return None
    named = ", ".join(f"{as_quoted(tier)} of {count}" for tier, count in missing.items())
    return f"tiers: expected those that sessions have, but {named} is missing"

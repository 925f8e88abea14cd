"""What is said of an account beside its limits: its tier, its reset hour, units used by noon."""

from collections.abc import Mapping

from contracts.base import QuotaDay, ServiceType
from contracts.pool import AccountChanged, Policy, SessionStatus
from runtime.texts import as_quoted
from services.pool.domain.decide.decision import Draft
from services.pool.domain.quota import HOUR_MAX, policy_span, zone_at
from services.pool.domain.records import Account, Session
from services.pool.domain.state import Pool


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


def days_of(policy: Policy, account: Account) -> tuple[str, int]:
    """Tell in which zone, and from which hour on, an account's days are."""
    hour = account.quota_reset_hour
    zone = account.quota_timezone or policy.quota_timezone
    return zone, policy.quota_reset_hour if hour is None else hour


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
    zone, hour = days_of(policy, account)
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

"""What owns quota: an account's limits in force, and who may share one.

Without a name a session has an account of its own. A named one is used by up to 16 sessions: it
has zone, reset hour, limits, tier and the counts of every day, while how many leases are held at
once stays each session's.
"""

from collections.abc import Iterable

from contracts.base import ServiceType
from contracts.pool import Policy, SessionStatus
from services.pool.domain.records import Account, Session

MEMBERS_MAX = 16
"""Sessions that use one account and have not retired."""


def daily_limit(policy: Policy, account: Account, service_type: ServiceType) -> int:
    """Tell the limit in force: the account's own, else its tier's, else the type's."""
    limit = account.limits.get(service_type)
    if limit is None and account.tier:
        limit = policy.tiers.get(account.tier, {}).get(service_type)
    return policy.daily_limits.get(service_type, 0) if limit is None else limit


def members_here(members: Iterable[Session]) -> int:
    """Count those of an account's sessions that have not retired."""
    return sum(session.status is not SessionStatus.RETIRED for session in members)

"""How much of each service type the whole pool can do in a day: which are rare, what is most."""

from collections import Counter

from contracts.base import ServiceType
from contracts.pool import Policy
from services.pool.domain.records import Account

_Shape = tuple[str, tuple[tuple[ServiceType, int], ...]]
"""A tier, and limits of one's own."""


class Supply:
    """Sums of the daily limits of all accounts."""

    __slots__ = ("_policy", "units")

    def __init__(self, policy: Policy) -> None:
        """There are no accounts."""
        self._policy = policy
        self.units = dict.fromkeys(policy.daily_limits, 0)

    def add_account(self, account: Account) -> None:
        """Count one account more."""
        self.units = self.with_account(account)

    def drop_account(self, account: Account) -> None:
        """Count an account no more."""
        self.units = self.with_account(account, -1)

    def with_account(self, account: Account, count: int = 1) -> dict[ServiceType, int]:
        """Tell what the sums are with so many more like this account."""
        policy = self._policy
        return {
            name: units + count * account.daily_limit(policy, name)
            for name, units in self.units.items()
        }


def rank_types(supply: dict[ServiceType, int]) -> list[ServiceType]:
    """Order the types by how much of them the whole pool can do in a day, rarest first."""
    return sorted(supply, key=lambda name: (supply[name], name))


class ActiveLimits:
    """The limits of the accounts that are active: the highest of each type, and their sum."""

    __slots__ = ("_highest", "_policy", "_shapes", "count", "units")

    def __init__(self, policy: Policy) -> None:
        """None is active."""
        self.count = 0
        """How many are."""
        self._policy = policy
        self._shapes: Counter[_Shape] = Counter()
        self._highest: dict[ServiceType, int] = {}
        self.units = dict.fromkeys(policy.daily_limits, 0)
        """The sums of their daily limits."""

    def note_account(self, account: Account, count: int) -> None:
        """Count an account that has become active (1), or is active no more (-1)."""
        self.count += count
        assert self.count >= 0
        for name in self.units:
            self.units[name] += count * account.daily_limit(self._policy, name)
        shape = account.tier, tuple(account.limits.items())
        before = self._shapes[shape]
        self._shapes[shape] = before + count
        if not before or not self._shapes[shape]:
            self._highest.clear()
        if not self._shapes[shape]:
            del self._shapes[shape]

    def highest_of(self, service_type: ServiceType) -> int | None:
        """Tell the highest daily limit of a type; None where no account is active."""
        highest = self._highest.get(service_type)
        if highest is None and self._shapes:
            accounts = (Account(tier=tier, limits=dict(own)) for tier, own in self._shapes)
            highest = max(one.daily_limit(self._policy, service_type) for one in accounts)
            self._highest[service_type] = highest
        return highest

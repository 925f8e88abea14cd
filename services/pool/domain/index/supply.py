"""How much of each service type the whole pool can do in a day, and which types are rare by it."""

from contracts.base import ServiceType
from contracts.pool import Policy
from services.pool.domain.records import Session


def supply_with(
    supply: dict[ServiceType, int], policy: Policy, session: Session
) -> dict[ServiceType, int]:
    """Count how much of each type the pool can do in a day with one more session."""
    return {
        name: supply[name] + session.limits.get(name, limit)
        for name, limit in policy.daily_limits.items()
    }


def rank_types(supply: dict[ServiceType, int]) -> list[ServiceType]:
    """Order the types by how much of them the whole pool can do in a day, rarest first."""
    return sorted(supply, key=lambda name: (supply[name], name))

"""Who chooses among the servers: the pin, else a rule, else what the file or an operator said."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from litestar import delete, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from contracts.balancer import PinStrategy, SetStrategy, StrategyRule
from contracts.base import Instant, ServiceType
from runtime.settings import service_type_objection
from services.gateway.clients.keys import Key
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors


class WantedStrategy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which strategy chooses from now on, and why."""

    strategy: str
    """Empty, with a `service_type`: that has none of its own any more."""
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""
    service_type: str = ""
    """For its calls alone; empty: for those of all that have none of their own."""


class PinnedStrategy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which strategy is pinned."""

    strategy: Annotated[str, msgspec.Meta(min_length=1)]


class StrategyInForce(msgspec.Struct, frozen=True, kw_only=True):
    """The strategies in force at `sequence`."""

    strategy: str
    sequence: int
    strategies: dict[ServiceType, str]
    """For the service types that have one of their own, or by a rule."""
    pinned: str
    """Chooses whatever else says; empty: none is pinned."""
    pinned_at: Instant | None
    rules: list[StrategyRule]


@get("/balancer/strategy", tags=["servers"], summary="Who chooses among the servers")
async def show_strategy(doors: NamedDependency[Doors]) -> StrategyInForce:
    """Show the strategies in force, the one that is pinned, and the rules that switch them."""
    return await _in_force(doors)


@put("/balancer/strategy", tags=["servers"], summary="Choose servers by another strategy")
async def set_strategy(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], data: JSONBody[WantedStrategy]
) -> StrategyInForce:
    """Choose by this strategy until the configuration file says another one than before."""
    if data.strategy and data.service_type:
        check_types("service_type", [data.service_type], doors)
    wanted = SetStrategy(
        strategy=data.strategy,
        reason=data.reason,
        by=admin.key_id,
        service_type=ServiceType(data.service_type),
    )
    await doors.balancer_admin(wanted)
    return await _in_force(doors)


@put("/balancer/pin", tags=["servers"], summary="Pin a strategy")
async def pin_strategy(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], data: JSONBody[PinnedStrategy]
) -> StrategyInForce:
    """Choose by this strategy, for every service type, whatever rules, file and API say."""
    await doors.balancer_admin(PinStrategy(strategy=data.strategy, by=admin.key_id))
    return await _in_force(doors)


@delete("/balancer/pin", status_code=200, tags=["servers"], summary="Take the pin away")
async def unpin_strategy(
    doors: NamedDependency[Doors], admin: NamedDependency[Key]
) -> StrategyInForce:
    """Let rules, file and API say again who chooses."""
    await doors.balancer_admin(PinStrategy(strategy="", by=admin.key_id))
    return await _in_force(doors)


def check_types(name: str, types: Iterable[str], doors: Doors) -> None:
    """Refuse what no service type is. Raises `GatewayError`."""
    if objection := service_type_objection(types, doors.settings().services):
        raise GatewayError("invalid_request", f"{name}: {objection}", name)


async def _in_force(doors: Doors) -> StrategyInForce:
    status = await doors.balancer_status()
    return StrategyInForce(
        strategy=status.strategy,
        sequence=status.sequence,
        strategies=status.strategies,
        pinned=status.pinned,
        pinned_at=status.pinned_at,
        rules=status.rules,
    )

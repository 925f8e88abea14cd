"""The configuration that is held because it would take servers away, and its release."""

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from contracts.balancer import AcceptConfiguration, HeldConfiguration
from services.gateway.clients.keys import Key
from services.gateway.routes.doors import Doors


class ConfigurationState(msgspec.Struct, frozen=True, kw_only=True):
    """`held` is None while the configuration there is is in force at `sequence`."""

    held: HeldConfiguration | None
    sequence: int


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which configuration is meant: the digest that the balancer told."""

    digest: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The digest that is accepted; the balancer applies it at once."""

    accepted: str


@get("/config", tags=["configuration"], summary="Which configuration is held")
async def configuration(doors: NamedDependency[Doors]) -> ConfigurationState:
    """Say whether the configuration of servers is in force, or held and why."""
    status = await doors.balancer_status()
    return ConfigurationState(held=status.held, sequence=status.sequence)


@post(
    "/config/accept",
    status_code=200,
    tags=["configuration"],
    summary="Let a held configuration take servers away",
)
async def accept(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], data: JSONBody[Acceptance]
) -> Accepted:
    """Release the held configuration of this digest, and no other."""
    await doors.balancer_admin(AcceptConfiguration(digest=data.digest, by=admin.key_id))
    return Accepted(accepted=data.digest)

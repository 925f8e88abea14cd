"""The configuration in force and where it came from; one that is held, and its release."""

import asyncio
from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from contracts.balancer import AcceptConfiguration, BalancerStatusReply, HeldConfiguration
from contracts.base import PRODUCT_VERSION
from runtime.settings import SettingsError
from services.gateway.clients.keys import Key
from services.gateway.routes.doors import Doors

_STRATEGY = "balancer.strategy"


class SettingInForce(msgspec.Struct, frozen=True, kw_only=True):
    """One setting; `variable` is null where no variable can say it. A secret's value is hidden."""

    name: str
    value: str
    source: Literal["default", "file", "environment", "api"] = msgspec.field(name="from")
    variable: str | None
    secret: bool


class ConfigurationState(msgspec.Struct, frozen=True, kw_only=True):
    """`held` is None while the configuration there is is in force at `sequence`.

    `settings` are those that this gateway reads; `trouble` says why there are none.
    """

    held: HeldConfiguration | None
    sequence: int
    version: str
    gateway_id: str
    file: str | None
    settings: list[SettingInForce]
    trouble: str = ""


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which configuration is meant: the digest that the balancer told."""

    digest: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The digest that is accepted; the balancer applies it at once."""

    accepted: str


@get("/config", tags=["configuration"], summary="Which configuration is in force, and where from")
async def configuration(doors: NamedDependency[Doors]) -> ConfigurationState:
    """List every setting with its source; say whether that of servers is held, and why."""
    status = await doors.balancer_status()
    trouble = ""
    try:
        described = await asyncio.to_thread(doors.configured.describe)
    except SettingsError as error:
        described, trouble = [], str(error)
    settings = msgspec.convert(described, list[SettingInForce])
    return ConfigurationState(
        held=status.held,
        sequence=status.sequence,
        version=PRODUCT_VERSION,
        gateway_id=doors.gateway_id,
        file=doors.configured.file or None,
        settings=[*with_changes_by_api(settings, status)],
        trouble=trouble,
    )


def with_changes_by_api(
    settings: list[SettingInForce], status: BalancerStatusReply
) -> list[SettingInForce]:
    """Put in what operators changed by the API: the strategy, and servers that no file names."""
    named = {setting.name for setting in settings}
    strategy = status.pinned or status.strategy
    changed = [
        msgspec.structs.replace(setting, value=strategy, source="api")
        if setting.name == _STRATEGY and setting.value != strategy
        else setting
        for setting in settings
    ]
    added = [
        SettingInForce(name=name, value=view.server.url, source="api", variable=None, secret=False)
        for view in status.servers
        if settings and (name := f"servers.{view.server.server_id}.url") not in named
    ]
    return [*changed, *added]


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

"""The servers behind the gateway, administered live; the balancer checks what it is given."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from litestar import delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from contracts.balancer import PLAIN, PutServer, RemoveServer, Server, ServerView, SetStrategy
from contracts.base import NUMBER_MAX, ServerId
from runtime.settings import service_type_objection
from runtime.texts import as_quoted
from services.gateway.clients.keys import Key
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors

_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_Positive = Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]
_Priority = Annotated[int, msgspec.Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)]


class NewServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server, named as in the configuration file."""

    id: _Id
    url: str
    region: str = ""
    priority: _Priority = 1
    weight: _Positive = 1
    max_sessions: _Positive = 100
    capabilities: list[str] = []
    idempotent: bool = False
    dialect: str = PLAIN


class ChangedServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    url: str | None = None
    region: str | None = None
    priority: _Priority | None = None
    weight: _Positive | None = None
    max_sessions: _Positive | None = None
    capabilities: list[str] | None = None
    idempotent: bool | None = None
    dialect: str | None = None


class ServerList(msgspec.Struct, frozen=True, kw_only=True):
    """Every server as the balancer sees it at `sequence`."""

    data: list[ServerView]
    strategy: str
    sequence: int


class WantedStrategy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which strategy chooses from now on, and why."""

    strategy: str
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class StrategyInForce(msgspec.Struct, frozen=True, kw_only=True):
    """The strategy in force at `sequence`."""

    strategy: str
    sequence: int


@get("/servers", tags=["servers"], summary="Every server")
async def list_servers(doors: NamedDependency[Doors]) -> ServerList:
    """List servers with their health and load."""
    status = await doors.balancer_status()
    return ServerList(data=status.servers, strategy=status.strategy, sequence=status.sequence)


@post("/servers", tags=["servers"], summary="Add a server")
async def add_server(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], data: JSONBody[NewServer]
) -> ServerView:
    """Add a server; it is chosen once its first probe succeeded.

    One that is not the demo's is refused where sessions are made up for those: see `url`.
    """
    if await _find_server(doors, data.id) is not None:
        message = f"id: there is a server {as_quoted(data.id)} already; change it with PATCH"
        raise GatewayError("invalid_request", message, "id")
    given = msgspec.structs.asdict(data)
    return await _put_server(doors, admin, Server(server_id=ServerId(given.pop("id")), **given))


@patch("/servers/{server_id:str}", tags=["servers"], summary="Change a server")
async def change_server(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    server_id: FromPath[str],
    data: JSONBody[ChangedServer],
) -> ServerView:
    """Change a server; exchanges under way go on."""
    view = await _server_or_404(doors, server_id)
    given = {name: v for name, v in msgspec.structs.asdict(data).items() if v is not None}
    return await _put_server(doors, admin, msgspec.structs.replace(view.server, **given))


@delete("/servers/{server_id:str}", status_code=200, tags=["servers"], summary="Remove a server")
async def remove_server(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], server_id: FromPath[str]
) -> ServerView:
    """Take a server out and show it as it was; exchanges under way go on."""
    view = await _server_or_404(doors, server_id)
    await doors.balancer_admin(RemoveServer(server_id=ServerId(server_id), by=admin.key_id))
    return view


@put("/balancer/strategy", tags=["servers"], summary="Choose servers by another strategy")
async def set_strategy(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], data: JSONBody[WantedStrategy]
) -> StrategyInForce:
    """Choose by this strategy until the configuration file's balancing next changes."""
    wanted = SetStrategy(strategy=data.strategy, reason=data.reason, by=admin.key_id)
    await doors.balancer_admin(wanted)
    status = await doors.balancer_status()
    return StrategyInForce(strategy=status.strategy, sequence=status.sequence)


async def _put_server(doors: Doors, admin: Key, server: Server) -> ServerView:
    _check_types("capabilities", server.capabilities, doors)
    await doors.balancer_admin(PutServer(server=server, by=admin.key_id))
    return await _server_or_404(doors, server.server_id)


def _check_types(name: str, types: Iterable[str], doors: Doors) -> None:
    """Refuse what no service type is. Raises `GatewayError`."""
    if objection := service_type_objection(types, doors.settings().services):
        raise GatewayError("invalid_request", f"{name}: {objection}", name)


async def _server_or_404(doors: Doors, server_id: str) -> ServerView:
    view = await _find_server(doors, server_id)
    if view is None:
        raise GatewayError("not_found", f"there is no server {as_quoted(server_id)}")
    return view


async def _find_server(doors: Doors, server_id: str) -> ServerView | None:
    status = await doors.balancer_status()
    return next((view for view in status.servers if view.server.server_id == server_id), None)

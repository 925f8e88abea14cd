"""The servers behind the gateway, administered live; the balancer checks what it is given."""

from typing import Annotated, Any

import msgspec
from litestar import delete, get, patch, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from contracts.balancer import (
    PING_PATH,
    PLAIN,
    SERVER_ID,
    DrainServer,
    ProbedServer,
    ProbeServers,
    PutServer,
    RemoveServer,
    Server,
    ServerView,
    StrategyRule,
)
from contracts.base import NUMBER_MAX, Instant, ServerId, ServiceType
from runtime.texts import as_quoted
from services.gateway.accounts.trial import ServerTested, TrialCall
from services.gateway.clients.keys import Key
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.admin.strategies import check_types
from services.gateway.routes.doors import Doors

_Id = Annotated[str, msgspec.Meta(pattern=SERVER_ID)]
_Positive = Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]
_Status = Annotated[int, msgspec.Meta(ge=0, le=599)]
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
    level: _Positive = 1
    serves: list[str] = []
    probe_path: str = PING_PATH
    probe_status: _Status = 0
    probe_body: str = ""


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
    level: _Positive | None = None
    serves: list[str] | None = None
    probe_path: str | None = None
    probe_status: _Status | None = None
    probe_body: str | None = None


class ServerList(msgspec.Struct, frozen=True, kw_only=True):
    """Every server as the balancer sees it at `sequence`, and who chooses among them."""

    data: list[ServerView]
    strategy: str
    sequence: int
    strategies: dict[ServiceType, str]
    """For the service types that have one of their own, or by a rule."""
    pinned: str
    """Chooses whatever else says; empty: none is pinned."""
    pinned_at: Instant | None
    rules: list[StrategyRule]


class WantedProbes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which server is measured, by how many probes."""

    server: str = ""
    """Its id; empty: every one."""
    probes: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10


class MeasuredServers(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, in the recommended order."""

    data: list[ProbedServer]


class WantedTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of the server."""

    service_type: str = "image"
    prompt: Annotated[str, msgspec.Meta(max_length=4000)] = "a small blue cube"
    model: Annotated[str, msgspec.Meta(max_length=256)] = ""
    path: Annotated[str, msgspec.Meta(max_length=256)] = ""
    """Empty: one that is of the service type."""


@get("/servers", tags=["servers"], summary="Every server")
async def list_servers(doors: NamedDependency[Doors]) -> ServerList:
    """List servers with their health and load."""
    status = await doors.balancer_status()
    return ServerList(
        data=status.servers,
        strategy=status.strategy,
        sequence=status.sequence,
        strategies=status.strategies,
        pinned=status.pinned,
        pinned_at=status.pinned_at,
        rules=status.rules,
    )


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


async def named_server_only(
    connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler
) -> None:
    """Refuse a server that there is not (a guard): before its body is looked at."""
    doors: Doors = connection.app.state.doors
    await _server_or_404(doors, connection.path_params["server_id"])


def tried_server_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse a server that no call can be made at, as this gateway knows them (a guard)."""
    doors: Doors = connection.app.state.doors
    doors.trial.refuse_stranger(ServerId(connection.path_params["server_id"]))


@patch(
    "/servers/{server_id:str}",
    tags=["servers"],
    summary="Change a server",
    guards=[named_server_only],
)
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


@post("/servers/{server_id:str}/drain", status_code=200, tags=["servers"], summary="Drain a server")
async def drain_server(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], server_id: FromPath[str]
) -> ServerView:
    """Begin no new exchange at a server; those under way go on. It stands until it is undrained."""
    return await _drain_server(doors, admin, server_id, undrain=False)


@post(
    "/servers/{server_id:str}/undrain",
    status_code=200,
    tags=["servers"],
    summary="Stop draining a server",
)
async def undrain_server(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], server_id: FromPath[str]
) -> ServerView:
    """Begin exchanges at a server again."""
    return await _drain_server(doors, admin, server_id, undrain=True)


@post("/servers/probe", status_code=200, tags=["servers"], summary="Measure servers")
async def probe_servers(
    doors: NamedDependency[Doors], data: JSONBody[WantedProbes]
) -> MeasuredServers:
    """Measure servers by their probes, from the balancer, and recommend weights and an order.

    The fastest gets ten; another ten times the ratio of the fastest's median to its own, less the
    share of its probes that were lost, and at least one. Nothing is changed.
    """
    wanted = ProbeServers(server_id=ServerId(data.server), probes=data.probes)
    return MeasuredServers(data=(await doors.probe_servers(wanted)).servers)


@post(
    "/servers/{server_id:str}/test",
    status_code=200,
    tags=["servers"],
    summary="Make one paid call at a server",
    guards=[tried_server_only],
)
async def test_server(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    server_id: FromPath[str],
    data: JSONBody[WantedTest],
) -> ServerTested:
    """Make one paid call at a server, through the whole stack, even if it is drained or out.

    It takes a lease and is in the log; what it costs is told, as is the verdict and why.
    """
    call = TrialCall(
        server_id=ServerId(server_id),
        service_type=data.service_type,
        prompt=data.prompt,
        model=data.model,
        path=data.path,
    )
    return await doors.trial.test_server(call, admin)


async def _drain_server(doors: Doors, admin: Key, server_id: str, *, undrain: bool) -> ServerView:
    """Drain a server or stop it, and show it. Raises `GatewayError`."""
    command = DrainServer(server_id=ServerId(server_id), by=admin.key_id, undrain=undrain)
    await doors.balancer_admin(command)
    return await _server_or_404(doors, server_id)


async def _put_server(doors: Doors, admin: Key, server: Server) -> ServerView:
    check_types("capabilities", server.capabilities, doors)
    await doors.balancer_admin(PutServer(server=server, by=admin.key_id))
    return await _server_or_404(doors, server.server_id)


async def _server_or_404(doors: Doors, server_id: str) -> ServerView:
    view = await _find_server(doors, server_id)
    if view is None:
        raise GatewayError("not_found", f"there is no server {as_quoted(server_id)}")
    return view


async def _find_server(doors: Doors, server_id: str) -> ServerView | None:
    status = await doors.balancer_status()
    return next((view for view in status.servers if view.server.server_id == server_id), None)

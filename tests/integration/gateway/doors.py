"""A gateway's operator doors for tests, over real NATS, with real services behind them or none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog
from nats.aio.client import Client
from prometheus_client import CollectorRegistry, Counter

from contracts import subjects
from contracts.balancer import SelectAnswers, SelectServers, Server
from contracts.base import Failed, GatewayId, WriterId
from contracts.gateway import KeyBounds, Scope
from runtime.clock import system_clock
from runtime.environment import Environment, Home
from runtime.eventlog import EventLog
from runtime.nats.connection import Outage
from runtime.process import lifecycle
from runtime.quantities import Seconds
from runtime.secrets import Sealer
from runtime.settings import DEFAULT_SERVICES, ServiceTypeSection
from services.analytics import app as analytics_app
from services.analytics.settings import Settings as AnalyticsSettings
from services.balancer import app as balancer_app
from services.balancer.settings import BalancerSection, ServerSection
from services.balancer.settings import Settings as BalancerSettings
from services.gateway.accounts.caller import Caller
from services.gateway.accounts.inquiry import Inquiry
from services.gateway.relay.coalescer import Coalescer
from services.gateway.relay.credentials import Credentials
from services.gateway.routes import Doors, operator_app
from services.gateway.routes.logtail import LogTail
from services.gateway.settings import GatewaySection, Settings
from services.gateway.store import KeyLog
from services.gateway.transport import Transport
from services.pool import app as pool_app
from services.pool.settings import PoolSection, ProvisionerSection
from services.pool.settings import Settings as PoolSettings
from tests.tinyserver import listening

MASTER, IDENTITY = "master", "identity"
SERVICES = {
    **DEFAULT_SERVICES,
    "music": ServiceTypeSection(daily_limit=3, paths=["/v1/music"]),
}


class Desk:
    """An admin's view of one gateway: a client over its ASGI application, and what is behind."""

    def __init__(self, http: httpx.AsyncClient, doors: Doors, admin: str, client_key: str) -> None:
        self.http = http
        self.doors = doors
        self.admin = admin
        self.client_key = client_key
        self.logged: list[dict[str, Any]] = []

    async def ask(self, method: str, path: str, status: int = 200, **given: Any) -> Any:
        """Ask as an admin; the status must be the one expected."""
        headers = {"authorization": f"Bearer {self.admin}", **given.pop("headers", {})}
        answer = await self.http.request(method, path, headers=headers, **given)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def refused(self, method: str, path: str, status: int, **given: Any) -> dict[str, Any]:
        """Ask for what is refused; the error must have its one shape."""
        body = await self.ask(method, path, status, **given)
        assert list(body) == ["error"]
        error: dict[str, Any] = body["error"]
        assert {"message", "type", "param", "code"} <= error.keys()
        return error


@asynccontextmanager
async def desk(
    client: Client,
    *,
    patience_s: float = 0.05,
    unready: str = "",
    address: str = "127.0.0.1",
    servers: tuple[Server, ...] = (),
    **section: Any,
) -> AsyncIterator[Desk]:
    """A gateway's operator doors with an admin key and a client key."""
    logged: list[dict[str, Any]] = []

    def kept(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        logged.append(event)
        raise structlog.DropEvent

    logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[kept])
    log = EventLog(client)
    key_log = KeyLog(log, WriterId("gw-test"), system_clock, logger)
    following = asyncio.create_task(key_log.run())
    root = await key_log.issue_key("root", Scope.ADMIN, KeyBounds(), "test")
    app = await key_log.issue_key("app", Scope.CLIENT, KeyBounds(), "test")
    assert isinstance(root, tuple)
    assert isinstance(app, tuple)
    registry = CollectorRegistry()
    Counter("tidegate_test", "A figure.", registry=registry).inc()
    sealer = Sealer(MASTER)
    transport = Transport()
    caller = Caller(
        Coalescer(
            client,
            subjects.BALANCER_SELECT,
            lambda items: SelectServers(gateway_id=GatewayId("gw-test"), items=items),
            msgspec.json.Decoder(SelectAnswers | Failed),
            lambda: 1.0,
            Outage(),
        ),
        transport,
        Credentials(client, sealer, lambda: 1.0, Outage()),
        lambda: servers,
        GatewaySection(),
    )
    doors = Doors(
        client=client,
        log=log,
        key_log=key_log,
        clock=system_clock,
        sealer=sealer,
        identity_key=IDENTITY,
        settings=lambda: Settings(services=SERVICES, gateway=GatewaySection(**section)),
        readiness=lambda: unready,
        registry=registry,
        gateway_id=GatewayId("gw-test"),
        logger=logger,
        inquiry=Inquiry(caller),
        trial=None,  # type: ignore[arg-type] # paid calls need a whole gateway
        rehearsal=None,  # type: ignore[arg-type] # so do those that are only tried
        tail=LogTail(log),
        patience_s=patience_s,
    )
    front = httpx.ASGITransport(
        operator_app(doors), raise_app_exceptions=False, client=(address, 4711)
    )
    async with httpx.AsyncClient(transport=front, base_url="http://gateway") as http:
        made = Desk(http, doors, root[1], app[1])
        made.logged = logged
        yield made
    await transport.aclose()
    await lifecycle.end_tasks(following)


@asynccontextmanager
async def good_server() -> AsyncIterator[str]:
    """A server that answers every request with 200."""
    async with listening() as port:
        yield f"http://127.0.0.1:{port}"


def environment(home: Path, url: str) -> Environment:
    """The environment of a service whose secrets lie in `home`."""
    (home / "secrets").mkdir(parents=True, exist_ok=True)
    found = Environment(
        home=Home(home),
        config=None,
        host="127.0.0.1",
        port=0,
        nats_url=url.replace("nats://", "nats://any:any@"),
        health_port=0,
        clock_offset_file=home / "offset",
        api="",
        overrides={},
    )
    found.home.master_key.write_text(MASTER)
    found.home.identity_key.write_text(IDENTITY)
    return found


@asynccontextmanager
async def house(
    url: str, home: Path, servers: list[ServerSection], *, min_size: int = 2
) -> AsyncIterator[None]:
    """A real pool, balancer and analytics, in the test's own loop."""
    where = environment(home, url)
    provisioner = ProvisionerSection(kind="generated" if min_size else "none")
    pool = PoolSection(min_size=min_size, reconcile_after=Seconds(0), provisioner=provisioner)
    probing = BalancerSection(probe_interval=Seconds(0.2), probe_timeout=Seconds(0.5))
    runs: list[Callable[[asyncio.Event], Awaitable[None]]] = [
        lambda stop: pool_app.run(stop, where, lambda: PoolSettings(pool=pool, services=SERVICES)),
        lambda stop: balancer_app.run(
            stop,
            where,
            lambda: BalancerSettings(balancer=probing, servers=servers, services=SERVICES),
        ),
        lambda stop: analytics_app.run(stop, where, AnalyticsSettings),
    ]
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        tasks = [asyncio.ensure_future(run(stop)) for run in runs]

        async def ended() -> None:
            stop.set()
            await asyncio.gather(*tasks)

        stack.push_async_callback(ended)
        yield


async def is_well(made: Desk) -> bool:
    report = (await made.http.get("/health")).json()
    key = {"authorization": f"Bearer {made.admin}"}
    figures = await made.http.get("/api/stats/summary", headers=key)
    answers = report["services"]["analytics"] and figures.is_success
    return bool(report["status"] == "ok" and answers)

"""A gateway's front door over real NATS and a real pool; the balancer's end of the wire is ours.

So a test says which server is named, hears what was asked, and falls silent when it wants to.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts import subjects
from contracts.balancer import (
    NoServer,
    SelectAnswers,
    Selected,
    SelectServer,
    SelectServers,
    ServerAdded,
    ServerRemoved,
)
from contracts.base import Event, ServerId
from contracts.gateway import KeyBounds, Scope
from runtime.nats.connection import Outage
from runtime.process import lifecycle
from services.gateway.app import Gateway
from services.gateway.settings import GatewaySection, Settings
from services.gateway.wire import listen_on
from tests.integration.gateway.doors import environment
from tests.integration.gateway.upstreams import Behaviour, body_of, head_of
from tests.integration.pool.room import envelopes, pool, settings
from tests.unit.balancer.builders import pool_envelope, server
from tests.waiting import until

Chosen = Callable[[SelectServer], Selected | NoServer]
Kind = TypeVar("Kind", bound=Event)
IMAGES = "/v1/images/generations"
NOBODY = NoServer(reason="no healthy server can do it")


def at(url: str, name: str = "one") -> Selected:
    """A server by its address, of which the path that a transport asks for is no part."""
    url = url.removesuffix(IMAGES)
    return Selected(server_id=ServerId(name), url=url, region="test", strategy="ours")


def saying(status: int, body: bytes, *headers: str, seen: list[bytes] | None = None) -> Behaviour:
    """Answer every request with this, and keep the heads of the requests."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers]
    answer = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await head_of(reader)
            await body_of(reader, head)
            if seen is not None:
                seen.append(head)
            writer.write(answer)
            await writer.drain()

    return behave


class Front:
    """One gateway: a client's view of it, and the balancer's end of the wire."""

    def __init__(
        self, gateway: Gateway, client: Client, http: httpx.AsyncClient, keys: tuple[str, str]
    ) -> None:
        self.gateway = gateway
        self.client = client
        self.http = http
        self.key, self.admin_key = keys
        self.chosen: Chosen | None = None
        """Who names a server; None: nobody answers."""
        self.asked: list[SelectServer] = []

    def configure(self, **section: Any) -> None:
        """Let the gateway take up another table of settings, as it does when the file changed."""
        self.gateway.apply_settings(Settings(gateway=GatewaySection(**section)))

    def knows(self, **urls: str) -> None:
        """Let these be the servers of the log, by id."""
        fleet = self.gateway.fleet_log.fleet
        gone = [ServerRemoved(server_id=server.server_id) for server in fleet.all_servers()]
        new = [ServerAdded(server=server(name, url=at(url).url)) for name, url in urls.items()]
        fleet.apply_envelope(pool_envelope(*gone, *new))

    async def on_select(self, message: Msg) -> None:
        """Answer a gateway's question as the balancer would."""
        command = msgspec.json.decode(message.data, type=SelectServers)
        self.asked += command.items
        if self.chosen is not None:
            answers = SelectAnswers(items=[self.chosen(item) for item in command.items])
            await message.respond(msgspec.json.encode(answers))

    async def ask(
        self, method: str = "POST", path: str = IMAGES, key: str = "", **more: Any
    ) -> httpx.Response:
        """Ask as a client, by default for an image."""
        headers = {"Authorization": f"Bearer {key or self.key}", **more.pop("headers", {})}
        if method == "POST":
            more.setdefault("json", {"model": "jimeng-4.0", "prompt": "a gate"})
        return await self.http.request(method, path, headers=headers, **more)

    async def journalled(self, kind: type[Kind]) -> list[Kind]:
        """The pool's events of one kind, once all it has to hear is in the log."""
        assert await self.gateway.outbox.wait_until_empty(20)
        told = await envelopes(self.client)
        return [event for one in told for event in one.events if isinstance(event, kind)]


@asynccontextmanager
async def front(
    client: Client,
    url: str,
    home: Path,
    *,
    sessions: int = 2,
    limit: int = 10,
    **section: Any,
) -> AsyncIterator[Front]:
    """A gateway that listens until the block ends; `section` is its table of settings."""
    where = environment(home, url)
    logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[_dropped])
    configured = Settings(gateway=GatewaySection(**section))
    async with pool(url, lambda: settings(sessions, limit)) as room:
        gateway = Gateway(client, Outage(), where, configured, logger, list)
        listening = listen_on("127.0.0.1", 0)
        tasks = (gateway.outbox.run(), gateway.key_log.run(), gateway.exchanges.run())
        background = [asyncio.ensure_future(task) for task in tasks]
        serving = asyncio.ensure_future(gateway.server.serve_on(listening))
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            await until(lambda: gateway.key_log.is_ready)
            keys = await _key(gateway, Scope.CLIENT), await _key(gateway, Scope.ADMIN)
            await room.leading()
            async with httpx.AsyncClient(base_url=base, timeout=50) as http:
                made = Front(gateway, client, http, keys)
                await client.subscribe(subjects.BALANCER_SELECT, cb=made.on_select)
                yield made
            assert await gateway.outbox.wait_until_empty(20)
        finally:
            gateway.server.should_exit = True
            await serving
            await lifecycle.end_tasks(*background)
            await gateway.transport.aclose()


async def _key(gateway: Gateway, scope: Scope) -> str:
    made = await gateway.key_log.issue_key(str(scope), scope, KeyBounds(), "test")
    assert isinstance(made, tuple)
    return made[1]


def _dropped(_: Any, __: str, ___: dict[str, Any]) -> dict[str, Any]:
    raise structlog.DropEvent

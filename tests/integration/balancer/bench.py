"""One NATS, some balancers on it, and a gateway's view of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client

from contracts import envelope, subjects
from contracts.balancer import (
    BalancerStatus,
    BalancerStatusReply,
    NoServer,
    SelectAnswers,
    Selected,
    SelectServer,
    SelectServers,
    ServersChanged,
)
from contracts.base import Command, Event, Failed, Pong, Reply, ServerId, WriterId
from runtime.environment import Environment, read_environment
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from runtime.nats import natsserver
from runtime.nats.connection import NobodyThereError, SilenceError, ask_command
from runtime.quantities import Seconds
from services.balancer import app
from services.balancer.settings import BalancerSection, ServerSection, Settings
from tests.unit.balancer.builders import ONE

replies = msgspec.json.Decoder(SelectAnswers | BalancerStatusReply | ServersChanged | Failed | Pong)


class Bench:
    """One NATS, some balancers, and a gateway's view of them."""

    def __init__(self, client: Client, url: str, home: Path) -> None:
        self.client = client
        self.url = url
        self.home = home
        self.log = EventLog(client)
        self.pool = SubjectWriter(self.log, subjects.evt_pool(), WriterId("pool"))
        self.settings = Settings()
        self.health_port = natsserver.free_port()

    def named(self, *ports: int, **rest: object) -> None:
        """Configure servers by their ports."""
        self.settings = Settings(
            balancer=BalancerSection(
                strategy="least_connections",
                probe_interval=Seconds(0.2),
                **rest,  # type: ignore[arg-type]
            ),
            servers=[
                ServerSection(server_id=ServerId(f"server-{at}"), url=f"http://127.0.0.1:{port}")
                for at, port in enumerate(ports, 1)
            ],
        )

    def environment(self, health_port: int = 0) -> Environment:
        return read_environment(
            {
                "TIDEGATE_HOME": str(self.home),
                "TIDEGATE_NATS_URL": self.url
                if "@" in self.url
                else self.url.replace("//", "//x@"),
                "TIDEGATE_HEALTH_PORT": str(health_port),
            }
        )

    @asynccontextmanager
    async def balancer(self, health_port: int = 0) -> AsyncIterator[asyncio.Task[None]]:
        """One balancer, stopped in order at the end."""
        stop = asyncio.Event()
        task = asyncio.create_task(
            app.run(stop, self.environment(health_port), lambda: self.settings)
        )
        try:
            yield task
        finally:
            stop.set()
            with suppress(asyncio.CancelledError):
                await task

    async def ask(self, subject: str, command: Command) -> Any:
        """Ask as a gateway does: again while nobody answers."""
        async with asyncio.timeout(10):
            while True:
                with suppress(NobodyThereError, SilenceError):
                    return await ask_command(self.client, subject, command, replies, 1)
                await asyncio.sleep(0.02)

    async def select(
        self, *items: SelectServer, open_exchanges: dict[ServerId, int] | None = None
    ) -> list[Selected | NoServer]:
        command = SelectServers(
            gateway_id=ONE, items=list(items), open_exchanges=open_exchanges or {}
        )
        answers = await self.ask(subjects.BALANCER_SELECT, command)
        assert isinstance(answers, SelectAnswers)
        return answers.items

    async def admin(self, command: Command) -> Reply:
        reply: Reply = await self.ask(subjects.BALANCER_ADMIN, command)
        return reply

    async def status(self) -> BalancerStatusReply:
        reply = await self.ask(subjects.BALANCER_STATUS, BalancerStatus())
        assert isinstance(reply, BalancerStatusReply)
        return reply

    async def shows(self, true: Callable[[BalancerStatusReply], bool]) -> BalancerStatusReply:
        """Wait until the status shows something."""
        async with asyncio.timeout(10):
            while True:
                status = await self.status()
                if true(status):
                    return status
                await asyncio.sleep(0.02)

    async def well(self, count: int) -> BalancerStatusReply:
        return await self.shows(lambda status: sum(one.healthy for one in status.servers) == count)

    async def journal(self) -> list[Event]:
        """Every event of `evt.balancer`, its chain checked."""
        last = await self.log.last_stored(subjects.EVT_BALANCER)
        assert last is not None
        link, events = envelope.Link(), []
        async for batch in self.log.read_range(subjects.EVT_BALANCER, 0, last.sequence):
            for stored in batch:
                found = envelope.decode_envelope(stored.body)
                assert envelope.chain_break(link, found) is None
                link = envelope.link_to(stored.sequence, stored.body, found)
                events += found.events
        return events  # type: ignore[return-value]

    async def pool_journals(self, *events: Any) -> None:
        await self.pool.append_events(list(events), self.pool.next_instant(datetime.now(UTC)))


async def fetched(port: int, path: str) -> str:
    """GET a path of the health port; empty while nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return ""
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer

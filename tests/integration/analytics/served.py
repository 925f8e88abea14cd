"""Analytics as a service in the process of the tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client

from contracts import subjects
from contracts.analytics import NamedQuery, Rows
from contracts.base import Command, Failed, Ping, Pong
from runtime.environment import read_environment
from runtime.nats import natsserver
from runtime.nats.connection import NobodyThereError, ask_command
from runtime.settings import SettingsError
from services.analytics import app
from services.analytics.settings import Settings

_answer = msgspec.json.Decoder(Rows | Failed | Pong)


class Load:
    """Settings that a test changes; an error stands for a file that is refused."""

    def __init__(self) -> None:
        self.table: dict[str, Any] = {}
        self.times = 0

    def __call__(self) -> Settings:
        self.times += 1
        if "wrong" in self.table:
            raise SettingsError("tidegate.toml: analytics.wrong: expected nothing of the kind")
        return msgspec.convert(
            {"analytics": self.table}, Settings, dec_hook=lambda kind, x: kind(x)
        )


@asynccontextmanager
async def service(home: Path, url: str, load: Load | None = None) -> AsyncIterator[int]:
    """Run it in this process; yield its health port."""
    port = natsserver.free_port()
    variables = {
        "TIDEGATE_HOME": str(home),
        "TIDEGATE_NATS_URL": url.replace("://", "://analytics:none@"),
        "TIDEGATE_HEALTH_PORT": str(port),
    }
    stop = asyncio.Event()
    task = asyncio.create_task(app.run(stop, read_environment(variables), load or Load()))
    try:
        yield port
    finally:
        stop.set()
        await task


async def asked(client: Client, subject: str, command: Command) -> Any:
    """Ask as soon as somebody is there."""
    while True:
        try:
            return await ask_command(client, subject, command, _answer, 10.0)
        except NobodyThereError:
            await asyncio.sleep(0.02)


async def caught_up(client: Client, sequence: int) -> None:
    """Wait until so much is projected, and questions are answered."""
    while (await asked(client, subjects.ANALYTICS_PING, Ping())).sequence < sequence:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    question = NamedQuery(name="schema")
    while isinstance(await asked(client, subjects.ANALYTICS_QUERY, question), Failed):  # noqa: ASYNC110
        await asyncio.sleep(0.02)

"""Where bus, doors and log are tried: over a real nats-server, and in the simulation.

Both are told the same laws. What a law says is a coroutine; `run` lets it come to its end.
"""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Protocol

import nats
from faststream.nats import NatsBroker
from nats.aio.client import Client

from runtime.eventlog import EventLog
from runtime.nats import natsserver, streams
from runtime.nats.broker import (
    BrokerDoor,
    BusDoor,
    Take,
    connect_broker,
    disconnect_broker,
    make_broker,
)
from runtime.nats.bus import Bus
from runtime.process import logs
from tests.simulation.pool.bus import SimulatedBus
from tests.simulation.pool.disk import EPOCH
from tests.simulation.pool.hub import Hub
from tests.simulation.pool.log import SimulatedLog
from tests.simulation.pool.loop import SimulatedLoop
from tests.simulation.pool.nature import simulated_nature
from tests.simulation.pool.processes import SimulatedDoor
from tests.simulation.pool.witness import Notes

_TURNS_MAX = 1_000_000
_ROOM_BYTES = 200_000_000


class Ground(Protocol):
    """A server, and connections to it."""

    def run(self, law: Callable[[], Awaitable[None]]) -> None:
        """Let a law come to its end."""

    async def make_bus(self) -> Bus:
        """Connect as one more process."""

    def make_log(self, bus: Bus) -> EventLog:
        """The event log over a connection."""

    async def make_door(self, subject: str, take: Take) -> BusDoor:
        """A door of one more process."""

    async def crash_server(self) -> None:
        """Kill the server and start it again with what it had on its disk."""


class RealGround:
    """A nats-server of its own."""

    def __init__(self, path: Path) -> None:
        self._port = natsserver.free_port()
        self._config, self._log = path / "nats.conf", path / "nats.log"
        self._config.write_text(natsserver.configuration_text(path / "nats", self._port, None))
        self._url = f"nats://127.0.0.1:{self._port}"
        self._clients: list[Client] = []
        self._brokers: list[NatsBroker] = []

    def run(self, law: Callable[[], Awaitable[None]]) -> None:
        """Let a law come to its end in a loop of asyncio."""
        self._process: subprocess.Popen[bytes] = self._start()
        try:
            asyncio.run(self._run(law))
        finally:
            self._process.kill()
            self._process.wait(10)

    def _start(self) -> "subprocess.Popen[bytes]":
        return natsserver.start_server(self._config, self._log, self._port)

    async def _run(self, law: Callable[[], Awaitable[None]]) -> None:
        await streams.migrate_streams(await self.make_bus(), _ROOM_BYTES)
        await law()
        for broker in self._brokers:
            await disconnect_broker(broker)
        for client in self._clients:
            await client.close()

    async def make_bus(self) -> Client:
        """Connect as a service does: for good."""
        client = await nats.connect(
            self._url, max_reconnect_attempts=-1, reconnect_time_wait=0.05, error_cb=_ignore_error
        )
        self._clients.append(client)
        return client

    def make_log(self, bus: Client) -> EventLog:
        """The product's own."""
        return EventLog(bus)

    async def make_door(self, subject: str, take: Take) -> BusDoor:
        """A door that FastStream opens."""
        broker = make_broker(self._url, "test", logs.configure_logs("test"))
        await connect_broker(broker)
        self._brokers.append(broker)
        return BrokerDoor(broker, subject, take)

    async def crash_server(self) -> None:
        """Kill it without a word."""
        self._process.kill()
        await asyncio.to_thread(self._process.wait, 10)
        self._process = await asyncio.to_thread(self._start)


class SimulatedGround:
    """The simulation's hub, and a process for each connection."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = Random(seed)
        self._loop = SimulatedLoop(Random(seed))
        self._notes = Notes(self._loop)
        self.hub = Hub(self._loop, self._chance, self._notes)

    def run(self, law: Callable[[], Awaitable[None]]) -> None:
        """Let a law come to its end in virtual time."""
        context = self._loop.world.context
        with simulated_nature(self._loop, self._chance, EPOCH):
            task = self._loop.create_task(partial(_as_coroutine, law)(), context=context)
            try:
                self._loop.run_until(task, _TURNS_MAX)
            finally:
                self._loop.dispose()
        assert self._loop.faults == []

    async def make_bus(self) -> SimulatedBus:
        """Connect as one more process."""
        return SimulatedBus(self._loop, self.hub, self._loop.begin_life("test"), "test")

    def make_log(self, bus: SimulatedBus) -> EventLog:
        """The simulation's."""
        return SimulatedLog(bus)

    async def make_door(self, subject: str, take: Take) -> BusDoor:
        """A door on the simulation's bus."""
        return SimulatedDoor(await self.make_bus(), self._notes, subject, take)

    async def crash_server(self) -> None:
        """Lose its memory, and what it had not synced."""
        self.hub.crash()
        await asyncio.sleep(0.1)
        self.hub.start()


async def _as_coroutine(law: Callable[[], Awaitable[None]]) -> None:
    await law()


async def _ignore_error(_: Exception) -> Any:
    """Keep quiet: a killed server is what is tried."""

"""What becomes of commands while NATS is away."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest

from contracts.base import Failed, Ping, Pong
from runtime.nats import natsserver
from runtime.nats.broker import await_subscriptions
from runtime.nats.connection import DisconnectedError, ask_command

pytestmark = pytest.mark.anyio
_pong = msgspec.json.Decoder(Pong | Failed)


class Server:
    """A nats-server that can be killed and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.port = natsserver.free_port()
        self._log = folder / "nats.log"
        self._config = folder / "nats.conf"
        self._config.write_text(natsserver.configuration_text(folder / "nats", self.port, None))
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        self.process = natsserver.start_server(self._config, self._log, self.port)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.kill()


async def test_command_asked_while_nats_is_away_is_not_sent_later(server: Server) -> None:
    """A hundred commands fail while the server is down; what first arrives is sent later."""
    url = f"nats://127.0.0.1:{server.port}"
    lost, back = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def on_lost() -> None:
        lost.release()

    async def on_back() -> None:
        back.release()

    options: dict[str, Any] = {
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.05,
        "disconnected_cb": on_lost,
        "reconnected_cb": on_back,
    }
    async with (
        await nats.connect(url, **options) as asker,
        await nats.connect(url, **options) as owner,
    ):
        heard = await owner.subscribe("rpc.ping")
        await owner.flush()
        server.kill()
        async with asyncio.timeout(30):
            await lost.acquire()
            await lost.acquire()

        for _ in range(100):
            with pytest.raises(DisconnectedError):
                await ask_command(asker, "rpc.ping", Ping(), _pong, 5)

        server.start()
        async with asyncio.timeout(30):
            await back.acquire()
            await back.acquire()
        await owner.flush()
        await asker.publish("rpc.ping", b"the first one to arrive")

        message = await heard.next_msg(30)

    assert message.data == b"the first one to arrive"


async def test_whoever_opens_doors_outlives_a_server_that_stops_breathing(server: Server) -> None:
    """A balancer died of a flush that timed out while nats-server was paused."""
    url = f"nats://127.0.0.1:{server.port}"
    async with await nats.connect(url) as client:
        await client.subscribe("rpc.ping")
        server.process.send_signal(signal.SIGSTOP)
        opening = asyncio.create_task(await_subscriptions(client))
        await asyncio.wait({opening}, timeout=2.5)
        waited = not opening.done()
        server.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(30):
            await opening

    assert waited


async def test_doors_are_opened_by_the_next_connection_where_there_is_none(server: Server) -> None:
    url = f"nats://127.0.0.1:{server.port}"
    async with await nats.connect(url, max_reconnect_attempts=-1) as client:
        server.kill()
        async with asyncio.timeout(30):
            while client.is_connected:  # noqa: ASYNC110 (it is told by a state alone)
                await asyncio.sleep(0.01)
            await await_subscriptions(client)

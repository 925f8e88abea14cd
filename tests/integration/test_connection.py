"""What becomes of commands while NATS is away."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest

from contracts.base import Failed, Ping, Pong
from tidegate.runtime import natsserver
from tidegate.runtime.connection import DisconnectedError, ask

pytestmark = pytest.mark.anyio
_pong = msgspec.json.Decoder(Pong | Failed)


class Server:
    """A nats-server that can be killed and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.port = natsserver.free_port()
        self._log = folder / "nats.log"
        self._config = folder / "nats.conf"
        self._config.write_text(natsserver.configuration(folder / "nats", self.port, None))
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        self.process = natsserver.start(self._config, self._log, self.port)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.kill()


async def test_command_asked_while_nats_is_away_is_not_sent_later(server: Server) -> None:
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
                await ask(asker, "rpc.ping", Ping(), _pong, 5)
        server.start()
        async with asyncio.timeout(30):
            await back.acquire()
            await back.acquire()
        await owner.flush()
        await asker.publish("rpc.ping", b"the first one to arrive")

        message = await heard.next_msg(30)

    assert message.data == b"the first one to arrive"

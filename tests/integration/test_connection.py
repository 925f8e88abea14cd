"""What becomes of commands while NATS is away."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
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
    options = {"max_reconnect_attempts": -1, "reconnect_time_wait": 0.05}
    async with (
        await nats.connect(url, **options) as asker,
        await nats.connect(url, **options) as owner,
    ):
        heard = await owner.subscribe("rpc.ping")
        await owner.flush()
        server.kill()
        with anyio.fail_after(30):
            while asker.is_connected:
                await anyio.sleep(0.01)
        for _ in range(100):
            with pytest.raises(DisconnectedError):
                await ask(asker, "rpc.ping", Ping(), _pong, 5)
        server.start()
        with anyio.fail_after(30):
            while not (asker.is_connected and owner.is_connected):
                await anyio.sleep(0.01)
        await owner.flush()
        await asker.publish("rpc.ping", b"the first one to arrive")

        message = await heard.next_msg(30)

    assert message.data == b"the first one to arrive"

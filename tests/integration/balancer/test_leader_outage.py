"""NATS goes away under a balancer and comes back: it proves itself anew and has lost nothing."""

import subprocess
from pathlib import Path

import nats
import pytest

from contracts.balancer import Selected
from contracts.base import LeaseId, SessionId
from contracts.pool import LeaseExpired
from runtime.nats import natsserver, streams
from tests.integration.balancer.bench import Bench
from tests.tinyserver import listening
from tests.unit.balancer.builders import wanted

pytestmark = pytest.mark.anyio


class Server:
    """A nats-server that may be killed, and started again on the same port and store."""

    def __init__(self, home: Path) -> None:
        self.port = natsserver.free_port()
        self._log = home / "nats.log"
        self._config = home / "nats.conf"
        self._config.write_text(natsserver.configuration_text(home / "nats", self.port, None))
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        self.process = natsserver.start_server(self._config, self._log, self.port)
        return self.process

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


async def test_balancer_takes_up_again_after_nats_with_all_it_had_in_flight(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        client = await nats.connect(
            f"nats://127.0.0.1:{server.port}", max_reconnect_attempts=-1, reconnect_time_wait=0.1
        )
        await streams.migrate_streams(client, 200_000_000)
        bench = Bench(client, f"nats://127.0.0.1:{server.port}", tmp_path)
        async with listening() as port, bench.balancer() as task:
            bench.named(port)
            await bench.well(1)
            await bench.select(wanted("r.1"), wanted("s.1"))

            server.kill()
            server.start()

            (third,) = await bench.select(wanted("t.1"))
            assert isinstance(third, Selected)
            expired = LeaseExpired(lease_id=LeaseId("r.1"), session_id=SessionId("s"))
            await bench.pool_journals(expired)
            status = await bench.shows(lambda status: status.servers[0].connections == 2)
            assert status.epoch == 1
            assert not task.done()
        await client.close()
    finally:
        server.kill()

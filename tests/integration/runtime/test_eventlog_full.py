"""The disk of a real nats-server is full: what it says, what a writer knows, and what cures it."""

import secrets
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats
import pytest
import structlog
from nats.aio.client import Client

from contracts.base import LeaderElected, WriterId
from contracts.gateway import KeyBounds, Scope
from contracts.subjects import EVT_KEYS
from runtime.clock import system_clock
from runtime.eventlog import UNWRITABLE, EventLog, FenceError, LogUnavailableError, UnstoredError
from runtime.eventlog import writer as writing
from runtime.eventlog.writer import SubjectWriter
from runtime.nats import natsserver, streams
from services.gateway.store import KeyLog
from tests.e2e.disk import SmallDisk, small_disk
from tests.moments import NOON

pytestmark = pytest.mark.anyio
LARGE = LeaderElected(writer=WriterId(secrets.token_hex(10_000)), epoch=1)
"""More than what a page that was begun has left, and nothing to compress."""


class Server:
    """A nats-server on a small disk, which says how it is."""

    def __init__(self, folder: Path, disk: SmallDisk) -> None:
        self.port, self.monitor = natsserver.free_port(), natsserver.free_port()
        self._log = folder / "nats.log"
        self._config = folder / "nats.conf"
        monitor = (self.monitor, "/a-secret")
        self._config.write_text(
            natsserver.configuration_text(disk.path / "nats", self.port, None, monitor)
        )
        self.start()

    def start(self) -> None:
        self.process: subprocess.Popen[bytes] = natsserver.start_server(
            self._config, self._log, self.port
        )

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(20)

    def says(self, path: str = "/a-secret/healthz") -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.monitor}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as made:
        yield made


@pytest.fixture
def server(tmp_path: Path, disk: SmallDisk) -> Iterator[Server]:
    made = Server(tmp_path, disk)
    yield made
    made.end()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    made = await nats.connect(
        f"nats://127.0.0.1:{server.port}", max_reconnect_attempts=-1, reconnect_time_wait=0.1
    )
    await streams.migrate_streams(made, 80_000_000)
    yield made
    await made.close()


async def append_through(writer: SubjectWriter) -> None:
    """Append, whatever went on before, within a bound."""
    for _ in range(50):
        try:
            await writer.append_events([], NOON)
        except (FenceError, LogUnavailableError):
            continue
        return
    raise AssertionError("the log takes no writes")


async def test_an_error_is_kept_when_the_disk_has_room_again_until_nats_is_started_again(
    client: Client, server: Server, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_UNWRITABLE_S", 1.0)
    writer = SubjectWriter(EventLog(client), "evt.pool.0", WriterId("one"))
    await writer.append_events([LARGE], NOON)

    assert server.says() == (200, '{"status":"ok"}')
    assert server.says("/healthz")[0] == server.says("/varz")[0] == 404

    disk.fill()

    with pytest.raises(UnstoredError):
        await writer.append_events([LARGE], NOON)
    assert writer.unwritable_s >= 1
    disk.free()
    with pytest.raises(UnstoredError):
        await writer.append_events([], NOON)
    assert writer.unwritable_s >= 2
    status, why = server.says()
    assert status == 503
    assert natsserver.STUCK in why
    last = await EventLog(client).last_stored("evt.pool.0")
    assert last is not None  # whoever only reads sees nothing of it
    assert last.sequence == 1

    assert server.end() == 0
    server.start()
    await append_through(writer)

    assert (writer.link.number, writer.unwritable_s) == (2, 0)
    assert server.says()[0] == 200


async def test_nobody_waits_long_for_a_key_that_cannot_be_journalled(
    client: Client, disk: SmallDisk
) -> None:
    await SubjectWriter(EventLog(client), EVT_KEYS, WriterId("one")).append_events([LARGE], NOON)
    log = KeyLog(EventLog(client), WriterId("gw"), system_clock, structlog.get_logger())
    disk.fill()

    bounds = KeyBounds(models=[secrets.token_hex(50) for _ in range(100)])

    with pytest.raises(LogUnavailableError, match=UNWRITABLE):
        await log.issue_key("late", Scope.CLIENT, bounds, "test")

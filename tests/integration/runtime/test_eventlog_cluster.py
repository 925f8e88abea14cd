"""Three nats-servers keep the log: one that is killed comes back whole, and readers go on.

Each test writes more than one block of the file store (8 MB), behind which nats-server 2.15.1
loses the killed server's copy of a compressed log (ADR 19).
"""

import asyncio
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.subjects import EVENT_STREAM
from runtime.eventlog import EventLog
from runtime.nats import natsserver, streams

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.xdist_group("cluster")]
MEMBERS = range(3)
SUBJECT = "evt.pool.0"
_BODY = b"x" * 60_000
_MESSAGES = 150
_KILLS_MAX = 4
_UNWELL_S = 3
_READERS = 6
"""Each is on any of three members: that none meets the damaged one is a chance of 1 in 11."""
_PATIENCE_S = 60


class Cluster:
    """Three servers on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = [natsserver.free_port() for _ in MEMBERS]
        self.monitors = [natsserver.free_port() for _ in MEMBERS]
        routes = [natsserver.free_port() for _ in MEMBERS]
        others = json.dumps([f"nats://127.0.0.1:{port}" for port in routes])
        for member in MEMBERS:
            more = [
                f'server_name: "{member}"',
                f'http: "127.0.0.1:{self.monitors[member]}"',
                f'cluster {{ name: c, listen: "127.0.0.1:{routes[member]}", routes: {others} }}',
            ]
            whole = natsserver.configuration_text(folder / str(member), self.ports[member], None)
            self.config(member).write_text("\n".join([whole, *more]))
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def urls(self) -> list[str]:
        return [f"nats://127.0.0.1:{port}" for port in self.ports]

    def config(self, member: int) -> Path:
        return self.folder / f"{member}.conf"

    def start(self, member: int) -> None:
        log = self.folder / f"{member}.log"
        process = natsserver.start_server(self.config(member), log, self.ports[member])
        self.processes[member] = process

    def kill(self, member: int) -> None:
        self.processes[member].kill()
        self.processes[member].wait()

    def health(self, member: int) -> str:
        """What a member says of itself; nothing when all is well."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitors[member]}/healthz") as _:
                return ""
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError as error:
            return str(error)

    async def well(self) -> None:
        """Wait until every member is."""
        told: list[str] = []
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while any(told := [self.health(member) for member in MEMBERS]):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"not well: {told}") from None


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    try:
        for member in MEMBERS:
            made.start(member)
        yield made
    finally:
        for process in made.processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    await cluster.well()
    made = await nats.connect(
        cluster.urls, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=unheard
    )
    yield made
    await made.close()


async def unheard(_: Exception) -> None:
    """A lost connection is what these tests are about."""


async def ask_jetstream(client: Client, what: str, body: object = None) -> dict[str, Any]:
    """Ask JetStream until it answers without an error."""
    answer: dict[str, Any] = {}
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                told = await client.request(f"$JS.API.{what}", json.dumps(body).encode(), timeout=5)
            except NatsError:
                answer = {"error": "silence"}
            else:
                answer = json.loads(told.data)
            if "error" not in answer:
                return answer
            await asyncio.sleep(0.2)


async def leader_of(client: Client, stream: str = EVENT_STREAM) -> int:
    """The member that leads a stream."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            leader = (await ask_jetstream(client, f"STREAM.INFO.{stream}"))["cluster"].get("leader")
            if leader:
                return int(leader)
            await asyncio.sleep(0.2)


async def store_messages(client: Client, subject: str) -> None:
    """Store more than one block of messages."""
    stream = client.jetstream(timeout=10)
    for _ in range(_MESSAGES // 25):
        await asyncio.gather(*(stream.publish(subject, _BODY) for _ in range(25)))


async def sequences(client: Client, upto: int) -> list[int]:
    """Read the whole log, through a consumer on whichever member it comes to be."""
    found: list[int] = []
    async with asyncio.timeout(_PATIENCE_S):
        async for batch in EventLog(client).read_range(SUBJECT, 0, upto):
            found += [stored.sequence for stored in batch]
    return found


async def test_leader_of_the_log_that_is_killed_again_and_again_comes_back_whole(
    cluster: Cluster, client: Client
) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                await streams.migrate_streams(client, 10**9, replicas=3)
            except (streams.MigrationError, NatsError):
                await asyncio.sleep(0.2)
            else:
                break

    for _ in range(2):
        await store_messages(client, SUBJECT)
        leader = await leader_of(client)
        cluster.kill(leader)
        assert await leader_of(client) != leader
        cluster.start(leader)
        await cluster.well()

    last = (await EventLog(client).stream_state()).last_sequence
    assert last == 2 * _MESSAGES
    assert await sequences(client, last) == list(range(1, last + 1))


async def test_reader_gets_on_past_a_member_whose_copy_is_damaged(
    cluster: Cluster, client: Client
) -> None:
    """A compressed log on several servers, which we never make, is damaged by kills."""
    config = {**streams.stream_configurations(10**9, replicas=3)[0], "compression": "s2"}
    await ask_jetstream(client, f"STREAM.CREATE.{EVENT_STREAM}", config)
    for _ in range(_KILLS_MAX):
        await store_messages(client, SUBJECT)
        leader = await leader_of(client)
        cluster.kill(leader)
        assert await leader_of(client) != leader
        cluster.start(leader)
        if await damaged(cluster, leader):
            break
    else:
        pytest.skip("this nats-server does not damage a compressed log")
    last = (await EventLog(client).stream_state()).last_sequence

    found = await asyncio.gather(*(sequences(client, last) for _ in range(_READERS)))

    assert found == [list(range(1, last + 1))] * _READERS


async def damaged(cluster: Cluster, member: int) -> bool:
    """Whether a member that was started again stays unwell."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_UNWELL_S):
            while "not running" not in cluster.health(member):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            return True
    return False

"""Nothing acknowledged is missing after a power cut, nor after a kill.

- *power cut*: the store lies on a disk whose power is cut while appends are under way (`disk`).
  It proves that an acknowledgement means "synced": what only stood in the page cache is gone.
- *its control*: the same with nats-server's default `sync_interval`. What it loses is measured and
  told; that it loses anything is up to the kernel, so a run in which it does not is skipped.
- *kill*: nats-server is killed while appends are under way, its files are copied, and a server is
  started from the copy. The page cache is copied along, so this says nothing of power.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from runtime.eventlog import EventLog, LogError, LogUnavailableError
from runtime.nats import natsserver, streams
from tests.e2e.disk import Disk, NoDiskError

WRITERS = 8
BEFORE = 400
"""Envelopes acknowledged before anything happens."""
Acknowledged = dict[int, bytes]
"""Body by sequence."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    try:
        made = Disk(tmp_path)
    except NoDiskError as error:
        pytest.skip(f"no disk whose power can be cut: {error}")
    try:
        yield made
    finally:
        made.unmount()


def nats_config(folder: Path, store: Path, port: int, *, synced: bool = True) -> Path:
    config = folder / "nats.conf"
    text = natsserver.configuration_text(store, port, None)
    config.write_text(text if synced else text.replace(", sync_interval: always", ""))
    assert synced == ("sync_interval" in config.read_text())
    return config


class Server:
    """A nats-server on a store; its log is not on the disk that is cut."""

    def __init__(self, folder: Path, store: Path, *, synced: bool = True) -> None:
        self.port = natsserver.free_port()
        config = nats_config(folder, store, self.port, synced=synced)
        self.process: subprocess.Popen[bytes] = natsserver.start_server(
            config, folder / "nats.log", self.port
        )

    async def connect(self) -> Client:
        async def unheard(_: Exception) -> None:
            await asyncio.sleep(0)

        return await nats.connect(
            f"nats://127.0.0.1:{self.port}", allow_reconnect=False, error_cb=unheard
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)


async def write(
    client: Client, number: int, acknowledged: Acknowledged, enough: asyncio.Event
) -> None:
    """Append to one subject behind its fence, for ever; the first failure ends it."""
    log = EventLog(client)
    subject = f"evt.pool.{number}"
    after = 0
    with suppress(LogError):
        for count in range(1_000_000):
            body = json.dumps({"writer": number, "count": count, "filler": "x" * 400}).encode()
            after = await log.append_after(subject, body, after)
            acknowledged[after] = body
            if len(acknowledged) >= BEFORE:
                enough.set()


async def appending(server: Server, happens: Callable[[], None]) -> Acknowledged:
    """Append from many writers until something happens amid it; what was acknowledged."""
    client = await server.connect()
    await streams.migrate_streams(client, 100_000_000)
    acknowledged: Acknowledged = {}
    enough = asyncio.Event()
    writers = [
        asyncio.create_task(write(client, number, acknowledged, enough))
        for number in range(WRITERS)
    ]
    async with asyncio.timeout(60):
        await enough.wait()
    await asyncio.to_thread(happens)
    await asyncio.to_thread(server.kill)
    async with asyncio.timeout(60):
        await asyncio.gather(*writers)
    await client.close()
    return acknowledged


async def missing(server: Server, acknowledged: Acknowledged) -> list[int]:
    """Sequences of what was acknowledged and is not there, or is another one, by what it says."""
    client = await server.connect()
    log = EventLog(client)
    found: Acknowledged = {}
    with suppress(LogUnavailableError):
        state = await log.stream_state()
        async for batch in log.read_range(">", 0, state.last_sequence):
            found |= {stored.sequence: stored.body for stored in batch}
    await client.close()
    return [sequence for sequence, body in acknowledged.items() if found.get(sequence) != body]


def lost_to_a_cut(disk: Disk, folder: Path, *, synced: bool) -> tuple[list[int], int]:
    """Cut the power while it appends, and start again from what is left; missing, of how many."""
    store = disk.path / "nats"
    server = Server(folder, store, synced=synced)
    acknowledged = asyncio.run(appending(server, disk.cut))
    disk.unmount()
    disk.mount()
    again = Server(folder, store)
    try:
        return asyncio.run(missing(again, acknowledged)), len(acknowledged)
    finally:
        again.kill()


def test_nothing_acknowledged_is_missing_after_a_power_cut(disk: Disk, tmp_path: Path) -> None:
    lost, acknowledged = lost_to_a_cut(disk, tmp_path, synced=True)

    assert lost == []
    assert acknowledged >= BEFORE


def test_control_the_default_of_nats_server_loses_what_it_acknowledged(
    disk: Disk, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    lost, acknowledged = lost_to_a_cut(disk, tmp_path, synced=False)

    record_property("lost", f"{len(lost)} of {acknowledged}")
    if not lost:
        pytest.skip("this time the kernel had written everything by itself")


def test_nothing_acknowledged_is_missing_after_a_kill(tmp_path: Path) -> None:
    store, copy = tmp_path / "nats", tmp_path / "copy"
    server = Server(tmp_path, store)

    def happens() -> None:
        server.kill()
        shutil.copytree(store, copy)

    acknowledged = asyncio.run(appending(server, happens))
    again = Server(tmp_path, copy)
    try:
        assert asyncio.run(missing(again, acknowledged)) == []
    finally:
        again.kill()
    assert len(acknowledged) >= BEFORE

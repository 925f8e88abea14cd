"""A reader of the log that outlives its server and its connection: every envelope, once, in order.

The writer has a connection of its own and goes on as soon as it can; what it appends, and nothing
else, is what the reader must have seen.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from contracts import envelope
from contracts.base import LeaderElected, WriterId
from runtime.eventlog import EventLog, FenceError, LogUnavailableError
from runtime.eventlog.writer import SubjectWriter
from runtime.nats import natsserver, streams
from tests.integration.pool.cable import wire
from tests.moments import NOON

pytestmark = pytest.mark.anyio
SUBJECT = "evt.pool.0"
_ROUNDS = 4


@asynccontextmanager
async def steady_client(url: str) -> AsyncIterator[Client]:
    """A connection that is made again for ever, as a service's is."""
    client = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.05)
    try:
        yield client
    finally:
        await client.close()


class Writer:
    """Appends envelopes whatever happens to the server."""

    def __init__(self, client: Client) -> None:
        self._writer = SubjectWriter(EventLog(client), SUBJECT, WriterId("writer"))

    @property
    def written(self) -> int:
        return self._writer.link.number

    async def write(self, epoch: int) -> None:
        """Append one envelope; it stands, once, when this returns."""
        event = LeaderElected(writer=WriterId("writer"), epoch=epoch)
        before = self.written
        while self.written == before:
            try:
                await self._writer.append_events([event], NOON)
            except (FenceError, LogUnavailableError):
                await asyncio.sleep(0.05)

    async def write_on(self, enough: Callable[[], bool]) -> None:
        """Append until it is enough."""
        while not enough():
            await self.write(self.written + 1)


class Reader:
    """Follows the log and keeps the numbers of what it was given."""

    def __init__(self, client: Client) -> None:
        self.numbers: list[int] = []
        self.sequences: list[int] = []
        self._log = EventLog(client)

    async def run(self) -> None:
        async for batch in self._log.follow_from([SUBJECT], 0):
            for stored in batch:
                self.numbers.append(envelope.decode_envelope(stored.body).number)
                self.sequences.append(stored.sequence)

    async def has(self, count: int) -> None:
        """Wait until it has seen so many."""
        async with asyncio.timeout(60):
            while len(self.numbers) < count:  # noqa: ASYNC110 (there is no event for it)
                await asyncio.sleep(0.01)

    def assert_whole(self, count: int) -> None:
        assert self.numbers == list(range(1, count + 1))
        assert self.sequences == sorted(set(self.sequences))


@asynccontextmanager
async def reader_following(client: Client) -> AsyncIterator[Reader]:
    reader = Reader(client)
    task = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_reader_and_writer_outlive_a_server_that_is_killed_again_and_again(
    tmp_path: Path,
) -> None:
    """The server is killed whenever fifty more are read; what is read is all that was written."""
    port = natsserver.free_port()
    config = tmp_path / "nats.conf"
    config.write_text(natsserver.configuration_text(tmp_path / "nats", port, None))

    def start() -> "subprocess.Popen[bytes]":
        return natsserver.start_server(config, tmp_path / "nats.log", port)

    process = start()
    url = f"nats://127.0.0.1:{port}"
    try:
        async with steady_client(url) as writing, steady_client(url) as reading:
            await streams.migrate_streams(writing, 200_000_000)
            writer, over = Writer(writing), asyncio.Event()
            async with reader_following(reading) as reader:
                task = asyncio.create_task(writer.write_on(over.is_set))
                for _ in range(_ROUNDS):
                    await reader.has(len(reader.numbers) + 50)
                    process.kill()
                    process.wait()
                    process = await asyncio.to_thread(start)
                await reader.has(len(reader.numbers) + 50)
                over.set()
                await task
                await reader.has(writer.written)

                reader.assert_whole(writer.written)
    finally:
        process.terminate()
        process.wait(10)


async def test_reader_whose_connection_is_cut_misses_nothing(
    nats_url: str, nats_client: Client
) -> None:
    async with wire(nats_url) as cable, steady_client(cable.url) as reading:
        writer, over = Writer(nats_client), asyncio.Event()
        async with reader_following(reading) as reader:
            task = asyncio.create_task(writer.write_on(over.is_set))
            for _ in range(_ROUNDS):
                await reader.has(len(reader.numbers) + 50)
                cable.cut()
            await reader.has(len(reader.numbers) + 50)
            over.set()
            await task
            await reader.has(writer.written)

            reader.assert_whole(writer.written)


async def test_what_was_lost_on_its_way_is_read_again_though_nothing_comes_after_it(
    nats_url: str, nats_client: Client
) -> None:
    async with wire(nats_url) as cable, steady_client(cable.url) as reading:
        writer = Writer(nats_client)
        await writer.write(1)
        async with reader_following(reading) as reader:
            await reader.has(1)
            cable.lost = b'"epoch":777'

            await writer.write(777)

            await reader.has(2)

            assert cable.lost is None

            reader.assert_whole(2)

"""NATS goes away under a balancer and comes back: it proves itself anew and has lost nothing."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest

from contracts.balancer import Selected
from contracts.base import LeaseId, ServiceType, SessionId
from contracts.pool import LeaseExpired
from contracts.subjects import STANDING_STREAM, STANDING_SUBJECT
from runtime.eventlog import EventLog
from runtime.nats import natsserver, streams
from services.balancer import handover
from services.balancer.domain.memory import BalancerMemory
from tests.integration.balancer.bench import Bench
from tests.tinyserver import listening
from tests.unit.balancer.builders import usage_at, wanted
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


class Server:
    """A nats-server that may be killed, and started again on the same port and store."""

    def __init__(self, home: Path, max_payload: str = "8MB") -> None:
        self.port = natsserver.free_port()
        self._log = home / "nats.log"
        self._config = home / "nats.conf"
        text = natsserver.configuration_text(home / "nats", self.port, None)
        assert "max_payload: 8MB" in text
        self._config.write_text(text.replace("max_payload: 8MB", f"max_payload: {max_payload}"))
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


@asynccontextmanager
async def bench_on(server: Server, home: Path) -> AsyncIterator[Bench]:
    client = await nats.connect(
        f"nats://127.0.0.1:{server.port}", max_reconnect_attempts=-1, reconnect_time_wait=0.1
    )
    try:
        await streams.migrate_streams(client, 200_000_000)
        yield Bench(client, f"nats://127.0.0.1:{server.port}", home)
        await client.close()
    finally:
        server.process.send_signal(signal.SIGCONT)
        server.kill()


async def memory_left(bench: Bench) -> BalancerMemory | None:
    stored = await EventLog(bench.client, STANDING_STREAM).last_stored(STANDING_SUBJECT)
    return None if stored is None else msgspec.json.decode(stored.body, type=BalancerMemory)


async def test_a_handover_that_nobody_acknowledges_ends_no_term(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "_HAND_ON_EVERY_S", 0.1)
    server, paused = Server(tmp_path), asyncio.Event()
    take_down = handover.memory_of

    def pause_nats_first(*state: Any) -> BalancerMemory:
        if not paused.is_set():
            server.process.send_signal(signal.SIGSTOP)
            paused.set()
        return take_down(*state)

    async with bench_on(server, tmp_path) as bench, listening() as port, bench.balancer() as task:
        bench.named(port)
        await bench.well(1)
        monkeypatch.setattr(handover, "memory_of", pause_nats_first)
        await bench.pool_journals(usage_at("server-1"))
        await paused.wait()
        await asyncio.sleep(1.5)  # longer than an acknowledgement is waited for
        server.process.send_signal(signal.SIGCONT)

        await bench.pool_journals(usage_at("server-1"))
        end = (await bench.log.stream_state()).last_sequence

        async def is_handed_on() -> bool:
            memory = await memory_left(bench)
            return memory is not None and memory.sequence >= end

        await eventually(is_handed_on)

        assert not task.done()
        assert (await bench.status()).epoch == 1


async def test_what_is_too_much_for_nats_is_handed_on_without_what_weighs_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "_HAND_ON_EVERY_S", 0.1)
    server = Server(tmp_path, max_payload="64KB")
    async with bench_on(server, tmp_path) as bench, listening() as port:
        bench.named(port)
        async with bench.balancer() as task:
            await bench.well(1)
            for number in range(60):
                kind = ServiceType(f"type-{number}")
                told = [usage_at("server-1", service_type=kind, session=f"s{n}") for n in range(20)]
                await bench.pool_journals(*told)
            end = (await bench.log.stream_state()).last_sequence

            async def is_handed_on() -> bool:
                memory = await memory_left(bench)
                return memory is not None and memory.sequence >= end

            await eventually(is_handed_on)

            assert not task.done()
        async with bench.balancer():
            await bench.shows(lambda status: status.servers[0].attempts == 1200)

"""Leases a second at one pool shard, their ends through the log too, on `sync_interval: always`.

A pool process and a nats-server of its own; 128 callers here each lease and end in turn,
coalesced as a gateway does. Beside it, in the same run, what one would write first: one fenced
append per lease. Then the log that this left is folded again.
"""

import asyncio
import multiprocessing
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import nats
import uvloop
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts import envelope, subjects
from contracts.base import GatewayId, KeyId, LeaderElected, RequestId, ServiceType, WriterId
from contracts.pool import (
    Attempt,
    EndLeases,
    Granted,
    LeaseSessions,
    LeaseWanted,
    Outcome,
    SessionRequested,
    UsageRecorded,
    Verdict,
)
from runtime.environment import read_environment
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from runtime.nats import natsserver, streams
from runtime.process import lifecycle
from runtime.settings import ServiceTypeSection
from services.pool import app
from services.pool.domain import Pool, fold_envelope
from services.pool.settings import PoolSection, ProvisionerSection, Settings

SESSIONS = 500
CALLERS = 128
SECONDS = 5.0
REFERENCE_SECONDS = 1.5
IMAGE = ServiceType("image")

_encoder = msgspec.json.Encoder()
_leases = msgspec.json.Decoder(dict[str, Any])
_grants = msgspec.json.Decoder(list[Granted])


def settings() -> Settings:
    """Quota enough for everything that is asked here."""
    made_up = ProvisionerSection(kind="generated")
    pool = PoolSection(
        min_size=SESSIONS, max_size=SESSIONS, session_concurrency=2, provisioner=made_up
    )
    return Settings(pool=pool, services={"image": ServiceTypeSection(daily_limit=10**6)})


def serve(home: Path, url: str) -> None:
    """Be the pool process."""
    (home / "secrets").mkdir()
    for name in ("master", "identity"):
        (home / "secrets" / f"{name}.key").write_text(name)
    variables = {"TIDEGATE_HOME": str(home), "TIDEGATE_NATS_URL": url.replace("//", "//pool:-@")}
    uvloop.run(app.run(asyncio.Event(), read_environment(variables), settings))


class Lane:
    """Everything of one loop turn travels as one request."""

    def __init__(self, client: Client, subject: str, command: Callable[[list[Any]], Any]) -> None:
        self._client = client
        self._subject = subject
        self._command = command
        self._items: list[Any] = []
        self._answers: list[asyncio.Future[Any]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, item: Any) -> Awaitable[Any]:
        """Put one item on its way."""
        if not self._items:
            asyncio.get_running_loop().call_soon(self._depart)
        answer = asyncio.get_running_loop().create_future()
        self._items.append(item)
        self._answers.append(answer)
        return answer

    def _depart(self) -> None:
        task = asyncio.create_task(self._travel(self._items, self._answers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._items, self._answers = [], []

    async def _travel(self, items: list[Any], answers: list[asyncio.Future[Any]]) -> None:
        body = _encoder.encode(self._command(items))
        message = await self._client.request(self._subject, body, timeout=10)
        for answer, found in zip(answers, _leases.decode(message.data)["items"], strict=True):
            answer.set_result(found)


async def caller(number: int, leases: Lane, ends: Lane, until: float) -> int:
    """Lease and end in turn; return how many."""
    done = 0
    while time.monotonic() < until:
        request_id = RequestId(f"0192f0c1-2b3c-7d4e-8f50-{number:04d}{done:08d}")
        wanted = SessionRequested(
            request_id=request_id,
            number=1,
            service_type=IMAGE,
            asked_at=datetime.now(UTC),
            gateway_id=GatewayId("gateway-1"),
            key_id=KeyId("key_1"),
            path="/v1/images/generations",
            model="jimeng-4.0",
            client_address="203.0.113.0",
        )
        granted = await leases.ask(LeaseWanted(requested=wanted))
        if granted["type"] != "granted":
            raise SystemExit(f"refused: {granted}")
        attempt = Attempt(
            server_id="server-1",
            strategy="capability_based",
            verdict=Verdict.SUCCESS,
            status=200,
            sent=True,
            connect_ms=0.4,
            first_byte_ms=201.5,
            total_ms=204.1,
        )
        used = UsageRecorded(
            lease_id=granted["lease_id"],
            request_id=request_id,
            session_id=granted["session_id"],
            service_type=IMAGE,
            outcome=Outcome.SETTLED,
            verdict=Verdict.SUCCESS,
            units=1,
            key_id=KeyId("key_1"),
            gateway_id=GatewayId("gateway-1"),
            status=200,
            attempts=[attempt],
            lease_ms=1.2,
            total_ms=206.0,
        )
        await ends.ask(used)
        done += 1
    return done


async def measure(url: str, process: "multiprocessing.process.BaseProcess") -> float:
    """Print leases a second and what one costs the pool; return the rate."""
    client = await nats.connect(url)
    while True:
        try:
            body = b'{"type":"pool_status"}'
            message = await client.request(subjects.pool_status(), body, timeout=1)
            if _leases.decode(message.data)["sessions_total"] == SESSIONS:
                break
        except NatsError:
            pass
        await asyncio.sleep(0.05)
    leases = Lane(client, subjects.pool_lease(), lambda items: LeaseSessions(items=items))
    ends = Lane(client, subjects.pool_end(), lambda items: EndLeases(items=items))
    before, started = await EventLog(client).stream_state(), time.monotonic()
    cpu = cpu_seconds(process.pid)
    run = partial(caller, leases=leases, ends=ends, until=started + SECONDS)
    done = sum(await asyncio.gather(*(run(number) for number in range(CALLERS))))
    seconds = time.monotonic() - started
    cpu = cpu_seconds(process.pid) - cpu
    after = await EventLog(client).stream_state()
    envelopes = after.messages - before.messages
    print(
        f"leases with their ends      {done / seconds:10,.0f} /s"
        f"   ({done / envelopes:.0f} leases an envelope, {envelopes / seconds:.0f} envelopes/s,"
        f" pool {cpu / done * 1e6:.0f} µs CPU a lease, {cpu / seconds:.0%} of a core)"
    )
    await client.close()
    return done / seconds


def cpu_seconds(pid: int | None) -> float:
    """Run time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def reference(url: str) -> float:
    """Append one envelope per lease and one per end, one after another."""
    client = await nats.connect(url)
    writer = SubjectWriter(EventLog(client), "evt.pool.9", WriterId("reference"))
    event = LeaderElected(writer=WriterId("x" * 300), epoch=1)
    started, done = time.monotonic(), 0
    while time.monotonic() < started + REFERENCE_SECONDS:
        await writer.append_events([event], datetime.now(UTC))
        await writer.append_events([event], datetime.now(UTC))
        done += 1
    rate = done / (time.monotonic() - started)
    print(f"one append each, no pool    {rate:10,.0f} /s")
    await client.close()
    return rate


async def refold(url: str) -> None:
    """Fold the log anew, from memory."""
    client = await nats.connect(url)
    log = EventLog(client)
    last = await log.last_stored(subjects.evt_pool())
    assert last is not None
    stored = [
        one
        async for batch in log.read_range(subjects.evt_pool(), 0, last.sequence)
        for one in batch
    ]
    await client.close()
    lifecycle.collect_rarely()
    state, events = Pool(), 0
    started = time.process_time()
    for one in stored:
        made = envelope.decode_envelope(one.body)
        fold_envelope(state, one.sequence, made)
        events += len(made.events)
    seconds = time.process_time() - started
    print(
        f"refold into pool state      {events / seconds:10,.0f} events/s"
        f"   ({events:,} events, by CPU time)"
    )


def main() -> None:
    """Run all of it, in less than half a minute."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TIDEGATE_BENCH_DIR")) as place:
        port = natsserver.free_port()
        config = Path(place) / "nats.conf"
        config.write_text(natsserver.configuration_text(Path(place) / "nats", port, None))
        server = natsserver.start_server(config, Path(place) / "nats.log", port)
        url = f"nats://127.0.0.1:{port}"
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(Path(place), url)
        )
        try:
            uvloop.run(_migrate(url))
            process.start()
            leases = uvloop.run(measure(url, process))
            alone = uvloop.run(reference(url))
            print(f"ratio                       {leases / alone:10.1f} times")
            uvloop.run(refold(url))
        finally:
            process.terminate()
            process.join()
            server.terminate()
            server.wait(10)


async def _migrate(url: str) -> None:
    client = await nats.connect(url)
    await streams.migrate_streams(client, 2_000_000_000)
    await client.close()


if __name__ == "__main__":
    main()

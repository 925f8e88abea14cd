"""Leases a second at one pool shard, their ends through the log too, on `sync_interval: always`.

A pool process and a nats-server of its own; 128 callers here each lease and end in turn,
coalesced as a gateway does. Then a thousand more than the sessions can do at once: so many wait,
and each is told of its lease as a gateway is. Beside it, in the same run, what one would write
first: one fenced append per lease. Then the log that this left is folded again.
"""

import asyncio
import multiprocessing
import os
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import nats
import uvloop
from nats.aio.client import Client
from nats.errors import Error as NatsError

from benchmarks.callers import Gateway, caller
from contracts import envelope, subjects
from contracts.base import LeaderElected, WriterId
from runtime.environment import read_environment
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from runtime.nats import natsserver, streams
from runtime.process import lifecycle
from runtime.settings import ServiceTypeSection
from services.pool import app
from services.pool.domain import Pool, fold_envelope
from services.pool.settings import PoolSection, ProvisionerSection, Settings

SESSIONS, AT_ONCE = 500, 2
CALLERS, WAITING = 128, 1000
WAIT_MS = 60_000
SECONDS = 5.0
REFERENCE_SECONDS = 1.5

_status = msgspec.json.Decoder(dict[str, Any])


def settings() -> Settings:
    """Quota enough for everything that is asked here."""
    made_up = ProvisionerSection(kind="generated")
    pool = PoolSection(
        min_size=SESSIONS, max_size=SESSIONS, session_concurrency=AT_ONCE, provisioner=made_up
    )
    return Settings(pool=pool, services={"image": ServiceTypeSection(daily_limit=10**6)})


def serve(home: Path, url: str) -> None:
    """Be the pool process."""
    (home / "secrets").mkdir()
    for name in ("master", "identity"):
        (home / "secrets" / f"{name}.key").write_text(name)
    variables = {"TIDEGATE_HOME": str(home), "TIDEGATE_NATS_URL": url.replace("//", "//pool:-@")}
    lifecycle.collect_rarely()
    uvloop.run(app.run(asyncio.Event(), read_environment(variables), settings))


async def measure(url: str, process: "multiprocessing.process.BaseProcess") -> float:
    """Print leases a second and what one costs the pool, with many waiting too; return the rate."""
    client = await nats.connect(url)
    while True:
        try:
            body = b'{"type":"pool_status"}'
            message = await client.request(subjects.pool_status(), body, timeout=1)
            if _status.decode(message.data)["sessions_total"] == SESSIONS:
                break
        except NatsError:
            pass
        await asyncio.sleep(0.05)
    gateway = Gateway(client)
    await gateway.listen()
    rate = await run_callers(client, gateway, process.pid, range(CALLERS), 0)
    crowd = range(CALLERS, CALLERS + SESSIONS * AT_ONCE + WAITING)
    waited = await run_callers(client, gateway, process.pid, crowd, WAIT_MS)
    print(f"ratio                       {waited / rate:10.2f} times")
    await client.close()
    return rate


async def run_callers(
    client: Client, gateway: Gateway, pid: int | None, numbers: range, wait_ms: int
) -> float:
    """Have so many callers lease and end; return leases a second."""
    before, started = await EventLog(client).stream_state(), time.monotonic()
    cpu = cpu_seconds(pid)
    run = partial(caller, gateway=gateway, until=started + SECONDS, wait_ms=wait_ms)
    done = sum(await asyncio.gather(*map(run, numbers)))
    seconds = time.monotonic() - started
    cpu = cpu_seconds(pid) - cpu
    after = await EventLog(client).stream_state()
    envelopes = after.messages - before.messages
    what = f"while {WAITING:,} wait" if wait_ms else "leases with their ends"
    print(
        f"{what:<27} {done / seconds:10,.0f} /s"
        f"   ({done / envelopes:.0f} leases an envelope, {envelopes / seconds:.0f} envelopes/s,"
        f" pool {cpu / done * 1e6:.0f} µs CPU a lease, {cpu / seconds:.0%} of a core)"
    )
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

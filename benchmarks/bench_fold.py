"""What an ended lease costs the pool's memory and its boot, beside what was done before.

Each way has a process of its own. For memory it folds so many leases with their ends as their
leader's log would have them; what it grew by is divided by their number. The reference is what the
fold kept before: the lease, in a map by its id, and an entry of when it leaves. For the boot a
snapshot of that ledger lies in the bucket of a nats-server, and the log behind it in its stream:
both are read over the network, and the reference reads that log from its first envelope.
"""

import gc
import hashlib
import multiprocessing
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import nats
import uvloop

from contracts import subjects
from contracts.base import LeaseId, QuotaDay, RequestId, ServiceType, SessionId, WriterId
from contracts.envelope import Envelope, Link, decode_envelope
from contracts.pool import (
    LeaseCancelled,
    LeaseGranted,
    Outcome,
    Policy,
    PolicyChanged,
    SessionAdded,
    UsageRecorded,
    Verdict,
)
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from runtime.nats import natsserver, streams
from runtime.process import lifecycle, logs
from services.pool.domain import HASH_VERSION, Pool, fold_envelope, state_hash
from services.pool.domain.ended import KEPT
from services.pool.domain.records import Lease
from services.pool.snapshots.booting import Booted, boot_pool
from services.pool.snapshots.bucket import SnapshotBucket, SnapshotManifest
from services.pool.snapshots.form import encode_pool
from services.pool.snapshots.formats import FORMAT

LEASES = 1_000_000
SESSIONS = 500
IN_AN_ENVELOPE = 50
PAGE_BYTES = 4096
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IMAGE, DAY, WRITER = ServiceType("image"), QuotaDay("2026-03-01"), WriterId("pool-1")
_decoder = msgspec.json.Decoder(Envelope)


def envelopes(leases: int, every: timedelta = timedelta(milliseconds=1)) -> Iterator[Envelope]:
    """Make a log of so many leases, each granted and ended; one in ten is cancelled."""
    limits = Policy(daily_limits={IMAGE: 10**9}, session_concurrency=0)
    first: list[Any] = [PolicyChanged(policy=limits, source="", by="")]
    first += [SessionAdded(session_id=SessionId(f"session-{n}")) for n in range(SESSIONS)]
    yield envelope_of(1, NOON, first)
    for start in range(0, leases, IN_AN_ENVELOPE):
        at = NOON + start * every
        numbers = range(start, min(start + IN_AN_ENVELOPE, leases))
        yield envelope_of(0, at, [event for n in numbers for event in lease_events(n, at)])


def envelope_of(number: int, at: datetime, events: list[Any]) -> Envelope:
    """Make an envelope as it is read: nothing of one event is shared with another."""
    made = Envelope(writer=WRITER, epoch=1, number=number, time=at, previous_hash="", events=events)
    return _decoder.decode(msgspec.json.encode(made))


def request_id(number: int, at: datetime) -> RequestId:
    """Make a UUIDv7 of that moment."""
    stamp = f"{int(at.timestamp() * 1000):012x}"
    tail = f"{(number * 0x9E3779B97F4A7C15) % 2**62:016x}"
    return RequestId(
        f"{stamp[:8]}-{stamp[8:]}-7{tail[:3]}-8{tail[3:6]}-{tail[6:]}{number % 256:02x}"
    )


def lease_events(number: int, at: datetime) -> list[Any]:
    """A lease is granted, and ends."""
    request = request_id(number, at)
    lease_id, session_id = LeaseId(f"{request}.1"), SessionId(f"session-{number % SESSIONS}")
    granted = LeaseGranted(
        lease_id=lease_id,
        request_id=request,
        number=1,
        session_id=session_id,
        service_type=IMAGE,
        quota_day=DAY,
        units=1,
        send_by=at + timedelta(seconds=30),
        expires_at=at + timedelta(minutes=15),
    )
    if number % 10 == 0:
        cancelled = LeaseCancelled(
            lease_id=lease_id, request_id=request, number=1, reason="gone", session_id=session_id
        )
        return [granted, cancelled]
    used = UsageRecorded(
        lease_id=lease_id,
        request_id=request,
        session_id=session_id,
        service_type=IMAGE,
        outcome=Outcome.SETTLED,
        verdict=Verdict.SUCCESS,
        units=1,
    )
    return [granted, used]


def fold(leases: int) -> Pool:
    """Fold such a log."""
    pool = Pool()
    for sequence, made in enumerate(envelopes(leases), 1):
        fold_envelope(pool, sequence, made)
    return pool


class Leaving(msgspec.Struct, frozen=True):
    """An entry of a map, and when it leaves."""

    due_at: datetime
    mapping: dict[Any, Any]
    key: LeaseId


def keep_whole(leases: int) -> object:
    """Keep of such a log what the fold kept before."""
    pool = Pool()
    kept: dict[LeaseId, Lease] = {}
    leaving: deque[Leaving] = deque()
    for sequence, made in enumerate(envelopes(leases), 1):
        granted = [event for event in made.events if isinstance(event, LeaseGranted)]
        for event in granted:
            session = pool.sessions[event.session_id]
            tally = pool.open_tally(session.account, event.quota_day, event.service_type)
            kept[event.lease_id] = Lease(
                event.lease_id,
                event.request_id,
                session,
                event.service_type,
                event.quota_day,
                event.units,
                tally,
                made.time,
                event.send_by,
                event.expires_at,
                state=Outcome.SETTLED,
            )
            leaving.append(Leaving(made.time + KEPT, kept, event.lease_id))
        if not granted:
            fold_envelope(pool, sequence, made)
        pool.commit()
    return pool, kept, leaving


def measured(way: Callable[[int], object], leases: int) -> float:
    """Measure one way in a process of its own: bytes a lease."""
    figure: float = _in_process(_bytes_a_lease, way, leases)
    return figure


def _in_process(task: Callable[..., Any], *arguments: Any) -> Any:
    """Call `task` in a process that nothing else has lived in."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_result, args=(sender, task, *arguments))
    process.start()
    result = receiver.recv()
    process.join()
    return result


def _send_result(sender: Any, task: Callable[..., Any], *arguments: Any) -> None:
    sender.send(task(*arguments))


def _bytes_a_lease(way: Callable[[int], object], leases: int) -> float:
    way(1000)
    gc.collect()
    before = resident_bytes()
    kept = way(leases)
    gc.collect()
    figure = (resident_bytes() - before) / leases
    del kept
    return figure


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def boot_beside_log(leases: int) -> None:
    """Write a log of so many leases and a snapshot of it, and begin with each."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TIDEGATE_BENCH_DIR")) as place:
        port = natsserver.free_port()
        config = Path(place) / "nats.conf"
        config.write_text(natsserver.configuration_text(Path(place) / "nats", port, None))
        server = natsserver.start_server(config, Path(place) / "nats.log", port)
        try:
            uvloop.run(_write_log(f"nats://127.0.0.1:{port}", leases))
            figures = {
                name: _in_process(_boot, f"nats://127.0.0.1:{port}", snapshot)
                for name, snapshot in (("snapshot", True), ("zero", False))
            }
        finally:
            server.terminate()
            server.wait(10)
    for name, (seconds, cpu) in figures.items():
        print(f"boot from {name:<17} {seconds:10.2f} s   ({cpu:.2f} s of CPU, {leases:,} leases)")
    print(f"ratio                       {figures['zero'][0] / figures['snapshot'][0]:10.1f} times")


async def _write_log(url: str, leases: int) -> None:
    client = await nats.connect(url)
    await streams.migrate_streams(client, 8_000_000_000)
    log = EventLog(client)
    writer = SubjectWriter(log, subjects.evt_pool(), WRITER)
    writer.epoch = 1
    pool = Pool()
    for made in envelopes(leases):
        events = [msgspec.Raw(msgspec.json.encode(event)) for event in made.events]
        sequence = await writer.append_events(events, made.time)
        fold_envelope(pool, sequence, made)
    content = encode_pool(pool)
    manifest = SnapshotManifest(
        format=FORMAT,
        hash_version=HASH_VERSION,
        state_hash=state_hash(pool),
        link=writer.link,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        chunks=0,
        made_at=NOON,
    )
    await SnapshotBucket(client).write(content, manifest)
    print(f"a snapshot of them          {len(content) / 1e6:10.1f} MB")
    await client.close()


def _boot(url: str, snapshot: bool) -> tuple[float, float]:  # noqa: FBT001 (called by position)
    """Begin as a pool process does; seconds, and seconds of CPU."""
    lifecycle.collect_rarely()
    return uvloop.run(_boot_over(url, snapshot=snapshot))


async def _boot_over(url: str, *, snapshot: bool) -> tuple[float, float]:
    client = await nats.connect(url)
    log, subject = EventLog(client), subjects.evt_pool()
    began, cpu = time.monotonic(), time.process_time()
    booted = Booted(Pool(), Link())
    if snapshot:
        logger = logs.configure_logs("benchmark")
        booted = await boot_pool(log, SnapshotBucket(client), subject, logger)
    last = await log.last_stored(subject)
    assert last is not None
    async for batch in log.read_range(subject, booted.link.sequence, last.sequence):
        for stored in batch:
            fold_envelope(booted.pool, stored.sequence, decode_envelope(stored.body))
    figures = time.monotonic() - began, time.process_time() - cpu
    assert len(booted.pool.ended)
    await client.close()
    return figures


def main() -> None:
    """Measure memory and boot; `TIDEGATE_BENCH_LEASES` is the number of leases of the boot."""
    ours, whole = measured(fold, LEASES), measured(keep_whole, LEASES)
    print(f"an ended lease in the fold  {ours:10.0f} bytes   ({LEASES:,} of them)")
    print(f"kept whole until it leaves  {whole:10.0f} bytes")
    print(f"ratio                       {whole / ours:10.1f} times")
    boot_beside_log(int(os.environ.get("TIDEGATE_BENCH_LEASES", str(LEASES))))


if __name__ == "__main__":
    main()

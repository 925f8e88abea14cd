"""Log to DuckDB, end to end: envelopes in a real stream → rows, rollups, checkpoint.

Beside it, in the same run and on the same file system, what one would write first: one
`executemany` of single rows, here the lease rows alone, committed in batches of 1,000.
"""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb
import nats
import structlog
from nats.aio.client import Client

from contracts.pool import LeaseGranted, SessionRequested, UsageRecorded
from runtime.eventlog import EventLog
from runtime.nats import natsserver, streams
from services.analytics.folding import spare_the_collector
from services.analytics.metrics import Metrics
from services.analytics.projector import Projector
from services.analytics.store import Database, LedgerWriter
from tests.unit.analytics.builders import Story, granted, policy, requested, session, used

ENVELOPES = 2_000
LEASES = 32
SESSIONS = 500
REFERENCE_ROWS = 3_000
_AT_ONCE = 200


def main() -> None:
    """Run both and print the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        events, seconds, cpu_s = asyncio.run(_projected(Path(folder)))
        rate = events / seconds
        print(f"log → DuckDB          {rate:10,.0f} events/s ({events:,} in {seconds:.1f} s)")
        print(f"CPU of all its threads{cpu_s / events * 1e6:10.1f} us/event")
        reference = _executemany(Path(folder))
        print(f"executemany, one table{reference:10,.0f} rows/s   ({REFERENCE_ROWS:,} rows)")
        print(f"ratio                 {rate / reference:10.0f}")


async def _projected(folder: Path) -> tuple[int, float, float]:
    """Fill a stream, then project it from its beginning; return events, seconds, CPU seconds."""
    port = natsserver.free_port()
    config = folder / "nats.conf"
    config.write_text(natsserver.configuration_text(folder / "nats", port, None))
    process = natsserver.start_server(config, folder / "nats.log", port)
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    try:
        await streams.migrate_streams(client, 2_000_000_000)
        story = Story().tell(policy(), *[session(f"session-{n:032d}") for n in range(SESSIONS)])
        for events in _traffic():
            story.tell(*events)
        await _publish(client, story)
        return await _project(client, folder, len(story.stored))
    finally:
        await client.close()
        process.terminate()
        process.wait(10)


def _traffic() -> Iterator[list[SessionRequested | LeaseGranted | UsageRecorded]]:
    """One envelope after another, as a pool under load writes them."""
    number = 0
    before: list[tuple[str, str]] = []
    for _ in range(ENVELOPES):
        events: list[SessionRequested | LeaseGranted | UsageRecorded] = [
            used(request, session_id=name) for request, name in before
        ]
        before = []
        for _ in range(LEASES):
            number += 1
            request, name = str(uuid.uuid4()), f"session-{number % SESSIONS:032d}"
            events += [requested(request), granted(request, session_id=name)]
            before.append((request, name))
        yield events


async def _publish(client: Client, story: Story) -> None:
    for start in range(0, len(story.stored), _AT_ONCE):
        some = story.stored[start : start + _AT_ONCE]
        for stored in some[:-1]:
            await client.publish(stored.subject, stored.body)
        await client.request(some[-1].subject, some[-1].body, timeout=30)


async def _project(client: Client, folder: Path, upto: int) -> tuple[int, float, float]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    database = Database(folder / "analytics.duckdb", 1_000_000_000)
    ledger = LedgerWriter(database)
    projector = Projector(EventLog(client), ledger, Metrics(), structlog.get_logger())
    spare_the_collector()
    started, cpu_before = time.perf_counter(), time.process_time()
    task = asyncio.create_task(projector.run())
    while projector.checkpoint < upto:  # noqa: ASYNC110 (it has no event)
        await asyncio.sleep(0.01)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu_before
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await projector.close()
    progress = ledger.read_progress()
    assert progress is not None
    database.close()
    return progress.events, seconds, cpu_s


def _executemany(folder: Path) -> float:
    """Insert lease rows one by one; return rows per second."""
    with duckdb.connect(folder / "analytics.duckdb") as connection:
        rows = connection.execute(f"from ledger.leases limit {REFERENCE_ROWS}").fetchall()
        connection.execute("create table reference as from ledger.leases limit 0")
        marks = ", ".join("?" * len(rows[0]))
        started = time.perf_counter()
        for start in range(0, len(rows), 1_000):
            connection.execute("begin")
            connection.executemany(
                f"insert into reference values ({marks})", rows[start : start + 1_000]
            )
            connection.execute("commit")
        return len(rows) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()

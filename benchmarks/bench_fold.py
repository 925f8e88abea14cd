"""What an ended lease costs the pool's memory, beside keeping each whole until it leaves.

Each way has a process of its own, that folds so many leases with their ends as their leader's log
would have them; what its memory grew by is divided by their number. The reference is what the fold
kept before: the lease, in a map by its id, and an entry of when it leaves.
"""

import gc
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from contracts.base import LeaseId, QuotaDay, RequestId, ServiceType, SessionId, WriterId
from contracts.envelope import Envelope
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
from services.pool.domain import Pool, fold_envelope
from services.pool.domain.ended import KEPT
from services.pool.domain.records import Lease

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
            account = pool.open_account(session, event.quota_day, event.service_type)
            kept[event.lease_id] = Lease(
                event.lease_id,
                event.request_id,
                session,
                event.service_type,
                event.quota_day,
                event.units,
                account,
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
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(way, leases, sender))
    process.start()
    figure: float = receiver.recv()
    process.join()
    return figure


def _measure(way: Callable[[int], object], leases: int, sender: Any) -> None:
    way(1000)
    gc.collect()
    before = resident_bytes()
    kept = way(leases)
    gc.collect()
    sender.send((resident_bytes() - before) / leases)
    del kept


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def main() -> None:
    """Measure both."""
    ours, whole = measured(fold, LEASES), measured(keep_whole, LEASES)
    print(f"an ended lease in the fold  {ours:10.0f} bytes   ({LEASES:,} of them)")
    print(f"kept whole until it leaves  {whole:10.0f} bytes")
    print(f"ratio                       {whole / ours:10.1f} times")


if __name__ == "__main__":
    main()

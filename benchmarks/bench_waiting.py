"""What a lease costs the rules while others wait for it, and what sessions cost the pool's memory.

As many leases are granted and ended in turn, once with nobody waiting (a command, its end) and once
with so many waiting (an end, the grant that follows it, and one more who begins to wait), in
interleaved rounds in one process: the rules alone, without the log, whose part `bench_pool` has.
Then sessions are folded in a process of their own, each with a count of today, and the index is
built as a leader has it; what the process grew by is divided by their number.
"""

import gc
import multiprocessing
import resource
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from contracts.base import AccountId, GatewayId, KeyId, RequestId, ServiceType, SessionId, WriterId
from contracts.envelope import Envelope
from contracts.pool import (
    Granted,
    LeaseWanted,
    Outcome,
    Policy,
    PolicyChanged,
    SessionAdded,
    SessionJoined,
    SessionRequested,
    UsageRecorded,
    Verdict,
)
from services.pool.domain import Pool, decide_end, decide_lease, fold_envelope, serve_waiting

IMAGE = ServiceType("image")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SESSIONS, AT_ONCE = 500, 2
LEASES, ROUNDS = 20_000, 3
WAITING = (1000, 10_000)
KEYS = 10
MANY_SESSIONS = 100_000
MEMORY_MAX = 8 * 1024**3
WAIT_MS = 3_600_000
_PAGE_BYTES = 4096


def pool_of(sessions: int, at_once: int, in_an_account: int = 0) -> Pool:
    """Fold so many sessions, which may do a number of calls at once; some of them an account.

    0 in an account: none has a name.
    """
    pool = Pool()
    policy = Policy(
        daily_limits={IMAGE: 10**9},
        session_concurrency=at_once,
        queue_max=10**6,
        queue_max_per_key=10**6,
    )
    events: list[Any] = [PolicyChanged(policy=policy, source="", by="")]
    events += [SessionAdded(session_id=SessionId(f"session-{n}")) for n in range(sessions)]
    if in_an_account:
        events += [
            SessionJoined(
                session_id=SessionId(f"session-{n}"),
                account=AccountId(f"account-{n // in_an_account}"),
            )
            for n in range(sessions)
        ]
    envelope = Envelope(
        writer=WriterId("one"), epoch=1, number=1, time=NOON, previous_hash="", events=events
    )
    fold_envelope(pool, 1, envelope)
    return pool


class Crowd:
    """Callers of one pool: each lease that is granted ends in its turn."""

    def __init__(self, pool: Pool, waiting: int = 0) -> None:
        """Take every place that there is, and have so many wait for one."""
        self.pool = pool
        self.now = NOON
        self._number = 0
        self._open = [self._ask_one() for _ in range(pool.places * AT_ONCE)]
        for _ in range(waiting):
            self._ask_one()
        assert len(self.pool.line) == waiting

    def _ask_one(self) -> Any:
        self._number += 1
        requested = SessionRequested(
            request_id=RequestId(f"request-{self._number:012}"),
            number=1,
            service_type=IMAGE,
            asked_at=self.now,
            gateway_id=GatewayId("gateway"),
            key_id=KeyId(f"key-{self._number % KEYS}"),
            wait_ms=WAIT_MS,
        )
        return decide_lease(self.pool, LeaseWanted(requested=requested), self.now).answer

    def _end_one(self, granted: Granted) -> None:
        usage = UsageRecorded(
            lease_id=granted.lease_id,
            request_id=RequestId(granted.lease_id.partition(".")[0]),
            session_id=granted.session_id,
            service_type=IMAGE,
            outcome=Outcome.SETTLED,
            verdict=Verdict.SUCCESS,
            units=1,
        )
        decide_end(self.pool, usage, self.now)

    def run_leases(self, count: int) -> float:
        """End so many leases, each followed by another; microseconds of CPU for one and its end."""
        pool, waits = self.pool, bool(self.pool.line)
        began = time.process_time()
        for number in range(count):
            # Those who wait are heard of, and the clock of the log goes on.
            self.now += timedelta(microseconds=50)
            place = number % len(self._open)
            self._end_one(self._open[place])
            if waits:
                (served,) = serve_waiting(pool, self.now)
                self._open[place] = served.granted
                self._ask_one()
            else:
                self._open[place] = self._ask_one()
            pool.commit()
        return (time.process_time() - began) / count * 1e6


def compare_rounds() -> None:
    """Measure the ways in turns."""
    crowds = {waiting: Crowd(pool_of(SESSIONS, AT_ONCE), waiting) for waiting in (0, *WAITING)}
    figures: dict[int, list[float]] = {waiting: [] for waiting in crowds}
    for _ in range(ROUNDS):
        for waiting, crowd in crowds.items():
            figures[waiting].append(crowd.run_leases(LEASES))
    alone = statistics.median(figures[0])
    for waiting, micros in figures.items():
        each = statistics.median(micros)
        print(
            f"{waiting:>6,} waiting  {each:10.1f} us a lease and its end"
            f"   ({1e6 / each:,.0f} a second of CPU, {each / alone:.2f} times)"
        )


def _bytes_a_session(sender: Any, sessions: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    small = pool_of(1000, AT_ONCE)
    small.index_at(NOON)
    gc.collect()
    before = _resident_bytes()
    pool = pool_of(sessions, AT_ONCE)
    for session in pool.sessions.values():
        pool.open_tally(session.account, pool.index_at(NOON).zone_of(session).day, IMAGE)
    pool.commit()
    gc.collect()
    sender.send(_resident_bytes() - before)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def main() -> None:
    """Measure what waits cost, and what sessions do."""
    compare_rounds()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_bytes_a_session, args=(sender, MANY_SESSIONS))
    process.start()
    grown = receiver.recv()
    process.join()
    print(
        f"{MANY_SESSIONS:,} sessions  {grown / 1e6:10.0f} MB"
        f"   ({grown / MANY_SESSIONS:,.0f} bytes each)"
    )


if __name__ == "__main__":
    main()

"""The pool's log folded again, and what it came to."""

import time
from collections import Counter
from itertools import chain
from typing import Any

from contracts.subjects import evt_pool
from runtime.environment import Environment
from runtime.eventlog import EventLog
from services.pool.domain import HASH_VERSION, Pool, fold_envelope, state_hash
from services.pool.domain.ended import Mark
from tidegate.console import logreading


class Replayed:
    """A fold, and how long it took."""

    def __init__(self) -> None:
        """Nothing is folded yet."""
        self.pool = Pool()
        self.envelopes = 0
        self.events = 0
        self.strays = 0
        """Messages of the subject that nobody folds (ADR 10)."""
        self.fold_s = 0.0
        """Time in decoding and folding alone."""


async def refold_log(environment: Environment, upto: int) -> Replayed:
    """Fold the shard's subject to `upto`, or to the log's end for 0; other subjects pass by.

    Raises `LogUnavailableError`.
    """
    replayed = Replayed()
    reader = logreading.EnvelopeReader()
    async with logreading.auditor_client(environment) as client:
        log = EventLog(client)
        state = await log.stream_state()
        if not state.messages:
            return replayed
        end = min(upto, state.last_sequence) if upto else state.last_sequence
        async for stored in logreading.read_log(log, 0, end, "folding the log"):
            if stored.subject != evt_pool():
                continue
            started = time.perf_counter()
            envelope = reader.decode_next(stored)
            if envelope is None:
                replayed.strays += 1
                continue
            fold_envelope(replayed.pool, stored.sequence, envelope)
            replayed.fold_s += time.perf_counter() - started
            replayed.envelopes += 1
            replayed.events += len(envelope.events)
    return replayed


def _leases_by_state(pool: Pool) -> dict[str, int]:
    """Count the leases that are in the fold; of those whose end is certain it has but this."""
    whole = Counter(str(lease.state) for lease in pool.leases.values())
    ended = Counter(
        str(mark.outcome)
        for span in pool.ended.all_spans()
        for mark in span.marks.values()
        if mark is not Mark.FORBIDDEN
    )
    return dict(whole + ended)


def replay_summary(replayed: Replayed) -> dict[str, Any]:
    """Say what the log came to."""
    pool = replayed.pool
    used: Counter[tuple[str, str]] = Counter()
    reserved: Counter[tuple[str, str]] = Counter()
    own = (session.account for session in pool.sessions.values() if not session.account.name)
    for account in chain(own, pool.accounts.values()):
        for day, tallies in account.days.items():
            for service_type, tally in tallies.items():
                used[day, service_type] += tally.used
                reserved[day, service_type] += tally.reserved
    return {
        "sequence": pool.sequence,
        "epoch": pool.epoch,
        "leader": pool.leader,
        "envelopes": replayed.envelopes,
        "events": replayed.events,
        "strays": replayed.strays,
        "sessions": {status: count for status, count in pool.standing.items() if count},
        "leases": _leases_by_state(pool),
        "units": [
            {
                "quota_day": day,
                "service_type": service_type,
                "used": used[day, service_type],
                "reserved": reserved[day, service_type],
            }
            for day, service_type in sorted(used)
        ],
        "violations": len(pool.violations),
        "state_hash": state_hash(pool),
        "hash_version": HASH_VERSION,
        "events_per_s": round(replayed.events / replayed.fold_s) if replayed.fold_s else 0,
    }

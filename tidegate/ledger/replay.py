"""`tidegate replay`: the pool's log folded again, and the state it comes to."""

import asyncio
import time
from collections import Counter
from typing import Any

import typer

from contracts.subjects import evt_pool
from runtime.environment import Environment, environment
from runtime.eventlog import EventLog, LogUnavailableError
from services.pool.domain import HASH_VERSION, Pool, fold, state_hash
from tidegate.console import logreading, output
from tidegate.console.errors import CommandError


class Replayed:
    """A fold, and how long it took."""

    def __init__(self) -> None:
        """Nothing is folded yet."""
        self.pool = Pool()
        self.envelopes = 0
        self.events = 0
        self.fold_s = 0.0
        """Time in decoding and folding alone."""


def replay(
    *,
    upto: int = typer.Option(0, min=0, help="Stop at this sequence of the log; 0: its end."),
    as_json: bool = output.JSON,
) -> None:
    """Fold the log again and show sessions, leases, use per day, and the hash of the state.

    Example: tidegate replay --upto 184467
    """
    replayed = Replayed()
    try:
        asyncio.run(_fold(environment(), replayed, upto))
    except LogUnavailableError as error:
        raise CommandError(f"the event log cannot be read: {error}") from None
    found = summary(replayed)
    if as_json:
        output.as_json(found)
    else:
        _show(found)


async def _fold(found: Environment, replayed: Replayed, upto: int) -> None:
    """Fold the shard's subject; the bytes of other subjects, and what is no envelope, pass by."""
    async with logreading.auditor(found) as client:
        log = EventLog(client)
        state = await log.state()
        if not state.messages:
            return
        end = min(upto, state.last_sequence) if upto else state.last_sequence
        async for stored in logreading.read(log, 0, end, "folding the log"):
            if stored.subject != evt_pool():
                continue
            started = time.perf_counter()
            envelope = logreading.opened(stored)
            if envelope is None:
                raise CommandError(f"sequence {stored.sequence}: no envelope; see `tidegate audit`")
            fold(replayed.pool, stored.sequence, envelope)
            replayed.fold_s += time.perf_counter() - started
            replayed.envelopes += 1
            replayed.events += len(envelope.events)


def summary(replayed: Replayed) -> dict[str, Any]:
    """Say what the log came to."""
    pool = replayed.pool
    used: Counter[tuple[str, str]] = Counter()
    reserved: Counter[tuple[str, str]] = Counter()
    for session in pool.sessions.values():
        for day, accounts in session.days.items():
            for service_type, account in accounts.items():
                used[day, service_type] += account.used
                reserved[day, service_type] += account.reserved
    return {
        "sequence": pool.sequence,
        "epoch": pool.epoch,
        "leader": pool.leader,
        "envelopes": replayed.envelopes,
        "events": replayed.events,
        "sessions": {status: count for status, count in pool.standing.items() if count},
        "leases": dict(Counter(str(lease.state) for lease in pool.leases.values())),
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


def _show(found: dict[str, Any]) -> None:
    columns = ("quota_day", "service_type", "used", "reserved")
    output.table(columns, [[row[name] for name in columns] for row in found["units"]], "no units")
    print()
    output.pairs((name, value) for name, value in found.items() if name != "units")

"""`tidegate audit`: the log replayed, every violation named, DuckDB compared with the fold."""

import asyncio
from typing import Any

import typer
from nats.aio.client import Client

from runtime.environment import Environment, environment
from runtime.eventlog import EventLog, LogUnavailableError
from tidegate.console import logreading, output
from tidegate.console.errors import CommandError
from tidegate.ledger.projections import UncomparedError, compare
from tidegate.ledger.trial import Trial, units

_AGREES, _DIFFERS, _SKIPPED = "agrees", "differs", "not compared"


def audit(
    *,
    log_only: bool = typer.Option(False, "--log-only", help="Do not compare DuckDB."),
    wait: float = typer.Option(30.0, min=0, help="Seconds DuckDB may take to catch up."),
    as_json: bool = output.JSON,
) -> None:
    """Replay the log, check every rule, compare DuckDB; exit 1 when anything is wrong.

    Example: tidegate audit --json
    """
    trial = Trial()
    try:
        verdict = asyncio.run(_held(environment(), trial, wait_s=None if log_only else wait))
    except LogUnavailableError as error:
        raise CommandError(f"the event log cannot be read: {error}") from None
    report = _report(trial, verdict)
    if as_json:
        output.as_json(report)
    else:
        _show(trial, verdict)
    if trial.findings or verdict not in {_AGREES, _SKIPPED}:
        raise typer.Exit(1)


async def _held(found: Environment, trial: Trial, wait_s: float | None) -> str:
    """Hear the whole log, then DuckDB; what became of the comparison."""
    async with logreading.auditor(found) as client:
        log = EventLog(client)
        trial.began(await log.state())
        await _hear(log, trial)
        verdict = _SKIPPED if wait_s is None else await _compared(client, log, trial, wait_s)
    trial.finish()
    return verdict


async def _hear(log: EventLog, trial: Trial, upto: int | None = None) -> int:
    """Hear on to the log's end, or to `upto` when that comes first; the end."""
    state = await log.state()
    end = state.last_sequence if upto is None else min(upto, state.last_sequence)
    if state.messages:
        async for stored in logreading.read(log, trial.sequence, end, "reading the log"):
            trial.hear(stored)
    return state.last_sequence


async def _compared(client: Client, log: EventLog, trial: Trial, wait_s: float) -> str:
    async def hear_to(sequence: int) -> int:
        return await _hear(log, trial, sequence)

    try:
        return _AGREES if await compare(client, trial, hear_to, wait_s) else _DIFFERS
    except UncomparedError as error:
        return str(error)


def _report(trial: Trial, verdict: str) -> dict[str, Any]:
    return {
        "sequence": trial.sequence,
        "envelopes": trial.envelopes,
        "events": trial.events,
        "unknown_events": trial.unknown_events,
        "leases": trial.leases,
        "checkpoints": sum(pool.checkpoints for pool in trial.pools.values()),
        "violations": trial.findings,
        "duckdb": verdict,
        "totals": [
            {"quota_day": day, "session_id": session, "service_type": service, **units(totals)}
            for (day, session, service), totals in trial.totals()
        ],
    }


def _show(trial: Trial, verdict: str) -> None:
    used: dict[tuple[str, str], int] = {}
    for (day, _, service_type), totals in trial.totals():
        used[day, service_type] = used.get((day, service_type), 0) + totals.used
    rows = [(day, service_type, count) for (day, service_type), count in used.items()]
    output.table(("quota_day", "service_type", "units used"), rows, "no units were used")
    print(
        f"\n{trial.events} events in {trial.envelopes} envelopes, {trial.leases} leases, up to"
        f" sequence {trial.sequence}"
    )
    if trial.unknown_events:
        print(f"{trial.unknown_events} events of a later version were skipped")
    print(f"DuckDB: {verdict}")
    for finding in trial.findings:
        about = f" {finding.about}" if finding.about else ""
        print(f"{finding.kind} at {finding.event} ({finding.subject}){about}: {finding.message}")
    print(f"{len(trial.findings)} violations" if trial.findings else "no violation")

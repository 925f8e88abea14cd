"""The hearing of a trial: the log to its end, then what DuckDB counted of it."""

from nats.aio.client import Client

from runtime.environment import Environment
from runtime.eventlog import EventLog
from tidegate.console import logreading
from tidegate.ledger.projections import UncomparedError, compare_analytics
from tidegate.ledger.trial import Trial

AGREES, DIFFERS, SKIPPED = "agrees", "differs", "not compared"
"""What became of the comparison; anything else is why there was none."""


async def hear_all(environment: Environment, trial: Trial, wait_s: float | None) -> str:
    """Hear the whole log, then DuckDB; what became of the comparison.

    `wait_s` is how long DuckDB may take to catch up; for None it is not asked. Raises
    `LogUnavailableError`.
    """
    async with logreading.auditor_client(environment) as client:
        log = EventLog(client)
        trial.note_start(await log.stream_state())
        await _hear_on(log, trial)
        verdict = SKIPPED if wait_s is None else await _compare_duckdb(client, log, trial, wait_s)
    trial.finish()
    return verdict


async def _hear_on(log: EventLog, trial: Trial, upto: int | None = None) -> int:
    """Hear on to the log's end, or to `upto` when that comes first; the end."""
    state = await log.stream_state()
    end = state.last_sequence if upto is None else min(upto, state.last_sequence)
    if state.messages:
        async for stored in logreading.read_log(log, trial.sequence, end, "reading the log"):
            trial.hear_envelope(stored)
    return state.last_sequence


async def _compare_duckdb(client: Client, log: EventLog, trial: Trial, wait_s: float) -> str:
    async def hear_to(sequence: int) -> int:
        return await _hear_on(log, trial, sequence)

    before = len(trial.findings)
    try:
        await compare_analytics(client, trial, hear_to, wait_s)
    except UncomparedError as error:
        return str(error)
    return AGREES if len(trial.findings) == before else DIFFERS

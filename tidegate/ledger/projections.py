"""What DuckDB counted, against what the log folds to: asked of analytics, or of a file."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from nats.aio.client import Client

from contracts import subjects
from contracts.analytics import AnalyticsReply, NamedQuery, Rows
from contracts.base import Failed
from runtime.nats.connection import UnansweredError, ask_command
from services.pool.audit import Totals
from tidegate.ledger.trial import AccountName, Trial

_ASK_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 0.1
_PAGE = 5000
_COMPARED = ("used", "reserved", "settled", "unknown", "expired")
_decoder = msgspec.json.Decoder(AnalyticsReply)
Ask = Callable[..., Awaitable[Rows]]
"""Answers the query of a name with these parameters."""


class UncomparedError(Exception):
    """DuckDB could not be asked, or never stood still behind the log; the message says which."""


class StoredTotals(msgspec.Struct, frozen=True):
    """Every row of `audit_totals`, page by page."""

    sequence: int | None
    """The log sequence of which all its pages are; None when they are of several."""
    units: dict[AccountName, dict[str, int]]


class RebuildingError(UncomparedError):
    """DuckDB is being made anew; the message says how far it is."""


async def compare_analytics(
    client: Client, trial: Trial, hear_to: Callable[[int], Awaitable[int]], patience_s: float
) -> None:
    """Add a finding for every difference between the log and DuckDB.

    DuckDB goes on while the log does: `hear_to` takes the log further, to where DuckDB stands,
    and returns the log's end. Raises `UncomparedError` after `patience_s` of trying.
    """
    asked = partial(_ask_query, client)
    deadline = asyncio.get_running_loop().time() + patience_s
    while True:
        try:
            totals = await read_totals(asked)
        except RebuildingError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_LOOK_EVERY_S)
            continue
        sequence = totals.sequence
        if sequence is not None and sequence >= trial.pool_sequence:
            last = await hear_to(sequence)
            if sequence > last:
                message = f"DuckDB has seen sequence {sequence}, the log ends at {last}"
                trial.add_finding("log_cut_off", str(last), "evt.>", message)
                return
            if trial.pool_sequence <= sequence:
                break
        if asyncio.get_running_loop().time() > deadline:
            stands = -1 if sequence is None else sequence
            raise UncomparedError(
                f"after {patience_s:g} s the projections stand at sequence {stands}, the log at"
                f" {trial.pool_sequence}"
            )
        await asyncio.sleep(_LOOK_EVERY_S)
    await check_totals(asked, trial, totals)


async def check_totals(asked: Ask, trial: Trial, totals: StoredTotals) -> None:
    """Hold totals of the sequence that the trial has reached against it, and rollups against rows.

    Adds a finding for every difference.
    """
    _add_differences(trial, totals.units)
    await _check_rollups(asked, trial)
    for row in _as_records(await asked("audit_set_aside")):
        trial.set_aside.append((str(row["event_id"]), str(row["reason"])))
        trial.set_aside_count = int(row["of_so_many"])


def _add_differences(trial: Trial, rows: dict[AccountName, dict[str, int]]) -> None:
    folded = {key: _expected_units(totals) for key, totals in trial.unit_totals()}
    nothing = dict.fromkeys(_COMPARED, 0)
    for key in sorted(folded.keys() | rows.keys()):
        expected, actual = folded.get(key, nothing), rows.get(key, nothing)
        differing = [name for name in _COMPARED if expected[name] != actual[name]]
        if differing:
            day, session_id, service_type = key
            differences = ", ".join(
                f"{actual[name]} {name} instead of {expected[name]}" for name in differing
            )
            message = f"{service_type} on {day}: DuckDB has {differences}"
            event = str(trial.pool_sequence)
            trial.add_finding("duckdb_differs", event, "evt.pool.*", message, session_id)


def _expected_units(totals: Totals) -> dict[str, int]:
    """The fold's units as `audit_totals` names them: there a reconciled unit is settled."""
    return {
        "used": totals.used,
        "reserved": totals.reserved,
        "settled": totals.settled + totals.reconciled,
        "unknown": totals.unknown,
        "expired": totals.expired,
    }


async def _check_rollups(asked: Ask, trial: Trial) -> None:
    """Have DuckDB compare its rollups with its own rows."""
    for row in _as_records(await asked("audit_rollups")):
        message = f"{row['service_type']} on {row['quota_day']}: the rollup is not its rows' sum"
        event, session_id = str(trial.pool_sequence), str(row["session_id"])
        trial.add_finding("duckdb_rollup_differs", event, "evt.pool.*", message, session_id)


async def read_totals(asked: Ask) -> StoredTotals:
    """Read every row of `audit_totals`.

    Raises what `asked` raises.
    """
    totals: dict[AccountName, dict[str, int]] = {}
    sequences = set[int]()
    after = ""
    while True:
        page = await asked("audit_totals", after=after, limit=_PAGE)
        sequences.add(page.sequence)
        rows = _as_records(page)
        for row in rows:
            key = (str(row["quota_day"]), str(row["session_id"]), str(row["service_type"]))
            totals[key] = {name: int(row[name]) for name in _COMPARED}
        if not rows or (len(rows) < _PAGE and not page.truncated):
            # DuckDB goes on between two pages: what is of several moments is no sum of any.
            return StoredTotals(sequences.pop() if len(sequences) == 1 else None, totals)
        after = str(rows[-1]["page_key"])


def _as_records(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]


async def _ask_query(client: Client, name: str, **parameters: Any) -> Rows:
    """Ask analytics a named query. Raises `UncomparedError` without rows."""
    try:
        question = NamedQuery(name=name, parameters=parameters)
        reply = await ask_command(
            client, subjects.ANALYTICS_QUERY, question, _decoder, _ASK_TIMEOUT_S
        )
    except UnansweredError as error:
        raise UncomparedError(
            f"analytics does not answer ({type(error).__name__});"
            " `--log-only` audits the log without it"
        ) from None
    if isinstance(reply, Failed):
        if reply.code == "rebuilding":
            raise RebuildingError(f"analytics: {reply.message}")
        raise UncomparedError(f"analytics: {name}: {reply.message}")
    rows: Rows = reply
    return rows

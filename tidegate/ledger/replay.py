"""`tidegate replay`: the pool's log folded again, and the state it comes to."""

import asyncio
from typing import Any

import typer

from runtime.environment import read_environment
from runtime.eventlog import LogUnavailableError
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.ledger.refold import refold_log, replay_summary


def replay(
    *,
    upto: int = typer.Option(0, min=0, help="Stop at this sequence of the log; 0: its end."),
    as_json: bool = output.JSON,
) -> None:
    """Fold the log again and show sessions, leases, use per day, and the hash of the state.

    Example: tidegate replay --upto 184467
    """
    try:
        replayed = asyncio.run(refold_log(read_environment(), upto))
    except LogUnavailableError as error:
        raise CommandError(f"the event log cannot be read: {error}") from None
    report = replay_summary(replayed)
    if as_json:
        output.print_json(report)
    else:
        _show_replay(report)


def _show_replay(report: dict[str, Any]) -> None:
    columns = ("quota_day", "service_type", "used", "reserved")
    output.print_records(columns, report["units"], "no units")
    output.print_text()
    output.print_pairs((name, value) for name, value in report.items() if name != "units")

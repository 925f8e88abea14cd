"""`tidegate audit`: the log replayed, every violation named, DuckDB compared with the fold."""

import asyncio
import time
from typing import Any

import typer

from runtime.environment import read_environment
from runtime.eventlog import LogUnavailableError
from runtime.texts import count_phrase
from tidegate.console import api, output
from tidegate.console.errors import CommandError
from tidegate.console.recording import record_operation, shortened_texts
from tidegate.ledger import hearing
from tidegate.ledger.trial import Trial, units_by_name


def audit(
    *,
    log_only: bool = typer.Option(False, "--log-only", help="Do not compare DuckDB."),
    wait: float = typer.Option(30.0, min=0, help="Seconds DuckDB may take to catch up."),
    record: bool = typer.Option(True, help="Have a gateway put the result into the log."),
    past: bool = typer.Option(False, "--past", help="Show past audits and backups instead."),
    as_json: bool = output.JSON,
) -> None:
    """Replay the log, check every rule, compare DuckDB; exit 1 when anything is wrong.

    What it came to is recorded in the log, where the dashboard shows it.

    Example: tidegate audit --json
    """
    if past:
        _show_past(as_json=as_json)
        return
    trial, began_s = Trial(), time.monotonic()
    try:
        verdict = asyncio.run(
            hearing.hear_all(read_environment(), trial, wait_s=None if log_only else wait)
        )
    except LogUnavailableError as error:
        raise CommandError(f"the event log cannot be read: {error}") from None
    report = _audit_report(trial, verdict)
    if as_json:
        output.print_json(report)
    else:
        _show_audit(trial, verdict)
    is_wrong = bool(trial.findings) or verdict not in {hearing.AGREES, hearing.SKIPPED}
    if record:
        took_s = round(time.monotonic() - began_s, 3)
        record_operation("/api/audit/runs", _run_record(trial, verdict, took_s, ok=not is_wrong))
    if is_wrong:
        raise typer.Exit(1)


def _run_record(trial: Trial, verdict: str, took_s: float, *, ok: bool) -> dict[str, Any]:
    """Write what the trial came to, as the log keeps it."""
    return {
        "ok": ok,
        "sequence": trial.sequence,
        "envelopes": trial.envelopes,
        "events": trial.events,
        "violations": len(trial.findings),
        "first": shortened_texts([_violation_line(finding) for finding in trial.findings]),
        "duckdb": verdict,
        "took_s": took_s,
    }


def _show_past(*, as_json: bool) -> None:
    """Print what was recorded of audits and backups."""
    answer = api.get("/api/audit")
    if as_json:
        output.print_json(answer)
        return
    columns = ("at", "ok", "sequence", "events", "violations", "took_s", "by")
    output.print_records(columns, answer["audits"], "no audit was recorded yet")
    columns = ("at", "ok", "sequence", "bytes", "name", "host", "by")
    output.print_text()
    output.print_records(columns, answer["backups"], "no backup was recorded yet")
    output.note_freshness(answer)


def _audit_report(trial: Trial, verdict: str) -> dict[str, Any]:
    """Write what the trial came to, as `--json` has it."""
    return {
        "sequence": trial.sequence,
        "envelopes": trial.envelopes,
        "events": trial.events,
        "unknown_events": trial.unknown_events,
        "leases": trial.leases,
        "checkpoints": sum(pool.checkpoints for pool in trial.pools.values()),
        "violations": trial.findings,
        "duckdb": verdict,
        "set_aside": trial.set_aside_count,
        "set_aside_first": [
            {"event": event, "reason": reason} for event, reason in trial.set_aside
        ],
        "totals": [
            {
                "quota_day": day,
                "session_id": session,
                "service_type": service,
                **units_by_name(totals),
            }
            for (day, session, service), totals in trial.unit_totals()
        ],
    }


def _show_audit(trial: Trial, verdict: str) -> None:
    """Print units by day and type, then every violation."""
    used: dict[tuple[str, str], int] = {}
    for (day, _, service_type), totals in trial.unit_totals():
        used[day, service_type] = used.get((day, service_type), 0) + totals.used
    rows = [(day, service_type, count) for (day, service_type), count in sorted(used.items())]
    output.print_table(("quota_day", "service_type", "units used"), rows, "no units were used")
    output.print_text(
        f"\n{count_phrase(trial.events, 'event')} in {count_phrase(trial.envelopes, 'envelope')},"
        f" {count_phrase(trial.leases, 'lease')}, up to sequence {trial.sequence}"
    )
    if trial.unknown_events:
        later = count_phrase(trial.unknown_events, "event was", "events were")
        output.print_text(f"{later} skipped, of a later version")
    output.print_text(f"DuckDB: {verdict}")
    if trial.set_aside:
        aside = count_phrase(trial.set_aside_count, "event has", "events have")
        output.print_text(f"{aside} no row in DuckDB, and no place in a figure:")
    for event, reason in trial.set_aside:
        output.print_line(f"  {event}: {reason}")
    for finding in trial.findings:
        output.print_line(_violation_line(finding))
    count = len(trial.findings)
    output.print_text(count_phrase(count, "violation") if count else "no violation")


def _violation_line(finding: Any) -> str:
    """Word a violation in one line."""
    about = f" {finding.about}" if finding.about else ""
    return f"{finding.kind} at {finding.event} ({finding.subject}){about}: {finding.message}"

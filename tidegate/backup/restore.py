"""`tidegate restore`: a backup put into a home and a NATS without a log, and held against it."""

from pathlib import Path
from typing import Any

import msgspec
import typer
from nats.errors import Error as NatsError

from runtime.environment import Environment, read_environment
from runtime.eventlog import LogUnavailableError
from runtime.nats.snapshots import SnapshotError, StreamExistsError
from runtime.nats.streams import MigrationError
from runtime.texts import address_shown, count_phrase
from services.analytics.store import StoreError
from tidegate.backup import bundle, duckdbfile
from tidegate.backup.bundle import Bundle
from tidegate.backup.restoring import check_beside, restore_into
from tidegate.backup.taking import owners_files
from tidegate.console import output
from tidegate.console.errors import CommandError

_FAILURES = (SnapshotError, MigrationError, LogUnavailableError, StoreError, NatsError, OSError)


def restore(
    path: Path = typer.Argument(help="What `tidegate backup` made: a folder or a tar."),
    *,
    check: bool = typer.Option(
        False, "--check", help="Restore into a throwaway home and NATS, and say what came of it."
    ),
    replace: bool = typer.Option(
        False, "--replace", help="Set aside the log, the keys and the DuckDB that are here."
    ),
    without_duckdb: bool = typer.Option(
        False, "--without-duckdb", help="Leave DuckDB out: analytics makes it anew from the log."
    ),
    homes: Path | None = typer.Option(
        None,
        help="The homes of their owners, as `migrate --homes` furnishes them: DuckDB goes into"
        " that of analytics.",
    ),
    as_json: bool = output.JSON,
) -> None:
    """Restore log, credentials, DuckDB, keys and configuration; prove they are what was taken.

    Example: TIDEGATE_HOME=.tidegate tidegate restore /var/backups/tidegate-monday.tar
    """
    here = read_environment()
    place = duckdbfile.analytics_home(here, homes)
    taken = Bundle(path.absolute(), without=[bundle.DUCKDB] * without_duckdb)
    with output.progress_bar("checking the backup", taken.size, in_bytes=True) as moved:
        taken.check_parts(moved)
    try:
        if check:
            report = check_beside(here, taken)
        else:
            report = restore_into(here, taken, place, replace=replace)
            report["expected"] = _expected_files(here, report)
    except StreamExistsError:
        raise CommandError(
            f"the NATS at {address_shown(here.nats_url or '')} has a log already, and nobody may"
            " overwrite one: give it an empty store"
        ) from None
    except _FAILURES as error:
        raise CommandError(f"not restored: {error or type(error).__name__}") from None
    if as_json:
        output.print_json(report)
    else:
        _show_restore(here, report, check=check)


def _expected_files(environment: Environment, report: dict[str, Any]) -> dict[str, str]:
    """Find where the configuration that was restored expects the files that no backup has."""
    if report["configuration"]:
        file = environment.home.path / bundle.CONFIGURATION
        environment = msgspec.structs.replace(environment, config=file, config_unclear=None)
    return {setting: str(path) for setting, path in owners_files(environment).items()}


def _show_credentials(report: dict[str, Any]) -> None:
    """Print whether the credentials open, and which sessions have none."""
    count = report["credentials"]
    opened = "not checked here" if count is None else f"{count}, and the key opens them"
    sessions = count_phrase(report["sessions"], "session")
    output.print_text(f"{sessions}; credentials: {opened}")
    for session_id in report["unsealed"]:
        output.print_text(
            f"{session_id} was removed while the backup was taken: it is in the log, and has no"
            " credential; remove it again, or add its credential"
        )


def _show_restore(environment: Environment, report: dict[str, Any], *, check: bool) -> None:
    """Print what came back, what did not, and what to do next."""
    age = f"{report['age_s'] // 3600} h {report['age_s'] // 60 % 60} min ago"
    taken = f"{report['taken_at']:%Y-%m-%d %H:%M:%S} UTC, {age}"
    what = "this backup restores to" if check else "restored"
    output.print_text(
        f"{what} {count_phrase(report['envelopes'], 'envelope')}, up to sequence"
        f" {report['sequence']}, taken {taken}; count, order, times and every byte are those that"
        " were taken"
    )
    _show_credentials(report)
    agrees = (
        ", and its totals are the log's"
        if check and report["duckdb"] != bundle.WITHOUT_DUCKDB
        else ""
    )
    output.print_text(f"DuckDB: {report['duckdb']}{agrees}")
    for reason in report["broken"]:
        output.print_text(f"the log had this before it was taken: {reason}")
    if report["bytes_max"]:
        output.print_text(
            f"the bound of the log is {report['bytes_max']:,} bytes now: the disk is smaller"
        )
    expected = report.get("expected", {})
    for name, where in report["elsewhere"].items():
        if name not in expected:
            output.print_text(f"not in the backup: {name} ({where})")
    for setting, path in expected.items():
        there = "is there" if Path(path).exists() else "is not there yet"
        output.print_text(
            f"not in the backup: the file of {setting}, expected at {path}: it {there}"
        )
    if report["variables"]:
        output.print_text("settings that were given by variable: " + ", ".join(report["variables"]))
    if check:
        return
    if report["set_aside"]:
        output.print_text(f"what was here before lies in {report['set_aside']}")
    if report["configuration"]:
        file = environment.home.path / bundle.CONFIGURATION
        output.print_text(
            f"configuration: {file}, found there unless this folder or TIDEGATE_CONFIG has one"
        )
    output.print_text(
        "\nUnits granted after the backup was taken are not in this log: they count as free, though"
        " servers may have charged them.\nTo be sure that none is used twice, begin after the next"
        " reset of every session's quota day.\n\nNext: tidegate up, then tidegate audit."
    )

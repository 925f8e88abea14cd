"""`tidegate backup`: log, ciphertexts, projections, keys and configuration, while all runs."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import typer

from runtime.environment import read_environment
from runtime.eventlog import LogUnavailableError
from runtime.nats.snapshots import SnapshotError
from runtime.texts import count_phrase
from services.analytics.store import StoreError
from tidegate.backup import bundle
from tidegate.backup.bundle import Manifest, NewBundle
from tidegate.backup.taking import backup_trouble, take_backup
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.console.recording import record_operation, shortened_texts


def backup(
    path: Path = typer.Argument(help="A folder that is not there yet, or a file named *.tar."),
    *,
    without_duckdb: bool = typer.Option(
        False, "--without-duckdb", help="Leave DuckDB out: it can be made anew from the log."
    ),
    record: bool = typer.Option(True, help="Have a gateway put it into the log that it was taken."),
    as_json: bool = output.JSON,
) -> None:
    """Back up log, credentials, DuckDB, keys and configuration; nothing has to stop for it.

    Example: tidegate backup /var/backups/tidegate-monday.tar
    """
    here = read_environment()
    try:
        new_bundle = NewBundle(path.absolute())
        try:
            taken = asyncio.run(take_backup(here, new_bundle, duckdb=not without_duckdb))
            size = new_bundle.finish(taken.manifest)
        finally:
            new_bundle.abandon()
    except (SnapshotError, LogUnavailableError, StoreError, OSError) as error:
        raise CommandError(f"nothing was backed up: {error}") from None
    manifest = taken.manifest
    wrong = [*backup_trouble(manifest), *taken.failed]
    if as_json:
        output.print_json(
            {
                "path": str(new_bundle.path),
                "bytes": size,
                "wrong": wrong,
                **_manifest_report(manifest),
            }
        )
    else:
        _show_backup(new_bundle.path, size, manifest, wrong)
    if record:
        taken_backup = {
            "ok": not wrong,
            "sequence": manifest.proof.last_sequence,
            "bytes": size,
            "name": new_bundle.path.name,
            "host": socket.gethostname(),
            "wrong": shortened_texts(wrong),
        }
        record_operation("/api/audit/backups", taken_backup)
    if wrong:
        raise typer.Exit(1)


def _manifest_report(manifest: Manifest) -> dict[str, Any]:
    return {
        "taken_at": manifest.taken_at,
        "sequence": manifest.proof.last_sequence,
        "envelopes": manifest.proof.envelopes,
        "sessions": manifest.proof.sessions,
        "digest": manifest.proof.digest,
        "parts": [part.name for part in manifest.parts],
        "elsewhere": manifest.elsewhere,
        "duckdb": _duckdb_state(manifest),
    }


def _duckdb_state(manifest: Manifest) -> str:
    inside = bundle.DUCKDB not in manifest.elsewhere
    return f"at sequence {manifest.proof.last_sequence}" if inside else bundle.WITHOUT_DUCKDB


def _show_backup(path: Path, size: int, manifest: Manifest, wrong: list[str]) -> None:
    """Print what the backup holds, what it does not, and what is wrong."""
    proof = manifest.proof
    output.print_text(f"{path}: {size:,} bytes, up to sequence {proof.last_sequence} of the log")
    output.print_text(
        f"{count_phrase(proof.envelopes, 'envelope')}, {count_phrase(proof.sessions, 'session')};"
        f" DuckDB: {_duckdb_state(manifest)}"
    )
    if proof.first_sequence > 1:
        output.print_text(
            f"the log begins at sequence {proof.first_sequence}: what was before is not in it"
        )
    for name, where in manifest.elsewhere.items():
        output.print_text(f"not in it: {name} ({where})")
    if manifest.variables:
        output.print_text(
            "settings by variable, to be given again: " + ", ".join(manifest.variables)
        )
    output.print_text("It holds keys: whoever can read it can use every credential.")
    for reason in wrong:
        output.print_text(f"wrong: {reason}")

"""`tidegate backup`: log, ciphertexts, projections, keys and configuration, while all runs."""

import asyncio
from pathlib import Path
from typing import Any

import typer

from runtime.environment import read_environment
from runtime.eventlog import LogUnavailableError
from runtime.nats.snapshots import SnapshotError
from services.analytics.store import StoreError
from tidegate.backup import bundle
from tidegate.backup.bundle import Manifest, NewBundle
from tidegate.backup.taking import take, trouble
from tidegate.console import output
from tidegate.console.errors import CommandError


def backup(
    path: Path = typer.Argument(help="A folder that is not there yet, or a file named *.tar."),
    *,
    without_duckdb: bool = typer.Option(
        False, "--without-duckdb", help="Leave DuckDB out: it can be made anew from the log."
    ),
    as_json: bool = output.JSON,
) -> None:
    """Back up log, credentials, DuckDB, keys and configuration; nothing has to stop for it.

    Example: tidegate backup /var/backups/tidegate-monday.tar
    """
    found = read_environment()
    try:
        made = NewBundle(path.absolute())
        try:
            manifest, failed = asyncio.run(take(found, made, duckdb=not without_duckdb))
            size = made.finish(manifest)
        finally:
            made.abandon()
    except (SnapshotError, LogUnavailableError, StoreError, OSError) as error:
        raise CommandError(f"nothing was backed up: {error}") from None
    wrong = [*trouble(manifest), *failed]
    if as_json:
        output.as_json({"path": str(made.path), "bytes": size, "wrong": wrong, **_told(manifest)})
    else:
        _show(made.path, size, manifest, wrong)
    if wrong:
        raise typer.Exit(1)


def _told(manifest: Manifest) -> dict[str, Any]:
    return {
        "taken_at": manifest.taken_at,
        "sequence": manifest.proof.last_sequence,
        "envelopes": manifest.proof.envelopes,
        "sessions": manifest.proof.sessions,
        "digest": manifest.proof.digest,
        "parts": [part.name for part in manifest.parts],
        "elsewhere": manifest.elsewhere,
        "duckdb": _duckdb(manifest),
    }


def _duckdb(manifest: Manifest) -> str:
    inside = bundle.DUCKDB not in manifest.elsewhere
    return f"at sequence {manifest.proof.last_sequence}" if inside else bundle.WITHOUT_DUCKDB


def _show(path: Path, size: int, manifest: Manifest, wrong: list[str]) -> None:
    proof = manifest.proof
    output.say(f"{path}: {size:,} bytes, up to sequence {proof.last_sequence} of the log")
    output.say(
        f"{proof.envelopes} envelopes, {proof.sessions} sessions; DuckDB: {_duckdb(manifest)}"
    )
    if proof.first_sequence > 1:
        output.say(
            f"the log begins at sequence {proof.first_sequence}: what was before is not in it"
        )
    for name, where in manifest.elsewhere.items():
        output.say(f"not in it: {name} ({where})")
    if manifest.variables:
        output.say("settings by variable, to be given again: " + ", ".join(manifest.variables))
    output.say("It holds keys: whoever can read it can use every credential.")
    for one in wrong:
        output.say(f"wrong: {one}")

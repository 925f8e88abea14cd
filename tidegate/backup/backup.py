"""`tidegate backup`: log, ciphertexts, projections, keys and configuration, while all runs."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from nats.aio.client import Client

from contracts.subjects import CREDENTIALS_STREAM, EVENT_STREAM
from runtime.environment import Environment, environment
from runtime.eventlog import EventLog, LogUnavailableError
from runtime.nats import snapshots
from runtime.nats.connection import connected_as
from runtime.nats.snapshots import SnapshotError, Taken
from services.analytics.store import StoreError
from tidegate.backup import bundle, duckdbfile, logproof
from tidegate.backup.bundle import Manifest, NewBundle
from tidegate.backup.logproof import Hearer, Proof
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.stack.homefiles import KEPT, VARIABLE_OF


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
    found = environment()
    try:
        made = NewBundle(path.absolute())
        try:
            manifest, failed = asyncio.run(_taken(found, made, duckdb=not without_duckdb))
            size = made.finish(manifest)
        finally:
            made.abandon()
    except (SnapshotError, LogUnavailableError, StoreError, OSError) as error:
        raise CommandError(f"nothing was backed up: {error}") from None
    wrong = [*_wrong(manifest), *failed]
    if as_json:
        output.as_json({"path": str(made.path), "bytes": size, "wrong": wrong, **_told(manifest)})
    else:
        _show(made.path, size, manifest, wrong)
    if wrong:
        raise typer.Exit(1)


async def _taken(
    found: Environment, made: NewBundle, *, duckdb: bool
) -> tuple[Manifest, list[str]]:
    """Take every part; the manifest that names them, and what could not be made.

    Raises `SnapshotError`, `LogUnavailableError` or `StoreError`.
    """
    began = datetime.now(UTC)
    client = await connected_as(found, "archiver")
    try:
        # The log first: a session's ciphertext is stored before the log knows the session, so
        # a later look at the bucket has one for every session of the log taken.
        log = await _snapshot(client, made, EVENT_STREAM, bundle.LOG)
        kept = await _snapshot(client, made, CREDENTIALS_STREAM, bundle.CREDENTIALS)
        if duckdb:
            proof, missing, failed = await _projected(found, client, made, log)
        else:
            proof, missing, failed = await _proof(client, log), "it was to be left out", ""
    finally:
        await client.close()
    elsewhere = _files(found, made)
    if missing or failed:
        elsewhere[bundle.DUCKDB] = missing or failed
    manifest = Manifest(
        format=bundle.FORMAT,
        taken_at=began,
        proof=proof,
        streams={bundle.LOG: log, bundle.CREDENTIALS: kept},
        parts=made.parts,
        elsewhere=elsewhere,
        variables=sorted(found.overrides),
    )
    return manifest, [f"{bundle.DUCKDB}: {failed}"] if failed else []


async def _snapshot(client: Client, made: NewBundle, stream: str, name: str) -> Taken:
    with made.part(name) as file, output.progress(f"taking {name}", None, in_bytes=True) as moved:
        return await snapshots.take(client, stream, file, moved)


async def _proof(client: Client, log: Taken, also: Hearer | None = None) -> Proof:
    """Read the log that was taken, from the server, to hold the restored one against it."""
    first = log.state["first_seq"]
    last = log.state["last_seq"] if log.state["messages"] else 0
    heard = await logproof.heard(EventLog(client), first, last, "proving the log", also)
    return heard.proof()


async def _projected(
    found: Environment, client: Client, made: NewBundle, log: Taken
) -> tuple[Proof, str, str]:
    """Prove the log, and have DuckDB hear it in the same reading.

    Beside the proof: what the log lacks for it, or how DuckDB failed, when there is no such part.
    """
    state = await EventLog(client).state()
    with made.written(bundle.DUCKDB) as path:
        memory = duckdbfile.memory(found)
        first = log.state["first_seq"]
        async with duckdbfile.projected(path, memory, state, first) as copy:
            proof = await _proof(client, log, copy.hear)
    return proof, copy.missing, copy.failed


def _files(found: Environment, made: NewBundle) -> dict[str, str]:
    """Copy what lies in the home; say of the rest where it is kept."""
    elsewhere = {}
    for name in KEPT:
        variable = VARIABLE_OF.get(name, "")
        named = os.environ.get(f"{variable}_FILE", "") if variable else ""
        source = Path(named) if named else found.home.path / name
        if variable and os.environ.get(variable):
            elsewhere[name] = f"given by {variable}"
        elif source.is_file():
            _copied(made, source, Path(name).name)
        else:
            elsewhere[name] = "not in this home"
    if found.config is not None:
        _copied(made, found.config, bundle.CONFIGURATION)
    return elsewhere


def _copied(made: NewBundle, source: Path, name: str) -> None:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise CommandError(f"{source}: cannot be read ({error.strerror})") from None
    with made.part(name) as file:
        file.write(content)


def _wrong(manifest: Manifest) -> list[str]:
    """What is not as it should be in what was backed up."""
    wrong = list(manifest.proof.broken)
    known = manifest.streams[bundle.CREDENTIALS].state.get("messages", 0)
    if known < manifest.proof.sessions:
        wrong.append(f"{manifest.proof.sessions} sessions, but only {known} ciphertexts")
    return wrong


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
    print(f"{path}: {size:,} bytes, up to sequence {proof.last_sequence} of the log")
    print(f"{proof.envelopes} envelopes, {proof.sessions} sessions; DuckDB: {_duckdb(manifest)}")
    if proof.first_sequence > 1:
        print(f"the log begins at sequence {proof.first_sequence}: what was before is not in it")
    for name, where in manifest.elsewhere.items():
        print(f"not in it: {name} ({where})")
    if manifest.variables:
        print("settings by variable, to be given again: " + ", ".join(manifest.variables))
    print("It holds keys: whoever can read it can use every credential.")
    for one in wrong:
        print(f"wrong: {one}")

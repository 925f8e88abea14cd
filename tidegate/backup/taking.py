"""How a backup is taken: the log first, each part while everything runs, and what it lacks."""

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from nats.aio.client import Client

from contracts.subjects import CREDENTIALS_STREAM, EVENT_STREAM
from runtime.environment import Environment
from runtime.eventlog import EventLog
from runtime.nats import snapshots
from runtime.nats.connection import connect_as
from runtime.nats.snapshots import Taken
from runtime.settings import SettingsError
from tidegate.backup import bundle, duckdbfile, logproof
from tidegate.backup.bundle import Manifest, NewBundle
from tidegate.backup.logproof import Hearer, Proof
from tidegate.configuration import CREDENTIALS, TOKEN, files, load
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.stack.home.files import KEPT, VARIABLE_OF, used


async def take(found: Environment, made: NewBundle, *, duckdb: bool) -> tuple[Manifest, list[str]]:
    """Take every part; the manifest that names them, and what could not be made.

    Raises `SnapshotError`, `LogUnavailableError` or `StoreError`.
    """
    began = datetime.now(UTC)
    client = await connect_as(found, "archiver")
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
        return await snapshots.take_snapshot(client, stream, file, moved)


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
    state = await EventLog(client).stream_state()
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
    config, last = found.config, used(found.home)
    if config is None and last is not None and last.is_file():
        config = last  # taken from elsewhere than `up` was started
    if config is not None:
        _copied(made, config, bundle.CONFIGURATION)
    theirs = owners_files(msgspec.structs.replace(found, config=config, config_unclear=""))
    return elsewhere | {setting: f"{path}, yours to keep" for setting, path in theirs.items()}


def owners_files(found: Environment) -> dict[str, Path]:
    """Find the provisioner's files: their owner keeps them, and no backup has them.

    A configuration that is refused is no reason to have no backup, and names none.
    """
    try:
        named = files(found, load(found))
    except SettingsError:
        return {}
    return {setting: named[setting] for setting in (CREDENTIALS, TOKEN) if setting in named}


def _copied(made: NewBundle, source: Path, name: str) -> None:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise CommandError(f"{source}: cannot be read ({error.strerror})") from None
    with made.part(name) as file:
        file.write(content)


def trouble(manifest: Manifest) -> list[str]:
    """What is not as it should be in what was backed up."""
    wrong = list(manifest.proof.broken)
    known = manifest.streams[bundle.CREDENTIALS].state.get("messages", 0)
    if known < manifest.proof.sessions:
        wrong.append(f"{manifest.proof.sessions} sessions, but only {known} ciphertexts")
    return wrong

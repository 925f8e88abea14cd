"""How a backup is taken: each stream in its turn, while everything runs, and what it lacks."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from nats.aio.client import Client

from contracts.subjects import CREDENTIALS_STREAM, EVENT_STREAM, SNAPSHOTS_STREAM
from runtime.environment import Environment
from runtime.eventlog import EventLog
from runtime.nats import snapshots
from runtime.nats.connection import connect_as
from runtime.nats.snapshots import NoStreamError, Taken
from runtime.secrets import merge_keys
from runtime.settings import SettingsError
from runtime.texts import count_phrase
from tidegate.backup import bundle, duckdbfile, logproof
from tidegate.backup.bundle import Manifest, NewBundle
from tidegate.backup.logproof import Hearer, Proof
from tidegate.configuration import CREDENTIALS, TOKEN, load_configuration, named_files
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.stack.home.files import KEPT, MASTER_KEY, VARIABLE_OF, used_configuration


class _ProvedLog(msgspec.Struct, frozen=True, kw_only=True):
    """What the log came to, and why DuckDB has no part of it, if so."""

    proof: Proof
    missing: str | None = None
    """What there was not for it."""
    failed: str | None = None
    """How it could not be made."""


class TakenBackup(NamedTuple):
    """What was taken."""

    manifest: Manifest
    failed: list[str]
    """Parts that could not be made, each with the reason."""


async def take_backup(
    environment: Environment, new_bundle: NewBundle, *, duckdb: bool
) -> TakenBackup:
    """Take every part.

    Raises `SnapshotError`, `LogUnavailableError` or `StoreError`.
    """
    began = datetime.now(UTC)
    # A rotation may drop a key while the ciphertexts are taken that were sealed under it.
    keys = _master_keys(environment)
    client = await connect_as(environment, "archiver")
    try:
        # Before the log: a ledger that was kept stands at an envelope that the log taken has.
        ledgers = await snapshot_ledgers(client, new_bundle)
        # The log before its credentials: a session's ciphertext is stored before the log knows the
        # session, so a later look at the bucket has one for every session of the log taken.
        log = await _snapshot_stream(client, new_bundle, EVENT_STREAM, bundle.LOG)
        kept = await _snapshot_stream(client, new_bundle, CREDENTIALS_STREAM, bundle.CREDENTIALS)
        if duckdb:
            proved = await _prove_with_copy(environment, client, new_bundle, log)
        else:
            proved = _ProvedLog(
                proof=await _prove_log(client, log), missing="it was to be left out"
            )
    finally:
        await client.close()
    elsewhere = _copy_files(environment, new_bundle, keys)
    if no_duckdb := proved.missing or proved.failed:
        elsewhere[bundle.DUCKDB] = no_duckdb
    manifest = Manifest(
        format=bundle.FORMAT,
        taken_at=began,
        proof=proved.proof,
        streams={bundle.LOG: log, bundle.CREDENTIALS: kept, **ledgers},
        parts=new_bundle.parts,
        elsewhere=elsewhere,
        variables=sorted(environment.overrides),
    )
    failed = [f"{bundle.DUCKDB}: {proved.failed}"] if proved.failed else []
    return TakenBackup(manifest, failed)


async def _snapshot_stream(client: Client, new_bundle: NewBundle, stream: str, name: str) -> Taken:
    with (
        new_bundle.write_part(name) as file,
        output.progress_bar(f"taking {name}", None, in_bytes=True) as moved,
    ):
        return await snapshots.take_snapshot(client, stream, file, moved)


async def snapshot_ledgers(client: Client, new_bundle: NewBundle) -> dict[str, Taken]:
    """Take the pool's snapshots; a home that was not migrated since there are any has no part."""
    with new_bundle.path_for_part(bundle.LEDGERS) as path:
        try:
            with (
                path.open("wb") as file,
                output.progress_bar(f"taking {bundle.LEDGERS}", None, in_bytes=True) as moved,
            ):
                taken = await snapshots.take_snapshot(client, SNAPSHOTS_STREAM, file, moved)
        except NoStreamError:
            path.unlink()
            return {}
    return {bundle.LEDGERS: taken}


async def _prove_log(client: Client, log: Taken, also: Hearer | None = None) -> Proof:
    """Read the log that was taken, from the server, to hold the restored one against it."""
    first = log.state["first_seq"]
    last = log.state["last_seq"] if log.state["messages"] else 0
    heard = await logproof.hear_log(EventLog(client), first, last, "proving the log", also)
    return heard.as_proof()


async def _prove_with_copy(
    environment: Environment, client: Client, new_bundle: NewBundle, log: Taken
) -> _ProvedLog:
    """Prove the log, and have DuckDB hear it in the same reading."""
    state = await EventLog(client).stream_state()
    with new_bundle.path_for_part(bundle.DUCKDB) as path:
        memory = duckdbfile.duckdb_memory(environment)
        first = log.state["first_seq"]
        async with duckdbfile.copy_of_log(path, memory, state, first) as copy:
            proof = await _prove_log(client, log, copy.hear_envelope)
    return _ProvedLog(proof=proof, missing=copy.missing, failed=copy.failed)


def _master_keys(environment: Environment) -> str:
    """Read the key file as it is now; empty where there is none to read."""
    source = _source_of(environment, MASTER_KEY)
    try:
        return source.read_text()
    except OSError:
        return ""


def _source_of(environment: Environment, name: str) -> Path:
    """Find where a file of the home lies."""
    variable = VARIABLE_OF.get(name, "")
    named = os.environ.get(f"{variable}_FILE", "") if variable else ""
    return Path(named) if named else environment.home.path / name


def _copy_files(
    environment: Environment, new_bundle: NewBundle, keys_before: str
) -> dict[str, str]:
    """Copy what lies in the home; say of the rest where it is kept."""
    elsewhere = {}
    for name in KEPT:
        variable = VARIABLE_OF.get(name, "")
        source = _source_of(environment, name)
        if variable and os.environ.get(variable):
            elsewhere[name] = f"given by {variable}"
        elif source.is_file():
            older = keys_before if name == MASTER_KEY else ""
            _copy_file(new_bundle, source, Path(name).name, older)
        else:
            elsewhere[name] = "not in this home"
    config, last = environment.config, used_configuration(environment.home)
    if config is None and last is not None and last.is_file():
        config = last  # taken from elsewhere than `up` was started
    if config is not None:
        _copy_file(new_bundle, config, bundle.CONFIGURATION)
    theirs = owners_files(msgspec.structs.replace(environment, config=config, config_unclear=None))
    return elsewhere | {setting: f"{path}, yours to keep" for setting, path in theirs.items()}


def owners_files(environment: Environment) -> dict[str, Path]:
    """Find the provisioner's files: their owner keeps them, and no backup has them.

    A configuration that is refused is no reason to have no backup, and names none.
    """
    try:
        named = named_files(environment, load_configuration(environment))
    except SettingsError:
        return {}
    return {setting: named[setting] for setting in (CREDENTIALS, TOKEN) if setting in named}


def _copy_file(new_bundle: NewBundle, source: Path, name: str, older_keys: str = "") -> None:
    """Copy a file; behind its keys go `older_keys` that it lacks."""
    try:
        content = source.read_bytes()
    except OSError as error:
        raise CommandError(f"{source}: cannot be read ({error.strerror})") from None
    if older_keys:
        content = merge_keys(content.decode(), older_keys).encode()
    with new_bundle.write_part(name) as file:
        file.write(content)


def backup_trouble(manifest: Manifest) -> list[str]:
    """What is not as it should be in what was backed up."""
    wrong = list(manifest.proof.broken)
    ciphertexts = manifest.streams[bundle.CREDENTIALS].state.get("messages", 0)
    if ciphertexts < manifest.proof.sessions:
        sessions = count_phrase(manifest.proof.sessions, "session")
        wrong.append(f"{sessions}, but only {count_phrase(ciphertexts, 'ciphertext')}")
    return wrong

"""The steps of a restore: unpack, put the streams back, prove them, set aside, move in."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from nats.aio.client import Client

from contracts.base import SessionId
from contracts.subjects import BACKED_UP
from runtime.environment import Environment, Home
from runtime.eventlog import EventLog
from runtime.nats import natsserver, snapshots, streams
from runtime.nats.connection import connect_as
from runtime.nats.snapshots import StreamExistsError, Taken
from runtime.secrets import Sealer
from runtime.settings import SettingsError
from runtime.texts import count_phrase
from services.pool.bucket import CredentialsUnavailableError
from services.pool.store import CredentialStore
from tidegate.backup import bundle, logproof
from tidegate.backup.bundle import Bundle
from tidegate.backup.logproof import Hearer, Proof, Prover
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.stack.home import migration
from tidegate.stack.home.files import KEPT, KEYS, PASSWORDS, write_private

_FOLDER = "restoring"
_NATS_END_S = 20
_PARTS = (bundle.LOG, bundle.CREDENTIALS, bundle.LEDGERS)
_CONFLICTING = (*KEYS, bundle.CONFIGURATION)


class RestoredStreams(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, as the server has it now."""

    proof: Proof
    credentials: int | None
    """Ciphertexts, when they could be looked at; the newest of each session."""
    unsealed: list[str]
    """Sessions that have none, for they were removed while the backup was taken."""
    bytes_max: int
    created: str
    """Which life of the stream it is."""


def unpack_files(taken: Bundle, home: Home) -> None:
    """Write the files of a backup, and passwords where it has none, into a home of its own."""
    (home.path / "secrets").mkdir(parents=True)
    for name in (*KEPT, bundle.CONFIGURATION):
        part = Path(name).name
        if part in taken.part_names():
            with taken.open_part(part) as file:
                write_private(home.path / name, file.read())


@contextmanager
def scratch_home(home: Home) -> Iterator[Home]:
    """Make a home inside the home, on the same disk, gone at the end."""
    scratch = Home(home.path / _FOLDER)
    shutil.rmtree(scratch.path, ignore_errors=True)
    scratch.path.mkdir(mode=0o700)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch.path, ignore_errors=True)


@contextmanager
def embedded_nats(environment: Environment, home: Home) -> Iterator[Environment]:
    """Run a NATS over the store of a home; the environment in which it is found."""
    own = msgspec.structs.replace(environment, home=home, nats_url=None)
    migration.write_secrets(own)
    port = natsserver.free_port()
    config = home.nats_conf.with_name("server.conf")
    config.write_text(natsserver.configuration_text(home.nats_store, port, home.nats_conf))
    process = natsserver.start_server(config, home.path / "nats.log", port)
    home.nats_url.write_text(f"nats://127.0.0.1:{port}")
    try:
        yield own
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_NATS_END_S)
        process.kill()
        process.wait()


async def put_back(
    environment: Environment,
    taken: Bundle,
    unpacked: Home,
    disk: Path | None = None,
    also: Hearer | None = None,
) -> RestoredStreams:
    """Restore the streams and hold them against what was taken; `also` hears the log in passing.

    `unpacked` has the keys. `disk` is where an embedded server keeps the streams; their bound is
    made to fit there. Raises `StreamExistsError`, `SnapshotError`, `MigrationError`,
    `LogUnavailableError`, and `CommandError` when they are not what was taken.
    """
    client = await _connect_home(environment, "migrate")
    try:
        for stream in BACKED_UP:
            await _refuse_existing(client, stream)
        for part in [part for part in _PARTS if part in taken.manifest.streams]:
            snapshot = _fit_bound(taken.manifest.streams[part], disk)
            size = next(item.bytes for item in taken.manifest.parts if item.name == part)
            with (
                taken.open_part(part) as file,
                output.progress_bar(f"restoring {part}", size, in_bytes=True) as moved,
            ):
                await snapshots.restore_snapshot(client, snapshot, file, moved)
        log = EventLog(client)
        prover = await _prove_log(log, taken.manifest.proof, also)
        state = await log.stream_state()
    finally:
        await client.close()
    opened = await _open_credentials(environment, taken, unpacked)
    return RestoredStreams(
        proof=prover.as_proof(),
        credentials=None if opened is None else len(opened),
        unsealed=[] if opened is None else sorted(prover.living - opened),
        bytes_max=state.bytes_max,
        created=state.created,
    )


async def _connect_home(environment: Environment, user: str) -> Client:
    """Connect by the password of the home, whatever the variables say of another NATS."""
    password = environment.home.nats_password(user)
    if environment.nats_url is None and password.exists():
        address = environment.home.nats_url.read_text().partition("://")[2]
        url = f"nats://{user}:{password.read_text().strip()}@{address}"
        environment = msgspec.structs.replace(environment, nats_url=url)
    return await connect_as(environment, user)


async def _refuse_existing(client: Client, stream: str) -> None:
    if await streams.stream_exists(client, stream):
        raise StreamExistsError(stream)


def _fit_bound(snapshot: Taken, disk: Path | None) -> Taken:
    """Lower a bound that this disk cannot keep. Raises `CommandError` when all is too much.

    What lies on several servers is not compressed (ADR 19).
    """
    if snapshot.config.get("num_replicas", 1) > 1:
        snapshot = msgspec.structs.replace(
            snapshot, config={**snapshot.config, "compression": "none"}
        )
    bound, needed = snapshot.config.get("max_bytes", -1), snapshot.state["bytes"]
    if disk is None or bound <= 0:
        return snapshot
    room = streams.free_bytes(disk) // 2
    if bound <= room:
        return snapshot
    if needed * 10 > room * 9:
        raise CommandError(
            f"stream {snapshot.config['name']}: {needed:,} bytes are to be restored, half the free"
            f" disk is {room:,}: expected more"
        )
    return msgspec.structs.replace(snapshot, config={**snapshot.config, "max_bytes": room})


async def _prove_log(log: EventLog, wanted: Proof, also: Hearer | None) -> Prover:
    """Hear the restored log. Raises `CommandError` when it is not the one that was taken."""
    state = await log.stream_state()
    last = state.last_sequence if state.messages else 0
    if last < wanted.last_sequence:
        raise CommandError(
            f"the restored log ends at sequence {last}, the one taken at {wanted.last_sequence}"
        )
    first, upto = wanted.first_sequence, wanted.last_sequence
    prover = await logproof.hear_log(log, first, upto, "proving the log", also)
    proof = prover.as_proof()
    if proof != wanted:
        raise CommandError(
            "the restored log is not the one taken:"
            f" {count_phrase(proof.envelopes, 'envelope')} with digest"
            f" {proof.digest} instead of {wanted.envelopes} with {wanted.digest}"
        )
    return prover


async def _open_credentials(
    environment: Environment, taken: Bundle, unpacked: Home
) -> set[SessionId] | None:
    """Open the ciphertexts, and name those that open. Raises `CommandError` for too few.

    None where this process has neither the pool's password nor the master key.
    """
    try:
        keys = environment.read_secret("TIDEGATE_SECRET_KEY", unpacked.master_key)
        client = await _connect_home(environment, "pool")
    except SettingsError:
        return None
    kept = CredentialStore(client, Sealer(keys))
    try:
        tried = [one async for one in kept.open_all()]
        # Of sessions that were removed, by the end of the log or since.
        removed = await kept.count_removed()
    except CredentialsUnavailableError as error:
        raise CommandError(f"the credentials cannot be read: {error}") from None
    finally:
        await client.close()
    sessions = taken.manifest.proof.sessions
    closed = [one.trouble for one in tried if one.credential is None]
    opened = {one.session_id for one in tried if one.credential is not None}
    if closed and len(opened) + removed < sessions:
        raise CommandError(f"the credentials do not open under this master key: {closed[0]}")
    if len(opened) + removed < sessions:
        raise CommandError(
            f"{count_phrase(sessions, 'session')} came back, but only"
            f" {count_phrase(len(opened), 'credential')} ({removed} removed)"
        )
    return opened


def in_the_way(environment: Environment, taken: Bundle, unpacked: Home) -> list[Path]:
    """Name what this home has already, and a restore would take the place of."""
    home = environment.home
    names = [name for name in _CONFLICTING if Path(name).name in taken.part_names()]
    files = [
        home.path / name
        for name in names
        if (home.path / name).exists()
        and (home.path / name).read_bytes() != (unpacked.path / name).read_bytes()
    ]
    store = home.nats_store
    return [store, *files] if environment.nats_url is None and store.exists() else files


def set_aside(home: Home, paths: list[Path]) -> Path:
    """Move what is in the way into a folder of the home; the folder."""
    folder = home.path / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    folder.mkdir(mode=0o700)
    for path in paths:
        path.rename(folder / path.name)
    return folder


def move_in(unpacked: Home, home: Home) -> list[str]:
    """Put a proved copy into its home; which passwords stayed.

    The store goes last: a home without one is restored again, from the beginning.
    """
    (home.path / "secrets").mkdir(exist_ok=True)
    home.path.chmod(0o700)
    kept = []
    for name in (*KEPT, bundle.CONFIGURATION):
        source, place = unpacked.path / name, home.path / name
        if not source.exists():
            continue
        if name in PASSWORDS and place.exists():
            kept.append(name)
            continue
        source.replace(place)
    if unpacked.nats_store.exists():
        unpacked.nats_store.rename(home.nats_store)
    return kept

"""`tidegate migrate`: secrets first, then streams and the first keys; both only what is absent."""

import asyncio
import secrets
from contextlib import suppress
from pathlib import Path

import typer

from contracts.base import KeyId, WriterId
from contracts.events import AnyEvent
from contracts.gateway import KeyIssued, Scope
from contracts.subjects import EVT_KEYS, USERS
from tidegate.cli import homes
from tidegate.cli.configuration import Configuration, load
from tidegate.cli.errors import CommandError
from tidegate.runtime import natsserver, streams
from tidegate.runtime.clock import clock
from tidegate.runtime.connection import connected_as, nats_urls
from tidegate.runtime.environment import Environment, Home, environment, given_secret
from tidegate.runtime.eventlog import EventLog, FenceError, LogError, LogUnavailableError
from tidegate.runtime.secrets import key_hash, new_key
from tidegate.runtime.settings import SettingsError
from tidegate.runtime.writer import SubjectWriter

_KEY_BYTES_MIN = 16


def migrate(
    *,
    secrets_only: bool = typer.Option(
        False, "--secrets", help="Write users, passwords and keys that are absent."
    ),
    homes_in: Path | None = typer.Option(
        None,
        "--homes",
        help="With --secrets: a folder with one for each owner (gateway, pool, …, nats, operator)"
        " that runs in a container; each gets the configuration and its own secrets alone.",
    ),
    demo_url: str = typer.Option(
        "",
        help="With --homes: the address of the demo servers, which are the servers there are"
        " when the configuration names none; {id} stands for a server's name.",
    ),
) -> None:
    """Make what Tidegate needs and does not find; run it as often as you like.

    Example: tidegate migrate --secrets && tidegate migrate
    """
    found = environment()
    configuration = load(found)
    if homes_in is not None and not secrets_only:
        raise typer.BadParameter("expected --secrets with it", param_hint="--homes")
    made = write_secrets(found) if secrets_only else asyncio.run(make(found, configuration))
    print("made " + ", ".join(made) if made else "nothing to make: everything is there")
    if homes_in is not None:
        owners = homes.furnish(found, homes_in, demo_url)
        print(f"configuration: {found.config or 'the defaults'}; homes of {', '.join(owners)}")


def write_secrets(found: Environment) -> list[str]:
    """Write every secret that is absent and return their names.

    Raises `SettingsError` for a key given by variable that is too short.
    """
    home = found.home
    home.nats_conf.parent.mkdir(parents=True, exist_ok=True)
    home.path.chmod(0o700)
    made = []
    for user in USERS:
        given = given_secret(f"TIDEGATE_{user.upper()}_NATS_PASSWORD")
        made += _written(home.nats_password(user), given or secrets.token_urlsafe(24))
    for variable, path in (
        ("TIDEGATE_SECRET_KEY", home.master_key),
        ("TIDEGATE_IDENTITY_KEY", home.identity_key),
    ):
        if not given_secret(variable):
            made += _written(path, new_key())
    made += _written(home.operator_key, _key("TIDEGATE_ADMIN_KEY", "sk-admin-"))
    made += _written(home.client_key, _key("TIDEGATE_CLIENT_KEY", "sk-"))
    if len(natsserver.hosts(found.nats_url)) > 1:
        made += _written(home.nats_password("cluster"), secrets.token_urlsafe(24))
    homes.write(home.nats_conf, natsserver.accounts(homes.passwords(home)))
    return made


async def make(found: Environment, configuration: Configuration) -> list[str]:
    """Make the streams and journal the first keys.

    Raises `SettingsError` without NATS or a usable bound, `CommandError` when NATS refuses.
    """
    try:
        await asyncio.to_thread(natsserver.wait_for_port, nats_urls(found, "migrate"), 20)
    except TimeoutError as error:
        raise CommandError(f"NATS: {error}") from None
    client = await connected_as(found, "migrate")
    log = EventLog(client)
    try:
        bytes_max = await _bytes_max(found, configuration, log)
        made = await streams.migrate(client, bytes_max, configuration.log.replicas)
        return made + await _journal_keys(found, log)
    except streams.MigrationError as error:
        raise SettingsError(str(error)) from None
    except LogError as error:
        raise CommandError(f"the event log cannot be made: {error}") from None
    finally:
        await client.close()


async def _bytes_max(found: Environment, configuration: Configuration, log: EventLog) -> int:
    """Choose the log's bound once; a log that exists keeps its own, however full the disk is."""
    with suppress(LogUnavailableError):
        return (await log.state()).bytes_max
    free = streams.free_bytes(_existing(found.home))
    return streams.log_bytes_max(configuration.log.max_bytes, free)


async def _journal_keys(found: Environment, log: EventLog) -> list[str]:
    """Journal the hashes of the first two keys, once in the life of a log."""
    events: list[AnyEvent] = [
        _issued(found.home.operator_key, "operator", Scope.ADMIN),
        _issued(found.home.client_key, "client", Scope.CLIENT),
    ]
    writer = SubjectWriter(log, EVT_KEYS, WriterId(f"migrate-{secrets.token_hex(6)}"))
    while True:
        known = set[str]()
        for stored in await writer.behind():
            seen = writer.saw(stored)
            events_seen = [] if seen is None else seen.events
            known |= {event.key_hash for event in events_seen if isinstance(event, KeyIssued)}
        if known:
            return []
        try:
            await writer.append(events, writer.now(clock(found.clock_offset_file)()))
        except FenceError:
            continue
        return ["operator key", "client key"]


def _issued(path: Path, name: str, scope: Scope) -> KeyIssued:
    try:
        hashed = key_hash(path.read_text().strip())
    except OSError as error:
        raise SettingsError(
            f"{path}: expected the key that `tidegate migrate --secrets` writes there"
            f" ({error.strerror})"
        ) from None
    key_id = KeyId(f"key_{hashed[:12]}")
    return KeyIssued(key_id=key_id, key_hash=hashed, name=name, scope=scope, by="migrate")


def _key(variable: str, prefix: str) -> str:
    given = given_secret(variable)
    if not given:
        return prefix + secrets.token_urlsafe(32)
    if len(given) < _KEY_BYTES_MIN or not given.isascii() or " " in given:
        raise SettingsError(
            f"{variable}: expected at least {_KEY_BYTES_MIN} ASCII characters without spaces"
        )
    return given


def _existing(home: Home) -> Path:
    """The nearest folder that exists, to ask about its disk."""
    path = home.path
    while not path.exists():
        path = path.parent
    return path


def _written(path: Path, text: str) -> list[str]:
    if path.exists():
        return []
    homes.write(path, text + "\n")
    return [path.name]

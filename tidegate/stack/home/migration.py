"""What Tidegate needs and does not find is made: secrets, streams, the first keys."""

import asyncio
import secrets
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from contracts.subjects import USERS
from runtime.environment import Environment, Home, secret_variable
from runtime.eventlog import EventLog, LogError, LogUnavailableError
from runtime.nats import natsserver, streams
from runtime.nats.connection import connect_as, nats_urls
from runtime.secrets import new_key
from runtime.settings import SettingsError
from tidegate.configuration import Configuration
from tidegate.console.errors import CommandError
from tidegate.stack.home import firstkeys, lock, owners
from tidegate.stack.home.files import write_private

_KEY_BYTES_MIN = 16


class Made(NamedTuple):
    """What was absent and is there now, and which keys of the home open nothing, with advice."""

    names: list[str]
    dead_keys: dict[str, str]


def write_secrets(found: Environment) -> list[str]:
    """Write every secret that is absent and return their names.

    Raises `SettingsError` for a home that cannot be written, or a key given by variable that is
    too short.
    """
    home = found.home
    lock.made(home)
    home.nats_conf.parent.mkdir(parents=True, exist_ok=True)
    home.path.chmod(0o700)
    made = []
    for user in USERS:
        given = secret_variable(f"TIDEGATE_{user.upper()}_NATS_PASSWORD")
        made += _written(home.nats_password(user), given or secrets.token_urlsafe(24))
    for variable, path in (
        ("TIDEGATE_SECRET_KEY", home.master_key),
        ("TIDEGATE_IDENTITY_KEY", home.identity_key),
    ):
        if not secret_variable(variable):
            made += _written(path, new_key())
    made += _written(home.operator_key, _key("TIDEGATE_ADMIN_KEY", "sk-admin-"))
    made += _written(home.client_key, _key("TIDEGATE_CLIENT_KEY", "sk-"))
    if len(natsserver.hosts_in(found.nats_url)) > 1:
        made += _written(home.nats_password("cluster"), secrets.token_urlsafe(24))
    write_private(home.nats_conf, natsserver.accounts_text(owners.passwords(home)).encode())
    return made


async def make(found: Environment, configuration: Configuration) -> Made:
    """Make the streams, and journal the keys of the home that the log does not know.

    Raises `SettingsError` without NATS or a usable bound, `CommandError` when NATS refuses.
    """
    try:
        await asyncio.to_thread(natsserver.wait_for_port, nats_urls(found, "migrate"), 20)
    except TimeoutError as error:
        raise CommandError(f"NATS: {error}") from None
    client = await connect_as(found, "migrate")
    log = EventLog(client)
    try:
        bytes_max = await _bytes_max(found, configuration, log)
        made = await streams.migrate_streams(client, bytes_max, configuration.log.replicas)
        keys = await firstkeys.journal(found, log)
    except streams.MigrationError as error:
        raise SettingsError(str(error)) from None
    except LogError as error:
        raise CommandError(f"the event log cannot be made: {error}") from None
    finally:
        await client.close()
    paths = {"operator": found.home.operator_key, "client": found.home.client_key}
    dead = {
        name: f"{paths[name]} opens nothing: {why}. Delete the file to have a new key made"
        for name, why in keys.dead.items()
    }
    return Made([*made, *(f"{name} key" for name in keys.issued)], dead)


async def _bytes_max(found: Environment, configuration: Configuration, log: EventLog) -> int:
    """Choose the log's bound once; a log that exists keeps its own, however full the disk is."""
    with suppress(LogUnavailableError):
        return (await log.stream_state()).bytes_max
    free = streams.free_bytes(_existing(found.home))
    return streams.log_bytes_max(configuration.log.max_bytes, free)


def _key(variable: str, prefix: str) -> str:
    given = secret_variable(variable)
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
    # No line break: whoever reads a key as it stands sends it as it stands, in a header.
    write_private(path, text.encode())
    return [path.name]

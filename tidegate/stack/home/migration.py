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
from runtime.nats.connection import connect_as, nats_account, nats_urls
from runtime.secrets import new_key
from runtime.settings import SettingsError
from tidegate.configuration import Configuration
from tidegate.console.errors import CommandError
from tidegate.stack.home import firstkeys, lock, owners
from tidegate.stack.home.files import write_absent, write_private

_KEY_BYTES_MIN = 16


class MigrationResult(NamedTuple):
    """What was absent and is there now, and which keys of the home open nothing, with advice."""

    names: list[str]
    dead_keys: dict[str, str]


def write_secrets(environment: Environment) -> list[str]:
    """Write every secret that is absent and return their names.

    Raises `SettingsError` for a home that cannot be written, or a key given by variable that is
    too short.
    """
    home = environment.home
    _refuse_another_account(environment)
    lock.make_folder(home)
    home.nats_conf.parent.mkdir(parents=True, exist_ok=True)
    home.path.chmod(0o700)
    written = []
    for user in USERS:
        given = secret_variable(f"TIDEGATE_{user.upper()}_NATS_PASSWORD")
        written += _write_absent(home.nats_password(user), given or secrets.token_urlsafe(24))
    for variable, path in (
        ("TIDEGATE_SECRET_KEY", home.master_key),
        ("TIDEGATE_IDENTITY_KEY", home.identity_key),
    ):
        if not secret_variable(variable):
            written += _write_absent(path, new_key())
    written += _write_absent(home.operator_key, _first_key("TIDEGATE_ADMIN_KEY", "sk-admin-"))
    written += _write_absent(home.client_key, _first_key("TIDEGATE_CLIENT_KEY", "sk-"))
    if len(natsserver.hosts_in(environment.nats_url)) > 1:
        written += _write_absent(home.nats_password("cluster"), secrets.token_urlsafe(24))
    users = natsserver.accounts_text(owners.nats_passwords(home), nats_account(environment))
    write_private(home.nats_conf, users.encode())
    return written


def _refuse_another_account(environment: Environment) -> None:
    """Refuse to leave the account of NATS that has the log. Raises `SettingsError`."""
    file = environment.home.nats_conf
    if environment.nats_url is None or not file.exists():
        return
    before, now = natsserver.account_in(file.read_text()), nats_account(environment)
    if before != now:
        raise SettingsError(
            f"stack.name: {file} has the users of {before or 'no account of its own'}, where the"
            f" log of this home is, and not of {now or 'none'}: expected the name to stay; if there"
            " is no log yet, remove that file"
        )


async def migrate_log(environment: Environment, configuration: Configuration) -> MigrationResult:
    """Make the streams, and journal the keys of the home that the log does not know.

    Raises `SettingsError` without NATS or a usable bound, `CommandError` when NATS refuses.
    """
    try:
        await asyncio.to_thread(natsserver.wait_for_port, nats_urls(environment, "migrate"), 20)
    except TimeoutError as error:
        raise CommandError(f"NATS: {error}") from None
    client = await connect_as(environment, "migrate")
    log = EventLog(client)
    try:
        bytes_max = await _bytes_max(environment, configuration, log)
        names = await streams.migrate_streams(client, bytes_max, configuration.log.replicas)
        keys = await firstkeys.journal_keys(environment, log)
    except streams.MigrationError as error:
        raise SettingsError(str(error)) from None
    except LogError as error:
        raise CommandError(f"the event log cannot be made: {error}") from None
    finally:
        await client.close()
    paths = {"operator": environment.home.operator_key, "client": environment.home.client_key}
    dead = {
        name: f"{paths[name]} opens nothing: {why}. Delete the file to have a new key made"
        for name, why in keys.dead.items()
    }
    return MigrationResult([*names, *(f"{name} key" for name in keys.issued)], dead)


async def _bytes_max(environment: Environment, configuration: Configuration, log: EventLog) -> int:
    """Choose the log's bound once; a log that exists keeps its own, however full the disk is."""
    with suppress(LogUnavailableError):
        return (await log.stream_state()).bytes_max
    free = streams.free_bytes(_nearest_folder(environment.home))
    return streams.log_bytes_max(configuration.log.max_bytes, free)


def _first_key(variable: str, prefix: str) -> str:
    given = secret_variable(variable)
    if not given:
        return prefix + secrets.token_urlsafe(32)
    if len(given) < _KEY_BYTES_MIN or not given.isascii() or " " in given:
        raise SettingsError(
            f"{variable}: expected at least {_KEY_BYTES_MIN} ASCII characters without spaces"
        )
    return given


def _nearest_folder(home: Home) -> Path:
    """The nearest folder that exists, to ask about its disk."""
    path = home.path
    while not path.exists():
        path = path.parent
    return path


def _write_absent(path: Path, text: str) -> list[str]:
    # No line break: whoever reads a key as it stands sends it as it stands, in a header.
    return [path.name] if write_absent(path, text.encode()) else []

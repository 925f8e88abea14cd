"""A NATS connection: its address, how it lasts, and commands that are answered.

Apart from `broker`, because whoever only asks (the verbs, the gateway) need not carry FastStream:
14 MB and more than a second of starting.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from contracts.base import Command, Failed
from runtime.environment import Environment
from runtime.nats import natsserver
from runtime.nats.bus import Bus
from runtime.process.logs import Log
from runtime.settings import SettingsError, read_toml

_RECONNECT_S = 2.0
_encoder = msgspec.json.Encoder()


class UnansweredError(Exception):
    """No answer came: see its three kinds."""


class DisconnectedError(UnansweredError):
    """The connection is lost and being made again; the command was not sent."""

    def __init__(self, message: str, *, sent_before: bool = False) -> None:
        """Say whether an earlier sending of the same command may have been taken."""
        super().__init__(message)
        self.sent_before = sent_before


class NobodyThereError(UnansweredError):
    """Nobody listens on the subject; the command was not taken."""


class SilenceError(UnansweredError):
    """No answer within the time; whether the command was taken is unknown."""


class Outage:
    """How long the connection of a process has been lost; the broker's callbacks tell it."""

    def __init__(self) -> None:
        """Begin as connected."""
        self._since: float | None = None

    def note_loss(self) -> None:
        """Note that the connection is lost."""
        if self._since is None:
            self._since = time.monotonic()

    def note_return(self) -> None:
        """Note that it stands again."""
        self._since = None

    @property
    def lost_s(self) -> float:
        """Seconds since it was lost; 0 while it stands."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    @property
    def is_lasting(self) -> bool:
        """Whether waiting is vain: a nats-server that was started again would be back by now."""
        return self.lost_s >= _RECONNECT_S


def nats_account(environment: Environment) -> str:
    """Name the account of NATS that this stack has to itself (`[stack] name`); empty: the only one.

    A server that `up` starts is nobody else's, whatever the stack is called. Raises
    `SettingsError`.
    """
    if environment.nats_url is None:
        return ""
    stack = read_toml(environment.config).get("stack")
    name = stack.get("name", "") if isinstance(stack, dict) else ""
    return str(environment.overrides.get("TIDEGATE_STACK_NAME", name))


def nats_urls(environment: Environment, user: str) -> list[str]:
    """Find the servers of NATS and name the user in each URL. Raises `SettingsError`."""
    text = environment.nats_url
    if text is None:
        try:
            text = environment.home.nats_url.read_text()
        except OSError:
            raise SettingsError(
                f"TIDEGATE_NATS_URL: expected the address of NATS; {environment.home.nats_url}"
                " has none, so no embedded server runs in this home (`tidegate up` starts one)"
            ) from None
    urls = [url.strip() for url in text.split(",") if url.strip()]
    if "@" in text:  # its owner has put a user of his own there
        return urls
    variable = f"TIDEGATE_{user.upper()}_NATS_PASSWORD"
    password = environment.read_secret(variable, environment.home.nats_password(user))
    name = natsserver.user_name(nats_account(environment), user)
    return [url.replace("://", f"://{name}:{password}@", 1) for url in urls]


def lasting_options(user: str, log: Log, outage: Outage) -> dict[str, Any]:
    """Make the options of a service's connection: it comes back by itself, however long it takes.

    They suit `nats.connect` and FastStream's broker alike; `outage` is told when the connection
    is lost and when it stands again.
    """
    last_error = ""
    closed = False

    async def on_error(error: Exception) -> None:
        nonlocal last_error
        if outage.lost_s and str(error) == last_error:
            return  # the same dial fails again, five times a second
        last_error = str(error)
        log.warning("nats_error", error=str(error), kind=type(error).__name__)

    async def on_disconnect() -> None:
        outage.note_loss()
        # nats-py calls this at an orderly end as well, just before `on_close`.
        asyncio.get_running_loop().call_soon(on_loss)

    def on_loss() -> None:
        if not closed:
            log.warning("nats_disconnected")

    async def on_close() -> None:
        nonlocal closed
        closed = True

    async def on_reconnect() -> None:
        log.info("nats_reconnected", after_s=round(outage.lost_s, 3))
        outage.note_return()

    return {
        "name": user,
        "inbox_prefix": f"_INBOX_{user}",
        "allow_reconnect": True,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.2,
        "ping_interval": 20,
        "pending_size": 16 * 1024 * 1024,
        "error_cb": on_error,
        "disconnected_cb": on_disconnect,
        "closed_cb": on_close,
        "reconnected_cb": on_reconnect,
    }


async def connect_service(environment: Environment, user: str, log: Log, outage: Outage) -> Client:
    """Connect a service that only asks, for its whole life. Raises `SettingsError`."""
    return await nats.connect(nats_urls(environment, user), **lasting_options(user, log, outage))


async def connect_as(
    environment: Environment, user: str, *, report: Callable[[str], None] | None = None
) -> Client:
    """Connect as one of the NATS users. Raises `SettingsError` when there is no NATS to reach.

    With `report` the connection outlives any restart of NATS, and says so when one goes on.
    """
    urls = nats_urls(environment, user)
    address = ", ".join(url.rpartition("@")[2] for url in urls)

    async def disconnected() -> None:
        if report is not None and not client.is_closed:
            report(f"NATS at {address} went away: waiting for it")

    async def reconnected() -> None:
        if report is not None:
            report(f"NATS at {address} is back")

    client = Client()
    try:
        await client.connect(
            urls,
            name=user,
            inbox_prefix=f"_INBOX_{user}".encode(),
            allow_reconnect=True,
            max_reconnect_attempts=2,
            reconnect_time_wait=0.2,  # type: ignore[arg-type]
            connect_timeout=5,
            error_cb=_ignore_error,
            disconnected_cb=disconnected,
            reconnected_cb=reconnected,
        )
    except (NatsError, OSError, TimeoutError) as error:
        raise SettingsError(f"NATS at {address}: cannot connect as {user} ({error})") from None
    # Only now: a first connection is to fail soon, and one that stood is to come back.
    if report is not None:
        client.options["max_reconnect_attempts"] = -1
    return client


async def _ignore_error(_: Exception) -> None:
    """Keep quiet about what `connect` or a question raises anyway, or a reconnect mends."""


async def ask_command(
    client: Bus,
    subject: str,
    command: Command,
    decoder: "msgspec.json.Decoder[Any]",
    timeout_s: float,
) -> Any:
    """Send a command and decode its reply.

    Raises `DisconnectedError`, `NobodyThereError` or `SilenceError`; a reply that does not
    decode is a `Failed`. Nothing is sent over a lost connection: nats-py would keep it until the
    next one, and a command that nobody waits for any more would arrive then.
    """
    if not client.is_connected:
        raise DisconnectedError("the connection to NATS is lost")
    try:
        message = await client.request(subject, _encoder.encode(command), timeout=timeout_s)
    except NoRespondersError:
        raise NobodyThereError(subject) from None
    except NatsError as error:
        raise SilenceError(f"{subject}: {error}") from None
    except (TimeoutError, NatsTimeoutError, ConnectionError):
        raise SilenceError(subject) from None
    try:
        return decoder.decode(message.data)
    except msgspec.DecodeError as error:
        return Failed(code="bad_reply", message=f"{subject}: {error}")

"""A NATS connection: its address, how it lasts, and commands that are answered.

Apart from `broker`, because whoever only asks (the verbs, the gateway) need not carry FastStream:
14 MB and more than a second of starting.
"""

from typing import Any

import msgspec
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from contracts.base import Command, Failed
from tidegate.runtime.environment import Environment
from tidegate.runtime.logs import Log
from tidegate.runtime.settings import SettingsError

_encoder = msgspec.json.Encoder()


class UnansweredError(Exception):
    """No answer came: see its two kinds."""


class NobodyThereError(UnansweredError):
    """Nobody listens on the subject; the command was not taken."""


class SilenceError(UnansweredError):
    """No answer within the time; whether the command was taken is unknown."""


def nats_url(environment: Environment, user: str) -> str:
    """Find NATS and name the user in its URL. Raises `SettingsError`."""
    url = environment.nats_url
    if url is None:
        try:
            url = environment.home.nats_url.read_text().strip()
        except OSError:
            raise SettingsError(
                f"TIDEGATE_NATS_URL: expected the address of NATS; {environment.home.nats_url}"
                " has none, so no embedded server runs in this home"
            ) from None
    if "@" in url:
        return url
    variable = f"TIDEGATE_{user.upper()}_NATS_PASSWORD"
    password = environment.secret(variable, environment.home.nats_password(user))
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user}:{password}@{rest}"


def lasting(user: str, log: Log) -> dict[str, Any]:
    """Make the options of a service's connection: it comes back by itself, however long it takes.

    They suit `nats.connect` and FastStream's broker alike.
    """

    async def on_error(error: Exception) -> None:
        log.warning("nats_error", error=str(error), kind=type(error).__name__)

    async def on_disconnect() -> None:
        log.warning("nats_disconnected")

    async def on_reconnect() -> None:
        log.info("nats_reconnected")

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
        "reconnected_cb": on_reconnect,
    }


async def connected_service(environment: Environment, user: str, log: Log) -> Client:
    """Connect a service that only asks, for its whole life. Raises `SettingsError`."""
    return await nats.connect(nats_url(environment, user), **lasting(user, log))


async def connected_as(environment: Environment, user: str) -> Client:
    """Connect as one of the NATS users. Raises `SettingsError` when there is no NATS to reach."""
    url = nats_url(environment, user)
    try:
        return await nats.connect(
            url,
            name=user,
            inbox_prefix=f"_INBOX_{user}".encode(),
            allow_reconnect=True,
            max_reconnect_attempts=2,
            reconnect_time_wait=0.2,
            connect_timeout=5,
        )
    except (NatsError, OSError, TimeoutError) as error:
        address = url.rpartition("@")[2]
        raise SettingsError(f"NATS at {address}: cannot connect as {user} ({error})") from None


async def ask(
    client: Client,
    subject: str,
    command: Command,
    decoder: "msgspec.json.Decoder[Any]",
    timeout_s: float,
) -> Any:
    """Send a command and decode its reply.

    Raises `NobodyThereError` or `SilenceError`; a reply that does not decode is a `Failed`.
    """
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

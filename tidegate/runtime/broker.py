"""The NATS connection of a process, and the doors that FastStream opens on it.

A door only takes in: its handler gets a `Call` and enqueues it; whoever decides answers with
`reply`. A handler that awaited its decision would make every batch one call long.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from faststream.nats import NatsBroker
from faststream.nats.message import NatsMessage
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from contracts.base import Command, Failed, Reply
from tidegate.runtime.environment import Environment
from tidegate.runtime.logs import Log
from tidegate.runtime.settings import SettingsError

_encoder = msgspec.json.Encoder()


class Call(msgspec.Struct, frozen=True):
    """One command as it came in: where the answer goes, and its body."""

    reply_to: str
    body: bytes


class UnansweredError(Exception):
    """No answer came: see its two kinds."""


class NobodyThereError(UnansweredError):
    """Nobody listens on the subject; the command was not taken."""


class SilenceError(UnansweredError):
    """No answer within the time; whether the command was taken is unknown."""


async def with_reply(message: NatsMessage) -> Call:
    """Decode nothing: hand over the body and where to answer (FastStream's `decoder`)."""
    return Call(message.raw_message.reply, message.raw_message.data)


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


def broker(url: str, user: str, log: Log) -> NatsBroker:
    """Make the broker of a process; `connect()` it, then register and start its doors."""

    async def on_error(error: Exception) -> None:
        log.warning("nats_error", error=str(error), kind=type(error).__name__)

    async def on_disconnect() -> None:
        log.warning("nats_disconnected")

    async def on_reconnect() -> None:
        log.info("nats_reconnected")

    return NatsBroker(
        url,
        name=user,
        inbox_prefix=f"_INBOX_{user}",
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,  # type: ignore[arg-type]
        ping_interval=20,
        pending_size=16 * 1024 * 1024,
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
        apply_types=False,
        logger=None,
    )


async def connected(made: NatsBroker) -> Client:
    """Connect the broker, waiting for the server's port first, and return the connection."""
    connection = await made.connect()
    client: Client = connection
    return client


async def reply(client: Client, call: Call, answer: Reply | bytes) -> None:
    """Answer a call; one without a reply subject is not answered."""
    if call.reply_to:
        body = answer if isinstance(answer, bytes) else _encoder.encode(answer)
        await client.publish(call.reply_to, body)


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
    except (TimeoutError, NatsTimeoutError, ConnectionError):
        raise SilenceError(subject) from None
    try:
        return decoder.decode(message.data)
    except msgspec.DecodeError as error:
        return Failed(code="bad_reply", message=f"{subject}: {error}")


def refusal(error: msgspec.DecodeError, expected: Sequence[type]) -> Failed:
    """Say what was wrong with a command that does not decode."""
    names = " or ".join(kind.__name__ for kind in expected)
    return Failed(code="bad_request", message=f"expected {names}: {error}")

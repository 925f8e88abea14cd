"""The NATS connection of a process, and the doors that FastStream opens on it.

A door only takes in: its handler gets a `Call` and enqueues it; whoever decides answers with
`send_reply`. A handler that awaited its decision would make every batch one call long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
from faststream.nats import NatsBroker
from faststream.nats.message import NatsMessage
from faststream.nats.subscriber.usecases.core_subscriber import CoreSubscriber
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.base import Failed, Reply
from runtime.nats.bus import Bus
from runtime.nats.connection import Outage, lasting_options, nats_urls
from runtime.process.logs import Log

__all__ = [
    "BrokerDoor",
    "BusDoor",
    "Call",
    "MakeDoor",
    "Take",
    "await_subscriptions",
    "connect_broker",
    "decode_refusal",
    "disconnect_broker",
    "make_broker",
    "nats_urls",
    "send_reply",
    "with_reply",
]

_AGAIN_S = 0.1
_FLUSH_S = 1
_INBOX = "_INBOX"
_encoder = msgspec.json.Encoder()


class Call(msgspec.Struct, frozen=True):
    """One command as it came in: where the answer goes, and its body."""

    reply_to: str
    body: bytes


Take = Callable[[Call], Awaitable[None]]
"""Takes one call in; the next waits until it returns."""


class BusDoor(Protocol):
    """One subject, shut until it is opened."""

    async def open(self) -> None:
        """Let calls in."""

    async def drain(self) -> None:
        """Let no more in, having taken in what had arrived."""

    async def close(self) -> None:
        """Let no more in; what had arrived is not taken in."""


MakeDoor = Callable[[str, Take], BusDoor]
"""Makes the door on a subject. (The simulation makes its own, on its own bus.)"""


class BrokerDoor:
    """A door that FastStream opens."""

    def __init__(self, broker: NatsBroker, subject: str, take: Take) -> None:
        """Register it with the broker."""
        subscriber = broker.subscriber(subject, max_workers=1, no_reply=True, decoder=with_reply)
        subscriber(take)
        assert isinstance(subscriber, CoreSubscriber)
        self._subscriber = subscriber

    async def open(self) -> None:
        """Let calls in."""
        await self._subscriber.start()

    async def drain(self) -> None:
        """Let no more in, having taken in what had arrived."""
        subscription, self._subscriber.subscription = self._subscriber.subscription, None
        if subscription is not None:
            await subscription.drain()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Let no more in; what had arrived is not taken in."""
        with suppress(NatsError):
            await self._subscriber.stop()
        self._subscriber.subscription = None


async def with_reply(message: NatsMessage) -> Call:
    """Decode nothing: hand over the body and where to answer (FastStream's `decoder`)."""
    return Call(message.raw_message.reply, message.raw_message.data)


def make_broker(
    urls: str | list[str], user: str, log: Log, outage: Outage | None = None
) -> NatsBroker:
    """Make the broker of a process; `connect()` it, then register and start its doors.

    `outage` is told when the connection is lost and when it stands again.
    """
    options = lasting_options(user, log, outage or Outage())
    return NatsBroker(urls, **options, apply_types=False, logger=None)


async def connect_broker(nats_broker: NatsBroker) -> Client:
    """Connect the broker, waiting for the server's port first, and return the connection."""
    connection = await nats_broker.connect()
    client: Client = connection
    return client


async def await_subscriptions(client: Bus) -> None:
    """Wait until the server knows of every subscription, again for as long as it is silent.

    Without a connection it returns at once: the subscriptions are made with the next one.
    """
    # nats-py sends a flush's PING ahead of what is pending: only the second comes behind it.
    for _ in range(2):
        while client.is_connected:
            try:
                await client.flush(_FLUSH_S)
            except (NatsError, ConnectionError):
                await asyncio.sleep(_AGAIN_S)
            else:
                break


async def disconnect_broker(nats_broker: NatsBroker) -> None:
    """Close the doors and the connection; what was received is answered first."""
    with suppress(NatsError, ConnectionError):
        await nats_broker.stop()


async def send_reply(client: Bus, call: Call, answer: Reply | bytes) -> None:
    """Answer a call; one without a reply subject is not answered.

    Nor is one that wants its answer anywhere but in an inbox: whoever asks chooses the subject,
    and an answerer may publish where the asker may not (ADR 10).
    """
    if call.reply_to.startswith(_INBOX):
        body = answer if isinstance(answer, bytes) else _encoder.encode(answer)
        await client.publish(call.reply_to, body)


def decode_refusal(error: msgspec.DecodeError, expected: Sequence[type]) -> Failed:
    """Say what was wrong with a command that does not decode."""
    names = " or ".join(kind.__name__ for kind in expected)
    return Failed(code="bad_request", message=f"expected {names}: {error}")

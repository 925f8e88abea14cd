"""One ephemeral consumer of the log: pulled, two requests in flight, until it is lost."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from runtime.eventlog.words import LogError, LogUnavailableError, Stored

Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""JetStream's API: what is asked, its body → the answer. Raises `LogUnavailableError`."""

HasMore = Callable[[int], Awaitable[bool]]
"""Whether the stream has more behind a sequence. Raises `LogUnavailableError`."""

_BATCH = 100
"""Two batches of the largest envelopes stay under what the server keeps for one connection."""
_IN_FLIGHT = 2
_EXPIRES_S = 20.0
_HEARTBEAT_S = 2.0
_LOOK_EVERY_S = 0.25
_LOOKS_MAX = int(_HEARTBEAT_S * 3 / _LOOK_EVERY_S)
_IDLE_MAX = 3
"""Heartbeats without an envelope after which the stream is asked whether there are any."""
_HEARTBEAT = "100"
_RAN_OUT = frozenset({"404", "408"})
_BATCH_COMPLETED = "Batch Completed"


class Consumer:
    """Reads `subjects` behind `after`, once; whoever wants more makes another."""

    def __init__(
        self,
        client: Client,
        stream: str,
        ask: Ask,
        subjects: Sequence[str],
        after: int,
        who: Mapping[str, str] | None = None,
    ) -> None:
        """Create nothing yet."""
        self._client = client
        self._stream = stream
        self._ask = ask
        self._subjects = subjects
        self._seen = after
        self._who = dict(who or {})
        self._lives = client.stats["reconnects"]
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()

    async def next_batches(self, has_more: HasMore) -> AsyncIterator[list[Stored]]:
        """Yield batches until the consumer is lost.

        It is, too, when it falls silent although the stream `has_more` behind a sequence: on a
        server whose copy of the log is damaged a consumer sends heartbeats for ever, and knows of
        nothing that is pending (ADR 19).
        """
        assert self._arrived.empty(), "a consumer is read once"
        inbox = self._client.new_inbox()
        # Without limits: nats-py drops what is above them, and the pulls bound it already.
        subscription = await self._client.subscribe(
            inbox, cb=self._arrived.put, pending_msgs_limit=0, pending_bytes_limit=0
        )
        name = ""
        try:
            name = await self._create_consumer()
            pull = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{name}"
            for _ in range(_IN_FLIGHT):
                await self._client.publish(pull, _PULL_REQUEST, inbox)
            delivered = idle = 0
            while True:
                messages = await self._fetch_messages()
                arrival = _read_arrival(messages, delivered)
                batch = arrival.batch
                # A request is used up by time, or by every hundredth envelope: each is made again.
                filled = (delivered + len(batch)) // _BATCH - delivered // _BATCH
                pulls = arrival.exhausted + filled
                delivered += len(batch)
                for _ in range(pulls):
                    await self._client.publish(pull, _PULL_REQUEST, inbox)
                if batch:
                    idle, self._seen = 0, batch[-1].sequence
                    yield batch
                    continue
                idle = (idle + 1) % _IDLE_MAX
                if not idle and await has_more(self._seen):
                    # It may have come while the stream was asked.
                    await asyncio.sleep(_LOOK_EVERY_S)
                    if self._arrived.empty():
                        return
        except (TimeoutError, NatsError, ConnectionError, LogError):
            return
        finally:
            with suppress(Exception):
                await subscription.unsubscribe()
                if name:
                    await self._client.publish(
                        f"$JS.API.CONSUMER.DELETE.{self._stream}.{name}", b""
                    )

    async def _fetch_messages(self) -> list[Msg]:
        """Wait for what arrives next, and take what has arrived with it.

        Raises `TimeoutError` when not even a heartbeat comes, or when the connection is another
        one: what was under way is lost then, whatever may come behind it.
        """
        for _ in range(_LOOKS_MAX):
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    messages = [await self._arrived.get()]
            except TimeoutError:
                messages = []
            if self._client.stats["reconnects"] != self._lives:
                break
            if messages:
                while not self._arrived.empty():
                    messages.append(self._arrived.get_nowait())
                return messages
        raise TimeoutError

    async def _create_consumer(self) -> str:
        """Make it, and return its name. Raises `LogUnavailableError`."""
        # Nothing of it is worth a disk or a replica: what was seen is known here, and a lost one is
        # made again behind it. One whose reader was killed goes by itself, a minute later.
        config = {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._seen + 1,
            "ack_policy": "none",
            "inactive_threshold": 60_000_000_000,
            "mem_storage": True,
            "num_replicas": 1,
            "filter_subjects": list(self._subjects),
            "metadata": self._who,
        }
        body = {"stream_name": self._stream, "config": config}
        answer = await self._ask(f"CONSUMER.CREATE.{self._stream}", body)
        if "error" in answer:
            raise LogUnavailableError(answer["error"]["description"])
        return str(answer["name"])


_PULL_REQUEST = json.dumps(
    {
        "batch": _BATCH,
        "expires": int(_EXPIRES_S * 1e9),
        "idle_heartbeat": int(_HEARTBEAT_S * 1e9),
    }
).encode()


class _Arrival(msgspec.Struct, frozen=True):
    """What came at once: envelopes, and how many pull requests ran out."""

    batch: list[Stored]
    exhausted: int


def _read_arrival(messages: Sequence[Msg], delivered: int) -> _Arrival:
    """Split what arrived into envelopes and the number of pull requests that ran out.

    Raises `TimeoutError` when a message was lost on its way, or the consumer is (its server shut
    down, or nobody answers for it): asking that one again would ask in vain, and without end.
    """
    batch: list[Stored] = []
    exhausted = 0
    for message in messages:
        if message.headers is not None and "Status" in message.headers:
            exhausted += _is_exhausted(message.headers)
            continue
        stored, number = _as_stored(message)
        # The consumer numbers what it delivers: a number left out was lost on its way here.
        if number != delivered + len(batch) + 1:
            raise TimeoutError
        batch.append(stored)
    return _Arrival(batch, exhausted)


def _is_exhausted(headers: Mapping[str, str]) -> bool:
    """Tell a pull request that ran out from a heartbeat. Raises `TimeoutError` for any other."""
    status = headers["Status"]
    if status == _HEARTBEAT:
        return False
    if status in _RAN_OUT or headers.get("Description") == _BATCH_COMPLETED:
        return True
    raise TimeoutError


def _as_stored(message: Msg) -> tuple[Stored, int]:
    """Read `$JS.ACK.<stream>.<consumer>.<tries>.<sequence>.<delivered>.<ns>.<pending>`."""
    parts = message.reply.split(".")
    sequence, delivered, nanoseconds, pending = (int(part) for part in parts[-4:])
    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return Stored(sequence, moment, message.subject, message.data, pending), delivered

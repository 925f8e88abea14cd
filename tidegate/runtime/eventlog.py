"""The event log: append behind the fence, read from anywhere, follow for ever.

Errors: `LogError` ← `FenceError` (somebody else wrote the subject), `OutcomeUnknownError` (no
acknowledgement: stored or not), `LogUnavailableError` (nothing was stored: no stream answers,
or it is full).
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from contracts.subjects import EVENT_STREAM

_ACK_TIMEOUT_S = 1.0
_BATCH = 100
"""Two batches of the largest envelopes stay under what the server keeps for one connection."""
_IN_FLIGHT = 2
_EXPIRES_S = 20.0
_HEARTBEAT_S = 2.0
_LOOK_EVERY_S = 0.25
_LOOKS_MAX = int(_HEARTBEAT_S * 3 / _LOOK_EVERY_S)
_IDLE_MAX = 3
"""Heartbeats without an envelope after which the stream is asked whether there are any."""
_WRONG_LAST_SEQUENCE = 10071
_NO_MESSAGE = 10037
_HEARTBEAT = "100"
_RAN_OUT = frozenset({"404", "408"})
_BATCH_COMPLETED = "Batch Completed"


class LogError(Exception):
    """The log did not do what was asked."""


class FenceError(LogError):
    """The subject's last sequence is not the expected one: nothing was stored."""


class OutcomeUnknownError(LogError):
    """No acknowledgement came: read the subject's last envelope to know."""


class LogUnavailableError(LogError):
    """The log cannot be reached or is full: nothing was stored."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """One envelope as the stream holds it."""

    sequence: int
    time: datetime
    subject: str
    body: bytes
    pending: int = 0
    """Messages behind this one that the reader has still to see."""


class StreamState(msgspec.Struct, frozen=True):
    """What the stream holds, and which life of it this is (`created`)."""

    first_sequence: int
    last_sequence: int
    messages: int
    bytes: int
    bytes_max: int
    created: str


class EventLog:
    """The stream `EVT` over one NATS connection."""

    def __init__(self, client: Client, stream: str = EVENT_STREAM) -> None:
        """Use `client`; nothing is opened yet."""
        self._client = client
        self._stream = stream

    async def append(self, subject: str, body: bytes, after: int) -> int:
        """Store `body` if the subject's last sequence is `after`; return its sequence.

        Raises `FenceError`, `OutcomeUnknownError` or `LogUnavailableError`.
        """
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(after),
            "Nats-Expected-Last-Subject-Sequence-Subject": subject,
        }
        try:
            message = await self._client.request(
                subject, body, timeout=_ACK_TIMEOUT_S, headers=headers
            )
        except NoRespondersError:
            raise LogUnavailableError("no stream takes the event log's subjects") from None
        except (NatsTimeoutError, NatsError, ConnectionError) as error:
            raise OutcomeUnknownError(f"no acknowledgement: {type(error).__name__}") from None
        answer = json.loads(message.data)
        if "error" not in answer:
            return int(answer["seq"])
        refused = answer["error"]
        if refused.get("err_code") == _WRONG_LAST_SEQUENCE:
            raise FenceError(refused["description"])
        raise LogUnavailableError(refused["description"])

    async def last(self, subject: str) -> Stored | None:
        """Read the subject's last envelope; None when it has none.

        Raises `LogUnavailableError`.
        """
        answer = await self._api(f"STREAM.MSG.GET.{self._stream}", {"last_by_subj": subject})
        if "error" in answer:
            if answer["error"].get("err_code") == _NO_MESSAGE:
                return None
            raise LogUnavailableError(answer["error"]["description"])
        found = answer["message"]
        return Stored(
            found["seq"],
            datetime.fromisoformat(found["time"][:19] + "+00:00"),
            found["subject"],
            base64.b64decode(found.get("data", "")),
        )

    async def state(self) -> StreamState:
        """Ask what the stream holds. Raises `LogUnavailableError`."""
        answer = await self._api(f"STREAM.INFO.{self._stream}", {})
        if "error" in answer:
            raise LogUnavailableError(answer["error"]["description"])
        state = answer["state"]
        return StreamState(
            state["first_seq"],
            state["last_seq"],
            state["messages"],
            state["bytes"],
            answer["config"].get("max_bytes", -1),
            answer["created"],
        )

    async def read(self, subject: str, after: int, upto: int) -> AsyncIterator[list[Stored]]:
        """Yield the envelopes of `subject` (a pattern) behind `after`, as far as `upto`.

        `upto` must be the sequence of an envelope of that subject, or not above `after`.
        """
        if upto <= after:
            return
        async for batch in self.follow([subject], after):
            kept = [stored for stored in batch if stored.sequence <= upto]
            if kept:
                yield kept
            if batch[-1].sequence >= upto:
                return

    async def follow(self, subjects: Sequence[str], after: int) -> AsyncIterator[list[Stored]]:
        """Yield envelopes behind `after` as they come, in order, each once, for ever.

        A consumer that was lost (the server restarted), or does not get on (its server's copy of
        the log is damaged), is made again behind the last seen one.
        """
        seen = after
        while True:
            async for batch in self._consume(subjects, seen):
                seen = batch[-1].sequence
                yield batch
            await asyncio.sleep(0.2)

    async def _consume(self, subjects: Sequence[str], after: int) -> AsyncIterator[list[Stored]]:
        """Yield batches from one ephemeral consumer until it is lost."""
        inbox = self._client.new_inbox()
        arrived: asyncio.Queue[Msg] = asyncio.Queue()
        lives = self._client.stats["reconnects"]
        subscription = await self._client.subscribe(
            inbox, cb=arrived.put, pending_msgs_limit=0, pending_bytes_limit=0
        )
        name = ""
        try:
            name = await self._create_consumer(subjects, after)
            pull = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{name}"
            for _ in range(_IN_FLIGHT):
                await self._client.publish(pull, _PULL_REQUEST, inbox)
            delivered = idle = 0
            while True:
                messages = [await self._first(arrived, lives)]
                while not arrived.empty():
                    messages.append(arrived.get_nowait())
                batch, ended = _sorted_out(messages, delivered)
                pulls = ended + (delivered + len(batch)) // _BATCH - delivered // _BATCH
                delivered += len(batch)
                for _ in range(pulls):
                    await self._client.publish(pull, _PULL_REQUEST, inbox)
                if batch:
                    idle, after = 0, batch[-1].sequence
                    yield batch
                    continue
                idle = (idle + 1) % _IDLE_MAX
                if not idle and await self._has_more(subjects, after) and arrived.empty():
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

    async def _first(self, arrived: "asyncio.Queue[Msg]", lives: int) -> Msg:
        """Wait for the next message.

        Raises `TimeoutError` when not even a heartbeat comes, or when the connection is another
        one: what was under way is lost then, whatever may come behind it.
        """
        for _ in range(_LOOKS_MAX):
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    message = await arrived.get()
            except TimeoutError:
                message = None
            if self._client.stats["reconnects"] != lives:
                break
            if message is not None:
                return message
        raise TimeoutError

    async def _create_consumer(self, subjects: Sequence[str], after: int) -> str:
        config: dict[str, Any] = {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after + 1,
            "ack_policy": "none",
            "inactive_threshold": 60_000_000_000,
            "mem_storage": True,
            "num_replicas": 1,
            "filter_subjects": list(subjects),
        }
        answer = await self._api(
            f"CONSUMER.CREATE.{self._stream}", {"stream_name": self._stream, "config": config}
        )
        if "error" in answer:
            raise LogUnavailableError(answer["error"]["description"])
        return str(answer["name"])

    async def _has_more(self, subjects: Sequence[str], after: int) -> bool:
        """Ask the stream's leader whether it has more, and give that the time to arrive.

        A consumer on a server whose copy of the log is damaged sends heartbeats for ever, and
        knows of nothing that is pending.
        """
        for subject in subjects:
            last = await self.last(subject)
            if last is not None and last.sequence > after:
                await asyncio.sleep(_LOOK_EVERY_S)
                return True
        return False

    async def _api(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            message = await self._client.request(
                f"$JS.API.{what}", json.dumps(body).encode(), timeout=_ACK_TIMEOUT_S
            )
        except (NatsError, ConnectionError) as error:
            raise LogUnavailableError(f"{what}: {type(error).__name__}") from None
        answer: dict[str, Any] = json.loads(message.data)
        return answer


_PULL_REQUEST = json.dumps(
    {
        "batch": _BATCH,
        "expires": int(_EXPIRES_S * 1e9),
        "idle_heartbeat": int(_HEARTBEAT_S * 1e9),
    }
).encode()


def _sorted_out(messages: Sequence[Msg], delivered: int) -> tuple[list[Stored], int]:
    """Split what arrived into envelopes and the number of pull requests that ran out.

    Raises `TimeoutError` when a message was lost on its way, or the consumer is (its server shut
    down, or nobody answers for it): asking that one again would ask in vain, and without end.
    """
    batch: list[Stored] = []
    ended = 0
    for message in messages:
        if message.headers is not None and "Status" in message.headers:
            ended += _ran_out(message.headers)
            continue
        stored, number = _stored(message)
        if number != delivered + len(batch) + 1:
            raise TimeoutError
        batch.append(stored)
    return batch, ended


def _ran_out(headers: Mapping[str, str]) -> bool:
    """Tell a pull request that ran out from a heartbeat. Raises `TimeoutError` for any other."""
    status = headers["Status"]
    if status == _HEARTBEAT:
        return False
    if status in _RAN_OUT or headers.get("Description") == _BATCH_COMPLETED:
        return True
    raise TimeoutError


def _stored(message: Msg) -> tuple[Stored, int]:
    """Read `$JS.ACK.<stream>.<consumer>.<tries>.<sequence>.<delivered>.<ns>.<pending>`."""
    parts = message.reply.split(".")
    sequence, delivered, nanoseconds, pending = (int(part) for part in parts[-4:])
    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return Stored(sequence, moment, message.subject, message.data, pending), delivered

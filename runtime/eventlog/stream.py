"""The stream `EVT`: append behind the fence, read from anywhere, follow for ever."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from contracts.subjects import EVENT_STREAM
from runtime.eventlog.consumer import Consumer
from runtime.eventlog.words import (
    FenceError,
    LogUnavailableError,
    OutcomeUnknownError,
    Stored,
    StreamState,
)

_ACK_TIMEOUT_S = 1.0
_AGAIN_S = 0.2
_WRONG_LAST_SEQUENCE = 10071
_NO_MESSAGE = 10037


class EventLog:
    """The stream `EVT` over one NATS connection."""

    def __init__(self, client: Client, stream: str = EVENT_STREAM) -> None:
        """Use `client`; nothing is opened yet."""
        self._client = client
        self._stream = stream

    async def append_after(self, subject: str, body: bytes, after: int) -> int:
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
            # The one silence that is certain: nobody has the message.
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

    async def last_stored(self, subject: str) -> Stored | None:
        """Read the subject's last envelope; None when it has none.

        Raises `LogUnavailableError`.
        """
        answer = await self._ask_api(f"STREAM.MSG.GET.{self._stream}", {"last_by_subj": subject})
        if "error" in answer:
            if answer["error"].get("err_code") == _NO_MESSAGE:
                return None
            raise LogUnavailableError(answer["error"]["description"])
        return _as_stored(answer["message"])

    async def stored_at(self, sequence: int) -> Stored | None:
        """Read what the stream has at a sequence; None when nothing is there (any more).

        Raises `LogUnavailableError`.
        """
        answer = await self._ask_api(f"STREAM.MSG.GET.{self._stream}", {"seq": sequence})
        if "error" not in answer:
            return _as_stored(answer["message"])
        if answer["error"].get("err_code") == _NO_MESSAGE:
            return None
        raise LogUnavailableError(answer["error"]["description"])

    async def stream_state(self) -> StreamState:
        """Ask what the stream holds. Raises `LogUnavailableError`."""
        answer = await self._ask_api(f"STREAM.INFO.{self._stream}", {})
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

    async def read_range(self, subject: str, after: int, upto: int) -> AsyncIterator[list[Stored]]:
        """Yield the envelopes of `subject` (a pattern) behind `after`, as far as `upto`.

        `upto` must be the sequence of an envelope of that subject, or not above `after`.
        """
        if upto <= after:
            return
        async for batch in self.follow_from([subject], after):
            kept = [stored for stored in batch if stored.sequence <= upto]
            if kept:
                yield kept
            if batch[-1].sequence >= upto:
                return

    async def follow_from(
        self, subjects: Sequence[str], after: int, who: Mapping[str, str] | None = None
    ) -> AsyncIterator[list[Stored]]:
        """Yield envelopes behind `after` as they come, in order, each once, for ever.

        `who` reads is for whoever looks at the stream's consumers: their metadata.

        A consumer that was lost (the server restarted), or does not get on (its server's copy of
        the log is damaged), is made again behind the last seen one.
        """
        seen = after

        async def has_more(sequence: int) -> bool:
            """Ask the stream's leader."""
            lasts = [await self.last_stored(subject) for subject in subjects]
            return any(last is not None and last.sequence > sequence for last in lasts)

        while True:
            consumer = Consumer(self._client, self._stream, self._ask_api, subjects, seen, who)
            async for batch in consumer.next_batches(has_more):
                seen = batch[-1].sequence
                yield batch
            # A server that makes no consumer would be asked without a pause.
            await asyncio.sleep(_AGAIN_S)

    async def _ask_api(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            message = await self._client.request(
                f"$JS.API.{what}", json.dumps(body).encode(), timeout=_ACK_TIMEOUT_S
            )
        except (NatsError, ConnectionError) as error:
            raise LogUnavailableError(f"{what}: {type(error).__name__}") from None
        answer: dict[str, Any] = json.loads(message.data)
        return answer


def _as_stored(message: dict[str, Any]) -> Stored:
    return Stored(
        message["seq"],
        # Go writes as many decimals as there are, up to nine: of this one seconds are enough.
        datetime.fromisoformat(message["time"][:19] + "+00:00"),
        message["subject"],
        base64.b64decode(message.get("data", "")),
    )

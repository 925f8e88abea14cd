"""An answer told in other words than the backend's: a generation as a chat completion.

A streamed chat over a backend that is silent for minutes gets its head late. Until `SILENCE_S` have
passed a refusal keeps its own status; after that the client gets the head of an event stream, the
role, and a comment every `BEAT_S`, so that nothing on the way gives it up. Whatever is written
next, the beats are ended and awaited first.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Literal

import msgspec

from services.gateway.clients.answers import Client
from services.gateway.clients.request import RoutedRequest
from services.gateway.dialects import chat
from services.gateway.dialects.credentials import hide_secrets, spellings_of
from services.gateway.dialects.words import Asked, Fields
from services.gateway.domain.answers.concealing import CONCEALED
from services.gateway.domain.answers.envelopes import expand_body
from services.gateway.domain.heads import Headers
from services.gateway.transport import ServerAnswer

SILENCE_S = 10.0
BEAT_S = 15.0
_READ_BYTES_MAX = 16_000_000
_READ_HERE_BYTES_MAX = 1_000_000
"""A longer answer is read in a thread."""
_BEAT = b": keep-alive\n\n"
_DONE = b"data: [DONE]\n\n"
_JSON = (b"content-type", b"application/json")
_EVENTS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(dict[str, Any])


class Telling:
    """The answer of one attempt, told as a chat completion."""

    def __init__(
        self,
        routed: RoutedRequest,
        asks: Asked | None,
        client: Client,
        about: Literal["image", "video"],
        headers: Callable[[], Headers],
    ) -> None:
        """`asks` is what the body asks for; `headers` makes our own, as they are by then."""
        self._client = client
        self._headers = headers
        self._about = about
        self._model = routed.model
        self._request_id = routed.request.request_id
        self._created = int(time.time())
        self._streamed = asks is not None and asks.fields.get("stream") is True
        self._counted = asks is not None and chat.counts_tokens(asks)

    @asynccontextmanager
    async def keep_alive(self) -> AsyncIterator[None]:
        """Keep the client's connection alive while the backend works."""
        if not self._streamed:
            yield
            return
        task = asyncio.create_task(self._send_beats())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def read_content(
        self, begun: bytes, answer: ServerAnswer, secrets: tuple[bytes, ...]
    ) -> str:
        """Read a success, of which `begun` was read, without `secrets`; empty: it holds no result.

        Raises `TransportFailure`.
        """
        parts = [begun]
        taken = len(begun)
        async for chunk in answer:
            taken += len(chunk)
            if taken > _READ_BYTES_MAX:
                break
            parts.append(chunk)
        encoding = answer.header_text(b"content-encoding").strip().lower()
        read = partial(
            _content_of, encoding, parts, spellings_of(secrets), film=self._about == "video"
        )
        return await asyncio.to_thread(read) if taken > _READ_HERE_BYTES_MAX else read()

    async def tell_content(self, content: str) -> None:
        """Tell the client what was read."""
        if self._streamed:
            await self._finish_stream(content)
            return
        told = chat.completion_of(content, self._model, self._request_id, self._created)
        body = _encoder.encode(told)
        length = (b"content-length", str(len(body)).encode())
        await self._client.answer_whole(200, [_JSON, length, *self._headers()], body)

    async def _finish_stream(self, content: str) -> None:
        await self._begin_stream()
        told = self._chunk_event({"content": content}) + self._chunk_event({}, last=True)
        if self._counted:
            told += self._as_event(chat.usage_chunk(self._model, self._request_id, self._created))
        await self._client.send_body(told + _DONE, more=False)

    async def _send_beats(self) -> None:
        if not self._client.begun:
            await asyncio.sleep(SILENCE_S)
            await self._begin_stream()
        while True:
            await asyncio.sleep(BEAT_S)
            await self._client.send_body(_BEAT, more=True)

    async def _begin_stream(self) -> None:
        if not self._client.begun:
            await self._client.start_answer(200, [*_EVENTS, *self._headers()], events=True)
            await self._client.send_body(
                self._chunk_event({"role": "assistant", "content": ""}), more=True
            )

    def _chunk_event(self, delta: dict[str, str], *, last: bool = False) -> bytes:
        told = chat.completion_chunk(delta, self._model, self._request_id, self._created, last=last)
        return self._as_event(told)

    @staticmethod
    def _as_event(told: Fields) -> bytes:
        return b"data: " + _encoder.encode(told) + b"\n\n"


def _content_of(
    encoding: str, parts: list[bytes], secrets: tuple[bytes, ...], *, film: bool
) -> str:
    """Read what a backend's answer tells, without `secrets`; empty: no result."""
    plain = expand_body(encoding, b"".join(parts), _READ_BYTES_MAX)
    try:
        said = _decoder.decode(plain if isinstance(plain, bytes) else b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = {}
    return hide_secrets(chat.content_of(said, film=film), secrets, CONCEALED)

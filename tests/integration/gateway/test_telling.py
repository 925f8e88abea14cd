"""A streamed chat over a backend that is silent for minutes."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from contracts.base import KeyId, ServiceType
from contracts.gateway import KeyBounds
from services.gateway.clients.answers import Client
from services.gateway.clients.keys import Key, KeyScope
from services.gateway.clients.request import Request, RoutedRequest
from services.gateway.dialects.words import Asked
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.upstream import telling as told
from services.gateway.relay.upstream.telling import Telling
from tests.waiting import until

pytestmark = pytest.mark.anyio

ANSWER = b'{"created":1,"data":[{"url":"https://x/a.png"}]}'


class Heard:
    """A client that keeps what it hears."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.aborted = False

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    def abort(self) -> None:
        self.aborted = True

    @property
    def text(self) -> str:
        return b"".join(one.get("body", b"") for one in self.messages).decode()


def telling_of(*, stream: bool, **fields: Any) -> tuple[RoutedRequest, Client, Heard, Telling]:
    scope = {"method": "POST", "path": "/v1/chat/completions", "query_string": b"", "headers": []}
    request = Request(scope)
    key = Key(key_id=KeyId("key_1"), name="one", scope=KeyScope.CLIENT, bounds=KeyBounds(), hash="")
    routed = RoutedRequest(
        request=request,
        key=key,
        model="m",
        service_type=ServiceType("image"),
        units=1,
        per_item=False,
    )
    asks = Asked(request.path, request.request_id, {"stream": stream, **fields})
    heard = Heard()
    client = Client(heard.send, heard.abort)
    telling = Telling(routed, asks, client, "image", lambda: [(b"x-own", b"1")])
    return routed, client, heard, telling


async def told_of(
    telling: Telling, begun: bytes, rest: Any, secrets: tuple[bytes, ...] = ()
) -> str:
    """Read an answer and, where it holds a result, tell it."""
    content = await telling.read_content(begun, rest, secrets)
    if content:
        await telling.tell_content(content)
    return content


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes as milliseconds."""
    monkeypatch.setattr(told, "SILENCE_S", 0.05)
    monkeypatch.setattr(told, "BEAT_S", 0.02)


class Said:
    """What is left of an answer, after its first bytes."""

    def __init__(self, *rest: bytes, encoding: bytes = b"") -> None:
        self._rest = rest
        self._encoding = encoding

    def header_text(self, name: bytes) -> str:
        return self._encoding.decode() if name == b"content-encoding" else ""

    async def __aiter__(self) -> Any:
        for chunk in self._rest:
            yield chunk


def said(*rest: bytes, encoding: bytes = b"") -> Any:
    return Said(*rest, encoding=encoding)


def nothing() -> Any:
    return said()


async def test_silence_is_told_by_beats_and_ends_in_the_result(quick: None) -> None:
    _, _, heard, telling = telling_of(stream=True)

    async with telling.keep_alive():
        await until(lambda: heard.text.count(": keep-alive") >= 3)
    content = await told_of(telling, ANSWER, nothing())

    assert content == "![image_0](https://x/a.png)"
    assert heard.messages[0]["status"] == 200
    events = [line for line in heard.text.split("\n\n") if line.startswith("data: {")]
    deltas = [json.loads(event[6:])["choices"][0] for event in events]
    assert [one["delta"] for one in deltas] == [
        {"role": "assistant", "content": ""},
        {"content": "![image_0](https://x/a.png)"},
        {},
    ]
    assert deltas[-1]["finish_reason"] == "stop"
    assert heard.text.endswith("data: [DONE]\n\n")


async def test_credential_in_a_result_is_not_told() -> None:
    _, _, heard, telling = telling_of(stream=False)
    secret = b"5f2b77aa0c1d4e6f"
    body = b'{"data":[{"url":"https://x/\\u0035' + secret[1:] + b'"}]}'

    await told_of(telling, body, nothing(), (b"http", secret))

    assert "![image_0](https://x/(credential))" in heard.text
    assert secret.decode() not in heard.text


async def test_failure_before_the_head_keeps_its_status(quick: None) -> None:
    _, client, heard, telling = telling_of(stream=True)

    async with telling.keep_alive():
        await asyncio.sleep(0)
    await client.answer_error(GatewayError("upstream_error", "no"), [])

    assert heard.messages[0]["status"] == 502


async def test_failure_after_the_head_is_an_event_and_no_proper_end(quick: None) -> None:
    _, client, heard, telling = telling_of(stream=True)

    async with telling.keep_alive():
        await until(lambda: client.begun)
    await client.answer_error(GatewayError("upstream_error", "no"), [])

    assert '"code":"upstream_error"' in heard.text
    assert "[DONE]" not in heard.text
    assert heard.aborted


async def test_another_attempt_goes_on_beating_where_the_first_left_off(quick: None) -> None:
    routed, client, heard, telling = telling_of(stream=True)
    async with telling.keep_alive():
        await until(lambda: client.begun)

    asks = Asked(routed.request.path, routed.request.request_id, {"stream": True})
    again = Telling(routed, asks, client, "image", list)
    async with again.keep_alive():
        await until(lambda: ": keep-alive" in heard.text)
    await told_of(again, ANSWER, nothing())

    assert heard.text.count('"role"') == 1
    assert [one["type"] for one in heard.messages].count("http.response.start") == 1


async def test_nothing_is_written_after_the_beats_are_ended(quick: None) -> None:
    _, client, heard, telling = telling_of(stream=True)

    async def waited() -> None:
        async with telling.keep_alive():
            await until(lambda: client.begun)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await waited()
    before = len(heard.messages)

    await asyncio.sleep(0.1)

    assert len(heard.messages) == before


async def test_whole_completion_is_told_at_once_and_does_not_beat(quick: None) -> None:
    routed, _, heard, telling = telling_of(stream=False)

    async with telling.keep_alive():
        await asyncio.sleep(0.1)

    assert heard.messages == []

    await told_of(telling, ANSWER, nothing())

    completion = json.loads(heard.text)
    assert completion["choices"][0]["message"]["content"] == "![image_0](https://x/a.png)"
    assert completion["id"] == f"chatcmpl-{routed.request.request_id}"


@pytest.mark.parametrize("answer", [b"[]", b"{", b'{"data":[{"embedding":[1]}]}'])
async def test_answer_without_a_result_to_tell_is_an_outcome_nobody_knows(answer: bytes) -> None:
    _, _, heard, telling = telling_of(stream=False)

    assert await told_of(telling, answer, nothing()) == ""
    assert heard.messages == []


async def test_long_answer_is_read_on_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, heard, telling = telling_of(stream=False)
    await told_of(telling, ANSWER[:20], said(ANSWER[20:]))

    assert "a.png" in heard.text

    monkeypatch.setattr(told, "_READ_BYTES_MAX", 30)
    _, _, heard, telling = telling_of(stream=False)
    assert await told_of(telling, ANSWER[:20], said(ANSWER[20:])) == ""


async def test_answer_in_an_encoding_is_told_all_the_same() -> None:
    body = gzip.compress(ANSWER)
    _, _, heard, telling = telling_of(stream=False)

    await told_of(telling, body[:9], said(body[9:], encoding=b"gzip"))

    assert "a.png" in heard.text


async def test_tokens_are_told_at_the_end_of_a_stream_where_they_are_asked_for() -> None:
    _, _, heard, telling = telling_of(stream=True, stream_options={"include_usage": True})

    await told_of(telling, ANSWER, nothing())

    *_, last, done, _ = heard.text.split("\n\n")

    assert done == "data: [DONE]"
    told = json.loads(last[6:])
    assert told["choices"] == []
    assert told["usage"]["total_tokens"] == 0

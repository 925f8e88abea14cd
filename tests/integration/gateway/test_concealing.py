"""A server that repeats the credential that it was sent: in a body, in events, in a download."""

import asyncio
import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from nats.aio.client import Client

from contracts.pool import Outcome, UsageRecorded, Verdict
from tests.integration.gateway.bench import IMAGES, Front, at, front
from tests.integration.gateway.upstreams import Behaviour, body_of, head_of, upstream

pytestmark = pytest.mark.anyio
JSON = "Content-Type: application/json"
EVENTS = "Content-Type: text/event-stream"
IMAGE = "Content-Type: image/png"


def echoing(
    said: list[str], *chunks: bytes, kind: str = JSON, packed: bool = False, length: bool = False
) -> Behaviour:
    """Answer with these, in which `@@` stands for the token, `@|@` for one cut in two."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        await body_of(reader, head)
        found = re.search(rb"uthorization: Bearer (\S+)", head)
        assert found is not None
        token = found[1]
        said.append(token.decode())
        pieces = [chunk.replace(b"@@", token) for chunk in chunks]
        whole = b"".join(pieces)
        if packed:
            whole = gzip.compress(whole)
            pieces = [whole]
        framing = b"Content-Length: %d" % len(whole) if length else b"Connection: close"
        encoding = b"Content-Encoding: gzip\r\n" if packed else b""
        writer.write(
            b"HTTP/1.1 200 OK\r\n%b\r\n%bETag: e\r\n%b\r\n\r\n" % (kind.encode(), encoding, framing)
        )
        for piece in pieces:
            half = len(piece) - 8 if token in piece else len(piece)
            for part in (piece[:half], piece[half:]):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.02)

    return behave


async def read_on(gate: Front, got: bytearray) -> None:
    """Ask, and keep what comes until it breaks off."""
    headers = {"Authorization": f"Bearer {gate.key}"}
    way = gate.http.stream("POST", IMAGES, headers=headers, json={"model": "m"})
    async with way as answer:
        async for chunk in answer.aiter_bytes():
            got += chunk


@pytest.mark.parametrize("length", [False, True])
@pytest.mark.parametrize("packed", [False, True])
async def test_credential_in_a_short_body_is_concealed_and_its_length_told(
    nats_client: Client,
    nats_url: str,
    tmp_path: Path,
    length: bool,  # noqa: FBT001 (a table's column)
    packed: bool,  # noqa: FBT001
) -> None:
    said: list[str] = []
    body = b'{"data":[{"url":"http://x/?token=@@"}]}'
    behave = echoing(said, body, packed=packed, length=length)
    async with upstream(behave) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask()
        (ended,) = await gate.journalled(UsageRecorded)
        counted = gate.gateway.metrics.echoed.labels("one")

    hidden = b"(credential)"
    assert answer.content == body.replace(b"@@", hidden)
    assert answer.headers.get_list("content-length") == [str(len(answer.content))]
    assert not {"etag", "content-encoding"} & {*answer.headers}
    assert (ended.outcome, ended.cut) == (Outcome.SETTLED, False)
    assert counted._value.get() == 1


@pytest.mark.parametrize(
    ("kind", "length"),
    [(EVENTS, False), (EVENTS, True), ("Content-Type: image/png", False), (JSON, False)],
)
async def test_longer_answer_is_cut_where_the_credential_begins(
    nats_client: Client, nats_url: str, tmp_path: Path, kind: str, *, length: bool
) -> None:
    said: list[str] = []
    before = b'data: {"a":1}\n\n'
    rest = b"x" * 70_000 if kind == JSON else b"\n\ndata: [DONE]\n\n"
    behave = echoing(said, before, b"token @@", rest, kind=kind, length=length)
    got = bytearray()
    async with upstream(behave) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)

        with pytest.raises(httpx.RemoteProtocolError):
            await read_on(gate, got)
        (ended,) = await gate.journalled(UsageRecorded)

    assert got.startswith(before + b"token ")
    assert said[0].encode() not in got
    assert b"[DONE]" not in got
    assert (b'"code":"upstream_outcome_unknown"' in got) is (kind == EVENTS)
    assert (ended.outcome, ended.verdict, ended.cut) == (Outcome.SETTLED, Verdict.SUCCESS, True)
    assert said[0] not in repr(ended)


async def test_nothing_is_left_of_a_credential_at_which_a_long_message_is_cut(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    said: list[str] = []
    before = '{"code":-2001,"message":"' + "积" * 330
    body = before.encode() + b"@@" + b"A" * 70_000 + b'","data":null}'
    behave = echoing(said, body)
    async with upstream(behave) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask()
        (ended,) = await gate.journalled(UsageRecorded)

    assert "积" * 300 in answer.text
    assert said[0][:5] not in answer.text
    assert said[0][:5] not in repr(ended)


async def test_events_pass_as_they_come_while_they_are_looked_at(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    said: list[str] = []
    events = [b"data: %d\n\n" % number for number in range(20)]
    behave = echoing(said, *events, kind=EVENTS)
    async with upstream(behave) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask()

    assert answer.content == b"".join(events)


Sent = Callable[[bytes], list[bytes]]
"""The chunks of a body that repeats this token."""
LONG = b'{"data":[{"url":"http://x/?t=@@"}],"more":"' + b"A" * 70_000 + b'"}'
EVENT = b'data: {"a":1}\n\n'


def in_members(text: bytes) -> list[bytes]:
    return [gzip.compress(text[:20]), gzip.compress(text[20:])]


def compressed(said: list[str], kind: str, encoding: str, packed: Sent) -> Behaviour:
    """Answer in an encoding that nobody asked for."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        await body_of(reader, head)
        found = re.search(rb"uthorization: Bearer (\S+)", head)
        assert found is not None
        said.append(found[1].decode())
        chunks = packed(found[1])
        named = b"%b\r\nContent-Encoding: %b\r\nETag: e" % (kind.encode(), encoding.encode())
        length = b"Content-Length: %d" % sum(map(len, chunks))
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n%b\r\n\r\n" % (named, length))
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()

    return behave


@pytest.mark.parametrize(
    ("kind", "encoding", "packed"),
    [
        (EVENTS, "gzip", lambda token: [gzip.compress(EVENT + token)]),
        (EVENTS, "GZIP", lambda token: [gzip.compress(EVENT + token)]),
        (EVENTS, "x-gzip", lambda token: [gzip.compress(EVENT + token)]),
        (EVENTS, "deflate", lambda token: [zlib.compress(EVENT + token)]),
        (EVENTS, "gzip", lambda token: [gzip.compress(EVENT), gzip.compress(token)]),
        (JSON, "gzip", lambda token: [gzip.compress(LONG.replace(b"@@", token))]),
        (JSON, "gzip", lambda token: in_members(LONG.replace(b"@@", token))),
        (IMAGE, "gzip", lambda token: [gzip.compress(token + b"x" * 10_000)]),
    ],
)
async def test_credential_is_cut_off_in_an_answer_that_came_compressed(
    nats_client: Client, nats_url: str, tmp_path: Path, kind: str, encoding: str, packed: Sent
) -> None:
    said: list[str] = []
    got = bytearray()
    async with (
        upstream(compressed(said, kind, encoding, packed)) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: at(server.url)

        with pytest.raises(httpx.RemoteProtocolError):
            await read_on(gate, got)
        (ended,) = await gate.journalled(UsageRecorded)

    begun = {EVENTS: EVENT, JSON: LONG.partition(b"@@")[0], IMAGE: b""}[kind]
    assert got.startswith(begun)
    assert said[0].encode() not in got
    assert (ended.outcome, ended.cut) == (Outcome.SETTLED, True)


async def test_credential_in_a_further_member_is_concealed(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    said: list[str] = []
    body = b'{"data":[{"url":"http://x/?token=@@"}]}'
    behave = compressed(said, JSON, "gzip", lambda token: in_members(body.replace(b"@@", token)))
    async with upstream(behave) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask()

    assert answer.content == body.replace(b"@@", b"(credential)")
    assert not {"etag", "content-encoding"} & {*answer.headers}


@pytest.mark.parametrize("kind", [EVENTS, JSON, IMAGE])
@pytest.mark.parametrize("length", [20, 70_000])
async def test_answer_that_came_compressed_is_passed_on_as_it_reads(
    nats_client: Client, nats_url: str, tmp_path: Path, kind: str, length: int
) -> None:
    body = b'{"data":[{"b64_json":"' + b"A" * length + b'"}]}'
    behave = compressed([], kind, "gzip", lambda _: [gzip.compress(body)])
    async with upstream(behave) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask()
        (ended,) = await gate.journalled(UsageRecorded)

    assert answer.content == body
    assert not {"etag", "content-encoding"} & {*answer.headers}
    assert (ended.outcome, ended.cut) == (Outcome.SETTLED, False)


@pytest.mark.parametrize("kind", [EVENTS, JSON, IMAGE])
@pytest.mark.parametrize("encoding", ["br", "gzip, gzip"])
async def test_answer_that_cannot_be_looked_at_is_not_passed_on(
    nats_client: Client, nats_url: str, tmp_path: Path, kind: str, encoding: str
) -> None:
    behave = compressed([], kind, encoding, lambda token: [token * 4000])
    async with upstream(behave) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask()
        (ended,) = await gate.journalled(UsageRecorded)

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_outcome_unknown"
    assert ended.verdict is Verdict.OUTCOME_UNKNOWN

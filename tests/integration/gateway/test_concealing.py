"""A server that repeats the credential that it was sent: in a body, in events, in a download."""

import asyncio
import gzip
import re
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


async def read(gate: Front, got: bytearray) -> None:
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
            await read(gate, got)
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

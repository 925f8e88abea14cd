"""A streamed chat in a fleet of which some servers are translated for, and some are not."""

import asyncio
import contextlib
from pathlib import Path

import httpx
import msgspec
import pytest
from nats.aio.client import Client

from contracts.balancer import ServerChanged
from contracts.pool import Outcome, UsageRecorded
from services.gateway.relay.upstream import telling
from tests.integration.gateway.bench import at, front, saying
from tests.integration.gateway.upstreams import body_of, head_of, upstream
from tests.unit.balancer.builders import pool_envelope, server

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
REFUSAL = '{"code":-2001,"message":"图片上传失败: [登录失效]","data":null}'.encode()
EVENTS = b'data: {"a":1}\n\ndata: [DONE]\n\n'


async def refuse_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the client has been told to wait, and then refuse the session."""
    await body_of(reader, await head_of(reader))
    await asyncio.sleep(0.3)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(REFUSAL), REFUSAL))
    await writer.drain()


@pytest.mark.parametrize(
    ("kind", "body", "end"),
    [
        ("text/event-stream", EVENTS, EVENTS.decode()),
        ("application/json", b'{"data":[{"url":"u"}]}', "upstream_outcome_unknown"),
    ],
)
async def test_a_stream_that_was_begun_goes_on_at_a_server_that_speaks_for_itself(
    kind: str,
    body: bytes,
    end: str,
    monkeypatch: pytest.MonkeyPatch,
    nats_client: Client,
    nats_url: str,
    tmp_path: Path,
) -> None:
    """The first is silent until the gateway speaks for it, and refuses; the second answers."""
    monkeypatch.setattr(telling, "SILENCE_S", 0.05)
    async with (
        upstream(refuse_late) as silent,
        upstream(saying(200, body, f"Content-Type: {kind}")) as plain,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.knows(one=silent.url, two=plain.url)
        changed = ServerChanged(
            server=msgspec.structs.replace(server("one", url=at(silent.url).url), dialect="jimeng")
        )
        gate.gateway.fleet_log.fleet.apply_envelope(pool_envelope(changed))
        first = msgspec.structs.replace(at(silent.url), dialect="jimeng")
        chosen = iter([first, at(plain.url, "two")])
        gate.chosen = lambda _: next(chosen)
        said = [{"role": "user", "content": "a gate"}]
        asked = {"model": "jimeng-4.0", "stream": True, "messages": said}
        headers = {"Authorization": f"Bearer {gate.key}"}
        text = ""

        async with gate.http.stream("POST", CHAT, json=asked, headers=headers) as answer:
            with contextlib.suppress(httpx.RemoteProtocolError):
                async for piece in answer.aiter_text():
                    text += piece

        assert answer.status_code == 200
        assert text.startswith('data: {"id"')
        assert end in text
        ends = await gate.journalled(UsageRecorded)
        assert [usage.outcome for usage in ends] == [Outcome.RELEASED, Outcome.SETTLED]

"""What a client is told when servers, or the balancer that names them, fail."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace
from nats.aio.client import Client

from contracts.balancer import Selected, SelectServer
from contracts.pool import Outcome, UsageRecorded, Verdict
from runtime.nats import natsserver
from runtime.quantities import Seconds
from tests.integration.gateway.bench import IMAGES, NOBODY, at, front, saying
from tests.integration.gateway.upstreams import body_of, head_of, upstream

pytestmark = pytest.mark.anyio


def nowhere() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{natsserver.free_port()}"


async def test_balancer_that_falls_silent_after_a_failed_try_is_no_backend(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path, failover_wait=Seconds(1.5)) as gate:

        def once(_: SelectServer) -> Selected:
            gate.chosen = None
            return at(nowhere())

        gate.chosen = once

        answer = await gate.ask()

        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_backend")
        assert answer.headers["retry-after"] == "5"
        assert gate.asked[-1].failed is not None
        (ended,) = await gate.journalled(UsageRecorded)
        assert ended.outcome is Outcome.RELEASED


async def test_no_other_server_after_a_failed_try_is_an_upstream_error(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda wanted: NOBODY if wanted.avoid else at(nowhere())

        answer = await gate.ask()

        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
        assert answer.headers["x-should-retry"] == "true"


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_what_was_generated_or_went_wrong_is_stored_nowhere(
    nats_client: Client, nats_url: str, tmp_path: Path, status: int
) -> None:
    said = saying(status, b'{"data":[{"url":"u","id":"m"}]}', "Cache-Control: public, max-age=60")
    async with upstream(said) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        gate.knows(one=server.url)
        done = await gate.ask()
        unknown = await gate.ask(key="sk-nobody")
        token = await gate.ask(path="/token/check", key=gate.admin_key)
        models = await gate.ask("GET", "/v1/models")

    for answer in (done, unknown, token):
        assert answer.headers.get_list("cache-control") == ["no-store"]
    kept = "public, max-age=300" if status == 200 else "no-store"
    assert models.headers.get_list("cache-control") == [kept]


class Flaky:
    """A server declared idempotent that fails the first time it is asked."""

    def __init__(self, *headers: str) -> None:
        self.heads: list[bytes] = []
        self._first = b"".join(b"\r\n" + header.encode() for header in headers)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.heads.append(await head_of(reader))
            await body_of(reader, self.heads[-1])
            if len(self.heads) == 1:
                writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0" + self._first + b"\r\n\r\n")
            else:
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"data":["u"]}')
            await writer.drain()


@pytest.mark.parametrize(
    ("asks_for", "status", "attempts"), [("Retry-After: 0", 200, 2), ("Retry-After: 60", 502, 1)]
)
async def test_idempotent_server_is_asked_again_unless_it_wants_more_time_than_there_is(
    nats_client: Client, nats_url: str, tmp_path: Path, asks_for: str, status: int, attempts: int
) -> None:
    flaky = Flaky(asks_for)
    async with upstream(flaky) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: replace(at(server.url), idempotent=True)
        answer = await gate.ask()
        (ended,) = await gate.journalled(UsageRecorded)

    assert answer.status_code == status
    assert len(flaky.heads) == len(ended.attempts) == attempts
    assert len(gate.asked) == 1
    ids = {line for head in flaky.heads for line in head.split(b"\r\n") if b"request-id" in line}
    assert len(ids) == 1


async def test_what_may_have_been_done_is_repeated_at_its_server_and_at_no_other(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        listening.close()
        writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    def chosen(_: SelectServer) -> Selected:
        first = len(gate.asked) == 1
        return replace(at(gone), idempotent=True) if first else at(other.url)

    listening = await asyncio.start_server(dying, "127.0.0.1", 0)
    gone = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/images/generations"
    willing = saying(200, b'{"data":["u"]}')
    async with upstream(willing) as other, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = chosen
        answer = await gate.ask()
        (ended,) = await gate.journalled(UsageRecorded)

    assert answer.json()["error"]["code"] == "upstream_outcome_unknown"
    assert other.connections == 0
    assert ended.outcome is Outcome.UNKNOWN
    verdicts = [tried.verdict for tried in ended.attempts]
    assert verdicts == [Verdict.OUTCOME_UNKNOWN, Verdict.UNREACHABLE]


async def test_key_that_is_revoked_during_an_attempt_gets_no_further_lease(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    expired = saying(200, b'{"code":-2002,"message":"login expired"}')

    async def revoking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        keys = gate.gateway.key_log
        key = keys.find_key(gate.key)
        if key is not None:
            await keys.revoke_key(key.key_id, "lost", "test")
        await expired(reader, writer)

    async with upstream(revoking) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask()
        ends = await gate.journalled(UsageRecorded)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert [one.verdict for one in ends] == [Verdict.LOGIN_EXPIRED]


async def collect(chunks: AsyncIterator[bytes], got: bytearray) -> None:
    async for chunk in chunks:
        got += chunk


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "identity"])
async def test_stream_that_breaks_off_has_our_word_in_plain_text(
    nats_client: Client, nats_url: str, tmp_path: Path, encoding: str
) -> None:
    """A packed stream is cut: what arrived comes unpacked, with our error behind it."""
    plain = bytes(range(256)) * 300
    packing = zlib.compressobj(wbits=15 if encoding == "deflate" else 31)
    packed = packing.compress(plain) + packing.flush(zlib.Z_SYNC_FLUSH)
    if encoding == "identity":
        packed = plain

    async def cuts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: %b\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n"
            % (encoding.encode(), len(packed), packed)
        )
        await writer.drain()

    got = bytearray()
    async with upstream(cuts) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        headers = {"Authorization": f"Bearer {gate.key}"}
        way = gate.http.stream("POST", IMAGES, headers=headers, json={"model": "m"})
        async with way as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                await collect(answer.aiter_raw(), got)
        (ended,) = await gate.journalled(UsageRecorded)

    assert ended.cut
    assert got[: len(plain)] == plain
    assert b"upstream_outcome_unknown" in got[len(plain) :]

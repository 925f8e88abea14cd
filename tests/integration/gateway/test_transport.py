"""The transport against servers that behave: framing, reuse, limits, memory."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.transport import MaybeSentError, NothingSentError, ServerAnswer, Transport
from tests.integration.gateway.upstreams import (
    OK,
    answering,
    body_of,
    certificate,
    echo,
    head_of,
    request,
    streamed,
    upstream,
)

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

MB = 1024 * 1024


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def test_a_connection_is_used_again(transport: Transport) -> None:
    async with upstream(answering(OK)) as server:
        first = await transport.handle_async_request(request(server.url))
        assert await first.aread() == b"ok"
        second = await transport.handle_async_request(request(server.url))
        assert await second.aread() == b"ok"

        assert server.connections == 1
        assert first.extensions["reused"] is False
        assert first.extensions["connect_ms"] > 0
        assert second.extensions["reused"] is True
        assert second.extensions["connect_ms"] == 0


async def test_connections_in_use_at_once_are_kept_up_to_the_bound() -> None:
    transport = Transport(idle_max=2)
    async with upstream(answering(OK)) as server:
        await asyncio.gather(
            *(transport.handle_async_request(request(server.url)) for _ in range(5))
        )

        assert server.connections == 5
        again = await asyncio.gather(
            *(transport.handle_async_request(request(server.url)) for _ in range(3))
        )
        assert sum(answer.extensions["reused"] for answer in again) == 2
    await transport.aclose()


async def test_idle_connections_expire(transport: Transport) -> None:
    gone = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        writer.write(OK)
        assert await reader.read() == b""
        gone.set()

    transport = Transport(reuse_idle_s=0.05)
    async with upstream(behave) as server:
        await transport.handle_async_request(request(server.url))
        async with asyncio.timeout(5):
            await gone.wait()


async def test_each_idle_connection_expires_by_itself() -> None:
    transport = Transport(reuse_idle_s=0.3)
    async with upstream(answering(OK)) as kept, upstream(answering(OK)) as closed:
        two = [transport.handle_async_request(request(kept.url)) for _ in range(2)]
        await asyncio.gather(*two)
        await transport.handle_async_request(request(closed.url))
        for task in closed.tasks:
            task.cancel()
        for _ in range(4):
            await asyncio.sleep(0.1)
            await transport.handle_async_request(request(kept.url))

        assert kept.connections == 2
        again = await asyncio.gather(
            *(transport.handle_async_request(request(kept.url)) for _ in range(2))
        )
        assert [answer.extensions["reused"] for answer in again] == [True, False]
    await transport.aclose()


async def test_closed_connections_do_not_take_the_place_of_living_ones() -> None:
    transport = Transport(idle_max=1)
    first_is_closed = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        await body_of(reader, head)
        if b"X-Close" not in head:
            await first_is_closed.wait()
        writer.write(OK)
        while b"X-Close" not in head:
            await body_of(reader, await head_of(reader))
            writer.write(OK)

    async with upstream(behave) as server:
        closing = request(server.url)
        closing.headers["X-Close"] = "1"
        living = asyncio.create_task(transport.handle_async_request(request(server.url)))
        await transport.handle_async_request(closing)
        await asyncio.sleep(0.05)
        first_is_closed.set()
        await living
        again = await transport.handle_async_request(request(server.url))

        assert again.extensions["reused"] is True
    await transport.aclose()


async def test_a_closed_transport_keeps_no_connection(transport: Transport) -> None:
    async with upstream(answering(OK)) as server:
        await transport.aclose()
        for _ in range(2):
            await transport.handle_async_request(request(server.url))

        assert server.connections == 2


async def test_a_body_that_has_arrived_is_one_chunk(transport: Transport) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    async with upstream(answering(chunked)) as server:
        response = await transport.handle_async_request(request(server.url))
        assert isinstance(response.stream, ServerAnswer)
        assert response.stream.whole_body() == b"abc"
        response = await transport.handle_async_request(request(server.url))
        assert [chunk async for chunk in response.stream] == [b"abc"]
        assert server.connections == 1


async def test_whole_is_none_while_the_body_is_still_coming(transport: Transport) -> None:
    more = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        await more.wait()
        writer.write(b"def")

    async with upstream(behave) as server:
        response = await transport.handle_async_request(request(server.url))
        assert isinstance(response.stream, ServerAnswer)
        assert response.stream.whole_body() is None
        body = aiter(response.stream)
        assert await anext(body) == b"abc"
        more.set()
        assert await anext(body) == b"def"
        assert response.stream.whole_body() == b""


async def test_headers_stay_as_they_came_and_repeated(transport: Transport) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-Empty:\r\nset-cookie: b=2\r\n"
        b"Content-Encoding: gzip\r\nLocation: /x\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x00"
    )
    async with upstream(answering(answer)) as server:
        response = await transport.handle_async_request(request(server.url))

        assert response.headers.raw == [
            (b"Set-Cookie", b"a=1"),
            (b"X-Empty", b""),
            (b"set-cookie", b"b=2"),
            (b"Content-Encoding", b"gzip"),
            (b"Location", b"/x"),
            (b"Content-Length", b"3"),
        ]
        assert isinstance(response.stream, ServerAnswer)
        assert response.stream.whole_body() == b"\x1f\x8b\x00"


async def test_interim_answers_are_passed_over(transport: Transport) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with upstream(answering(interim + OK)) as server:
        for _ in range(2):
            response = await transport.handle_async_request(request(server.url))
            assert response.status_code == 200
            assert response.headers.raw == [(b"Content-Length", b"2")]
            assert await response.aread() == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body_end_with_their_head(
    transport: Transport, status: int
) -> None:
    async with upstream(answering(b"HTTP/1.1 %d X\r\nETag: 1\r\n\r\n" % status)) as server:
        for _ in range(2):
            response = await transport.handle_async_request(request(server.url))
            assert response.status_code == status
            assert await response.aread() == b""
        assert server.connections == 1


async def test_the_answer_to_head_has_a_length_and_no_body(transport: Transport) -> None:
    async with upstream(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")) as server:
        response = await transport.handle_async_request(httpx.Request("HEAD", server.url))

        assert response.headers["content-length"] == "5000"
        assert await response.aread() == b""

        await transport.handle_async_request(request(server.url))

        assert server.connections == 2


async def test_a_body_may_end_with_the_connection(transport: Transport) -> None:
    answer = answering(b"HTTP/1.1 200 OK\r\n\r\nall of it", then_close=True)
    async with upstream(answer) as server:
        response = await transport.handle_async_request(request(server.url))

        assert await response.aread() == b"all of it"


async def test_a_connection_the_server_wants_closed_is_not_used_again(
    transport: Transport,
) -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with upstream(answering(closing)) as server:
        for _ in range(2):
            response = await transport.handle_async_request(request(server.url))
            assert await response.aread() == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize("extra", [b"GARBAGE", b"H", OK, b"\0" * 10])
async def test_bytes_after_the_answer_spoil_the_connection(
    transport: Transport, extra: bytes
) -> None:
    async with upstream(answering(OK + extra)) as server:
        for _ in range(2):
            response = await transport.handle_async_request(request(server.url))
            assert await response.aread() == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize("seen", [True, False], ids=["seen by the loop", "only by the socket"])
async def test_a_connection_that_speaks_while_idle_is_not_used_again(
    transport: Transport, *, seen: bool
) -> None:
    spoken = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        writer.write(OK)
        await asyncio.sleep(0.01)
        writer.write(OK)
        await writer.drain()
        spoken.set()
        await reader.read()

    async with upstream(behave) as server:
        await transport.handle_async_request(request(server.url))
        await spoken.wait()
        if seen:
            await asyncio.sleep(0.05)
        response = await transport.handle_async_request(request(server.url))

        assert response.extensions["reused"] is False


async def test_trailers_are_no_headers_of_this_answer_or_the_next(transport: Transport) -> None:
    trailed = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nok\r\n0\r\nX-Trailer: 1\r\nX-Other: 2\r\n\r\n"
    )
    async with upstream(answering(trailed)) as server:
        for _ in range(2):
            response = await transport.handle_async_request(request(server.url))
            assert response.headers.raw == [(b"Transfer-Encoding", b"chunked")]
            assert await response.aread() == b"ok"


async def test_requests_are_framed_as_they_ask(transport: Transport) -> None:
    """The upstream echoes what it was sent: each way to give a body is read off the wire."""
    async with upstream(echo) as server:

        async def sent(made: httpx.Request) -> bytes:
            return await (await transport.handle_async_request(made)).aread()

        plain = await sent(request(server.url, b"abc"))
        assert b"Content-Length: 3\r\n" in plain
        assert plain.endswith(b"\r\n\r\nabc")
        chunked = await sent(streamed(server.url, pieces(b"ab", b"", b"cd")))
        assert b"Transfer-Encoding: chunked\r\n" in chunked
        assert chunked.endswith(b"\r\n\r\nabcd")
        known = await sent(streamed(server.url, pieces(b"ab", b"cd"), 4))
        assert b"chunked" not in known
        assert known.endswith(b"\r\n\r\nabcd")
        in_memory = httpx.Request(
            "POST",
            server.url,
            headers={"Transfer-Encoding": "chunked"},
            stream=httpx.ByteStream(b"abc"),
        )
        assert (await sent(in_memory)).endswith(b"\r\n\r\nabc")
        empty = httpx.Request(
            "POST",
            server.url,
            headers={"Transfer-Encoding": "chunked"},
            stream=httpx.ByteStream(b""),
        )
        assert (await sent(empty)).endswith(b"chunked\r\nHost: " + empty.url.netloc + b"\r\n\r\n")
        bare = httpx.Request("POST", server.url, stream=httpx.ByteStream(b""))
        assert b"Content-Length: 0\r\n" in await sent(bare)
        get = httpx.Request("GET", server.url, stream=httpx.ByteStream(b""))
        assert b"Content-Length" not in await sent(get)
        headless = httpx.Request("POST", server.url, stream=streamed("", pieces(b"x")).stream)  # type: ignore[arg-type]
        assert b"Transfer-Encoding: chunked\r\n" in await sent(headless)
        assert server.connections == 1


async def test_the_target_is_sent_as_it_stands(transport: Transport) -> None:
    async with upstream(echo) as server:
        made = httpx.Request("GET", server.url, extensions={"target": b"/a%2fb//c?q=%7E[]"})
        body = await (await transport.handle_async_request(made)).aread()

        assert body.startswith(b"GET /a%2fb//c?q=%7E[] HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("headers", "extensions"),
    [
        ([(b"X-A", b"1\r\nX-B: 2")], {}),
        ([(b"X-A", b"1\nX-B: 2")], {}),
        ([(b"X-A", b"\0")], {}),
        ([(b"Content-Length", b"1"), (b"Content-Length", b"2")], {}),
        ([(b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")], {}),
        ([(b"Transfer-Encoding", b"gzip")], {}),
        ([(b"Content-Length", b"7")], {}),
        ([(b"Content-Length", b"x")], {}),
        ([], {"target": b"/ HTTP/1.1\r\nX: "}),
        ([], {"target": b"/a b"}),
    ],
)
async def test_what_would_not_be_one_request_is_not_sent(
    transport: Transport, headers: list[tuple[bytes, bytes]], extensions: dict[str, Any]
) -> None:
    made = httpx.Request(
        "POST",
        "http://127.0.0.1:1/",
        headers=headers,
        stream=httpx.ByteStream(b"ab"),
        extensions=extensions,
    )

    with pytest.raises(NothingSentError) as caught:
        await transport.handle_async_request(made)
    assert caught.value.failure == "request"


async def test_a_body_read_without_a_loop_is_refused(transport: Transport) -> None:
    made = httpx.Request("POST", "http://127.0.0.1:1/", content=iter([b"a"]))
    with pytest.raises(NothingSentError, match="without a loop"):
        await transport.handle_async_request(made)


HEAD_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 11\r\n\r\nhello world"
HEAD_CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: 1\r\n\r\n"
)


@pytest.mark.parametrize("whole", [HEAD_LENGTH, HEAD_CHUNKED], ids=["length", "chunked"])
async def test_an_answer_may_be_split_anywhere(transport: Transport, whole: bytes) -> None:
    """Three parts, cut at many pairs of places, arrive as one answer, on one connection."""
    ends = range(0, len(whole), 7)
    cuts = [(first, second) for first in ends for second in range(first, len(whole), 11)]

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for first, second in cuts:
            await body_of(reader, await head_of(reader))
            for part in (whole[:first], whole[first:second], whole[second:]):
                writer.write(part)
                await asyncio.sleep(0)
                await asyncio.sleep(0)

    async with upstream(behave) as server:
        for _ in cuts:
            response = await transport.handle_async_request(request(server.url))
            assert await response.aread() == b"hello world"
        assert server.connections == 1


@given(sizes=st.lists(st.integers(1, 40), max_size=20), whole=st.sampled_from([0, 1]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_parser_does_not_care_where_bytes_are_cut(sizes: list[int], whole: int) -> None:
    """The same without sockets, so that more cuts are tried."""
    data = (HEAD_LENGTH, HEAD_CHUNKED)[whole]

    class Socket:
        def pause_reading(self) -> None: ...
        def resume_reading(self) -> None: ...

    loop = asyncio.new_event_loop()
    answer = ServerAnswer(loop, Socket(), is_head=False, idle_s=None)  # type: ignore[arg-type]
    at = 0
    for size in [*sizes, len(data)]:
        if at < len(data):
            assert not answer.complete
            assert answer.feed_bytes(data[at : at + size]) is None
        at += size
    loop.close()
    assert answer.whole_body() == b"hello world"
    assert answer.keep_alive


async def test_tls_carries_the_same(transport: Transport, tmp_path: Path) -> None:
    server_context, client_context = certificate(tmp_path)
    transport = Transport(ssl_context=client_context)
    async with upstream(echo, server_context) as server:
        for _ in range(3):
            body = b"x" * 300_000
            response = await transport.handle_async_request(request(server.url, body))
            assert (await response.aread()).endswith(body)
        assert server.connections == 1
    await transport.aclose()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_100_mb_up_and_300_mb_down_in_bounded_memory(transport: Transport) -> None:
    """What the process holds is looked at with each piece that is given or taken."""
    seen = most = 0
    piece = b"x" * MB

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        await head_of(reader)
        while seen < 100 * MB:
            seen += len(await reader.read(MB))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (300 * MB))
        for _ in range(300):
            writer.write(piece)
            await writer.drain()

    async def source() -> AsyncIterator[bytes]:
        nonlocal most
        for _ in range(100):
            yield piece
            most = max(most, resident_bytes())

    async with upstream(behave) as server:
        gc.collect()
        before = resident_bytes()
        response = await transport.handle_async_request(
            streamed(server.url, source(), 100 * MB, idle=10, first_byte=10)
        )

        assert seen == 100 * MB
        got = 0
        async for chunk in response.stream:  # type: ignore[union-attr]
            got += len(chunk)
            most = max(most, resident_bytes())
        assert got == 300 * MB
        assert most - before < 30 * MB


async def test_a_slow_reader_stops_the_server(transport: Transport) -> None:
    written = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await body_of(reader, await head_of(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * MB))
        for _ in range(100):
            writer.write(b"x" * MB)
            await writer.drain()
            written += MB

    async with upstream(behave) as server:
        response = await transport.handle_async_request(request(server.url))
        await asyncio.sleep(0.2)

        assert written < 20 * MB
        assert len(await response.aread()) == 100 * MB


async def test_a_slow_server_stops_the_source(transport: Transport) -> None:
    taken = 0
    read_on = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        await read_on.wait()
        await body_of(reader, head)
        writer.write(OK)

    async def source() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(50):
            taken += MB
            yield b"x" * MB

    async with upstream(behave) as server:
        exchange = asyncio.create_task(
            transport.handle_async_request(streamed(server.url, source()))
        )
        await asyncio.sleep(0.2)

        assert taken < 20 * MB

        read_on.set()

        assert (await exchange).status_code == 200
        assert taken == 50 * MB


async def test_many_exchanges_at_once_leave_nothing_behind(transport: Transport) -> None:
    async with upstream(echo) as server:

        async def one(number: int) -> None:
            body = b"%d" % number
            response = await transport.handle_async_request(request(server.url, body))
            assert (await response.aread()).endswith(b"\r\n\r\n" + body)

        for _ in range(5):
            await asyncio.gather(*(one(number) for number in range(50)))
        assert server.connections == 50
        with pytest.raises(MaybeSentError):
            await transport.handle_async_request(request(server.url, b"x", first_byte=0.0))

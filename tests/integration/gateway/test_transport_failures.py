"""The transport against servers that misbehave: was anything sent? is everything let go?"""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.gateway.transport import (
    MaybeSentError,
    NothingSentError,
    ServerAnswer,
    Transport,
    TransportFailure,
)
from services.gateway.transport.connection import ServerConnection
from tests.integration.gateway.upstreams import (
    OK,
    Behaviour,
    answering,
    body_of,
    certificate,
    head_of,
    request,
    reset,
    streamed,
    upstream,
)

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"


async def failing(transport: Transport, made: httpx.Request) -> TransportFailure:
    """Run an exchange that must fail, before its head or in its body."""
    with pytest.raises(TransportFailure) as caught:
        await (await transport.handle_async_request(made)).aread()
    assert caught.value.sent is ("sent_at" in made.extensions)
    assert isinstance(caught.value, MaybeSentError if caught.value.sent else NothingSentError)
    return caught.value


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# ---------------------------------------------------------------- nothing was sent


async def test_a_refused_connection_sent_nothing(transport: Transport) -> None:
    failure = await failing(transport, request(f"http://127.0.0.1:{free_port()}/"))
    assert (failure.failure, failure.sent) == ("connect", False)


@pytest.mark.parametrize("name", ["nowhere.invalid", "x" * 64 + ".invalid"])
async def test_a_name_that_does_not_resolve_sent_nothing(transport: Transport, name: str) -> None:
    made = request("http://127.0.0.1/")
    made.url = made.url.copy_with(host=name)
    failure = await failing(transport, made)

    assert (failure.failure, failure.sent) == ("dns", False)


async def test_a_connection_that_takes_too_long_sent_nothing(transport: Transport) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with upstream(silent) as server:  # it never answers the TLS handshake
        url = server.url.replace("http:", "https:")
        failure = await failing(transport, request(url, connect=0.05))

        assert (failure.failure, failure.sent) == ("timeout", False)


async def test_a_certificate_nobody_trusts_sent_nothing(
    transport: Transport, tmp_path: Path
) -> None:
    server_context, _ = certificate(tmp_path)
    seen = b""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen = await reader.read()

    async with upstream(behave, server_context) as server:
        failure = await failing(transport, request(server.url))

        assert (failure.failure, failure.sent) == ("tls", False)
        assert seen == b""


async def test_no_tls_on_the_other_side_sent_nothing(transport: Transport) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with upstream(plain) as server:
        failure = await failing(transport, request(server.url.replace("http:", "https:")))

        assert (failure.failure, failure.sent) == ("tls", False)


async def test_a_handshake_that_is_cut_sent_nothing(transport: Transport) -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        reset(writer)

    async with upstream(hangs_up) as server:
        failure = await failing(transport, request(server.url.replace("http:", "https:")))

        assert (failure.failure, failure.sent) == ("tls", False)


async def test_a_stale_connection_is_replaced_before_anything_is_sent(
    transport: Transport,
) -> None:
    closed = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        writer.write(OK)
        await writer.drain()
        closed.set()

    async with upstream(once) as server:
        for number in range(1, 5):
            response = await transport.handle_async_request(request(server.url))
            assert await response.aread() == b"ok"
            assert server.connections == number
            await closed.wait()
            closed.clear()
            if number % 2:
                await asyncio.sleep(0.02)  # once seen by the loop, once only by the socket


async def test_an_end_the_loop_has_not_seen_is_seen_by_the_socket(transport: Transport) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    loop = asyncio.get_running_loop()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

    async def served() -> socket.socket:
        accepted, _ = await loop.sock_accept(listener)
        await loop.sock_recv(accepted, 65536)
        await loop.sock_sendall(accepted, OK)
        return accepted

    first, accepted = await asyncio.gather(transport.handle_async_request(request(url)), served())
    assert await first.aread() == b"ok"
    accepted.close()  # and no turn of the loop before the next exchange
    second, accepted = await asyncio.gather(transport.handle_async_request(request(url)), served())
    assert second.extensions["reused"] is False
    accepted.close()
    listener.close()


async def test_a_connection_closed_before_its_first_use_sent_nothing() -> None:
    loop = asyncio.get_running_loop()
    async with upstream(answering(OK)) as server:
        port = httpx.URL(server.url).port
        _, connection = await loop.create_connection(
            lambda: ServerConnection(loop, lambda _: None), "127.0.0.1", port
        )
        connection.abort_exchange()
        answer = ServerAnswer(loop, connection, is_head=False, idle_s=None)

        with pytest.raises(NothingSentError, match="cut"):
            connection.start_exchange(answer, b"GET / HTTP/1.1\r\n\r\n", uploaded=True)


# ---------------------------------------------------------------- something may have been


async def cut_after_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await body_of(reader, await head_of(reader))


async def reset_after_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await body_of(reader, await head_of(reader))
    reset(writer)


async def reset_in_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await body_of(reader, await head_of(reader))
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
    await writer.drain()
    await asyncio.sleep(0.02)
    reset(writer)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (cut_after_head, "cut"),
        (reset_after_head, "cut"),
        (reset_in_body, "cut"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Le", then_close=True), "cut"),
        (answering(HALF, then_close=True), "cut"),
        (answering(CHUNKED + b"a\r\nhalf", then_close=True), "cut"),
        (answering(CHUNKED + b"4\r\nhalf\r\n", then_close=True), "cut"),
        (answering(CHUNKED + b"4\r\nhalf\r\n0\r\n", then_close=True), "cut"),
        (answering(b"HTTP/1.1 100 Continue\r\n\r\n", then_close=True), "cut"),
        (answering(b"SSH-2.0-garbage\r\n"), "garbage"),
        (answering(b"\x16\x03\x01\x00\xff"), "garbage"),
        (answering(b"HTTP/1.1 999999 X\r\n\r\n"), "garbage"),
        (answering(b"HTTP/1.1 099 X\r\n\r\n"), "garbage"),
        (answering(b"HTTP/1.1 101 X\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"), "garbage"),
        (
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            "garbage",
        ),
        (answering(CHUNKED + b"zz\r\n"), "garbage"),
        (answering(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000), "garbage"),
        (answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"), "garbage"),
        (answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000), "garbage"),
        (answering(CHUNKED + b"0\r\n" + b"X: y\r\n" * 60_000), "garbage"),
    ],
)
async def test_after_the_head_anything_may_have_been_done(
    transport: Transport, behaviour: Behaviour, failure: str
) -> None:
    async with upstream(behaviour) as server:
        caught = await failing(transport, request(server.url))

        assert (caught.failure, caught.sent) == (failure, True)

        await failing(transport, request(server.url))

        assert server.connections == 2


async def test_what_came_before_the_cut_is_read_first(transport: Transport) -> None:
    async with upstream(answering(HALF, then_close=True)) as server:
        response = await transport.handle_async_request(request(server.url))
        body = aiter(response.stream)  # type: ignore[arg-type]

        assert await anext(body) == b"half"
        for _ in range(2):
            with pytest.raises(MaybeSentError, match="cut"):
                await anext(body)


async def test_a_reset_on_a_reused_connection_is_not_tried_again(transport: Transport) -> None:
    async def second_time_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        writer.write(OK)
        await head_of(reader)
        reset(writer)

    async with upstream(second_time_reset) as server:
        await transport.handle_async_request(request(server.url))
        failure = await failing(transport, request(server.url))

        assert (failure.failure, failure.sent) == ("cut", True)
        assert server.connections == 1


async def test_no_answer_in_time_is_a_timeout(transport: Transport) -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        gone.set()

    async with upstream(silent) as server:
        failure = await failing(transport, request(server.url, first_byte=0.05))

        assert (failure.failure, failure.sent) == ("timeout", True)

        async with asyncio.timeout(5):
            await gone.wait()


async def test_an_answer_that_stops_moving_is_a_timeout(transport: Transport) -> None:
    async def stops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(HALF)
        await reader.read(-1)

    async with upstream(stops) as server:
        failure = await failing(transport, request(server.url, first_byte=5, idle=0.05))

        assert (failure.failure, failure.sent) == ("timeout", True)


async def test_an_answer_that_keeps_moving_may_take_longer(transport: Transport) -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(0.03)
            writer.write(b"x")

    async with upstream(slowly) as server:
        made = request(server.url, first_byte=0.2, idle=0.2)

        assert len(await (await transport.handle_async_request(made)).aread()) == 10


async def test_a_reader_who_waits_is_no_timeout(transport: Transport) -> None:
    async with upstream(answering(HALF + b"+ half")) as server:
        response = await transport.handle_async_request(request(server.url, idle=0.02))
        await asyncio.sleep(0.1)

        assert await response.aread() == b"half+ half"


async def test_a_deadline_ends_with_its_exchange(transport: Transport) -> None:
    slow = False

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await body_of(reader, await head_of(reader))
            await asyncio.sleep(0.2 if slow else 0)
            writer.write(OK)

    async with upstream(behave) as server:
        await transport.handle_async_request(request(server.url, first_byte=0.1))
        await transport.handle_async_request(request(server.url))
        await asyncio.sleep(0.15)
        slow = True
        response = await transport.handle_async_request(request(server.url))

        assert await response.aread() == b"ok"
        assert server.connections == 1


async def test_a_server_that_does_not_take_the_body_is_a_timeout(transport: Transport) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    async with upstream(deaf) as server:
        failure = await failing(transport, streamed(server.url, endless(), idle=0.1))

        assert (failure.failure, failure.sent) == ("timeout", True)


async def test_a_server_that_takes_the_body_slowly_is_given_the_time(transport: Transport) -> None:
    length = 24_000_000

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        left = length
        while left:
            left -= len(await reader.read(400_000))
            await asyncio.sleep(0.02)
        writer.write(OK)

    async def all_at_once() -> AsyncIterator[bytes]:
        yield b"x" * length

    async with upstream(slow) as server:
        made = streamed(server.url, all_at_once(), length, idle=0.4)
        response = await transport.handle_async_request(made)

        assert await response.aread() == b"ok"


@pytest.mark.parametrize("length", [1, 100])
async def test_a_body_of_another_length_than_promised_is_cut_off(
    transport: Transport, length: int
) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"ten bytes."

    async with upstream(cut_after_head) as server:
        failure = await failing(transport, streamed(server.url, source(), length))

        assert (failure.failure, failure.sent) == ("body", True)


async def test_what_the_body_raises_passes_through_and_aborts(transport: Transport) -> None:
    gone = asyncio.Event()

    async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        gone.set()

    async def source() -> AsyncIterator[bytes]:
        yield b"x"
        raise LookupError("the client went away")

    async with upstream(waits) as server:
        made = streamed(server.url, source(), 10)

        with pytest.raises(LookupError):
            await transport.handle_async_request(made)
        assert "sent_at" in made.extensions

        async with asyncio.timeout(5):
            await gone.wait()


async def test_a_body_that_is_cancelled_ends_the_exchange(transport: Transport) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"x"
        raise asyncio.CancelledError

    async with upstream(cut_after_head) as server:
        failure = await failing(transport, streamed(server.url, source(), 10))

        assert (failure.failure, failure.sent) == ("body", True)


# ---------------------------------------------------------------- early answers


@pytest.mark.parametrize("length", [None, 1_000_000_000])
async def test_an_early_answer_stops_the_upload(transport: Transport, length: int | None) -> None:
    stopped = asyncio.Event()

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno.")
        await writer.drain()
        while await reader.read(65536):
            pass

    async def source() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)
        finally:
            stopped.set()

    async with upstream(refuses) as server:
        response = await transport.handle_async_request(streamed(server.url, source(), length))

        assert response.status_code == 413
        assert stopped.is_set()
        assert await response.aread() == b"no."

        await transport.handle_async_request(streamed(server.url, source(), length))

        assert server.connections == 2


async def test_an_early_answer_does_not_wait_for_a_slow_source(transport: Transport) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(60)

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")
        await reader.read(-1)

    async with upstream(refuses) as server:
        async with asyncio.timeout(10):
            response = await transport.handle_async_request(streamed(server.url, source(), 99))

            assert await response.aread() == b"no"
        assert response.status_code == 401


async def test_an_answer_before_a_reset_is_still_read(transport: Transport) -> None:
    """A server that answers and hangs up on an upload resets it; its answer counts."""

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno.")
        await writer.drain()

    async def source() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    async with upstream(rude) as server:
        for _ in range(20):
            response = await transport.handle_async_request(streamed(server.url, source()))
            assert response.status_code == 413
            assert await response.aread() == b"no."


async def test_an_answer_lies_before_a_write_that_fails(transport: Transport) -> None:
    """The server answered and reset before the loop came round to reading: still an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def source() -> AsyncIterator[bytes]:
            yield b"x"
            accepted, _ = listener.accept()
            accepted.recv(1)
            accepted.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno.")
            accepted.close()  # with bytes unread: a reset
            yield b"x"
            yield b"x"
            await asyncio.sleep(60)

        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        response = await transport.handle_async_request(streamed(url, source()))

        assert response.status_code == 413
        assert await response.aread() == b"no."


async def test_a_write_that_fails_without_an_answer_is_a_cut(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def source() -> AsyncIterator[bytes]:
            yield b"x"
            accepted, _ = listener.accept()
            accepted.recv(1)
            accepted.close()
            for _ in range(1000):
                yield b"x"
                await asyncio.sleep(0)

        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        failure = await failing(transport, streamed(url, source()))

        assert (failure.failure, failure.sent) == ("cut", True)


async def test_a_source_slow_to_end_does_not_spoil_the_connection(transport: Transport) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"0123456789"
        await asyncio.sleep(60)

    async with upstream(answering(OK)) as server:
        for _ in range(2):
            response = await transport.handle_async_request(streamed(server.url, source(), 10))
            assert await response.aread() == b"ok"
        assert server.connections == 1


# ---------------------------------------------------------------- cancellation


def waiting_for_the_end(gone: asyncio.Event, said: bytes = b"") -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        try:
            while await reader.read(65536):
                pass
        finally:
            gone.set()

    return behave


async def endless_body() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 1000
        await asyncio.sleep(0)


@pytest.mark.parametrize("body", ["whole", "streamed"])
async def test_a_cancelled_exchange_aborts_its_connection(transport: Transport, body: str) -> None:
    gone = asyncio.Event()
    async with upstream(waiting_for_the_end(gone)) as server:
        made = request(server.url) if body == "whole" else streamed(server.url, endless_body())
        exchange = asyncio.create_task(transport.handle_async_request(made))
        while "sent_at" not in made.extensions:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        exchange.cancel()

        with pytest.raises(asyncio.CancelledError):
            await exchange

        async with asyncio.timeout(5):
            await gone.wait()


async def test_an_exchange_cancelled_while_connecting_sent_nothing(transport: Transport) -> None:
    gone = asyncio.Event()
    async with upstream(waiting_for_the_end(gone)) as server:
        made = request(server.url.replace("http:", "https:"))
        exchange = asyncio.create_task(transport.handle_async_request(made))
        await asyncio.sleep(0.05)
        exchange.cancel()

        with pytest.raises(asyncio.CancelledError):
            await exchange
        assert "sent_at" not in made.extensions

        async with asyncio.timeout(5):
            await gone.wait()


async def test_a_reader_that_is_cancelled_aborts_the_connection(transport: Transport) -> None:
    gone = asyncio.Event()
    async with upstream(waiting_for_the_end(gone, HALF)) as server:
        response = await transport.handle_async_request(request(server.url))
        reading = asyncio.create_task(response.aread())
        await asyncio.sleep(0.02)
        reading.cancel()

        with pytest.raises(asyncio.CancelledError):
            await reading

        async with asyncio.timeout(5):
            await gone.wait()


async def test_a_body_that_is_closed_early_aborts_the_connection(transport: Transport) -> None:
    gone = asyncio.Event()
    async with upstream(waiting_for_the_end(gone, HALF)) as server:
        response = await transport.handle_async_request(request(server.url))
        assert isinstance(response.stream, ServerAnswer)
        await response.stream.aclose()

        assert [chunk async for chunk in response.stream] == []

        async with asyncio.timeout(5):
            await gone.wait()


async def test_cancelling_at_any_step_leaves_the_transport_sound(transport: Transport) -> None:
    async with upstream(answering(HALF + b"+ half")) as server:
        for step in range(30):
            exchange = asyncio.create_task(transport.handle_async_request(request(server.url)))
            for _ in range(step):
                await asyncio.sleep(0)
            exchange.cancel()
            try:
                answered = await exchange
            except asyncio.CancelledError:
                pass
            else:
                assert await answered.aread() == b"half+ half"
            response = await transport.handle_async_request(request(server.url))
            assert await response.aread() == b"half+ half"

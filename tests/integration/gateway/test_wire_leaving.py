"""How a client's connection ends: never by a reset in place of an answer, and never unnoticed."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from services.gateway.wire import (
    ClientConnection,
    ConnectionBounds,
    ConnectionRegister,
    WireServer,
    leaving,
    register,
    turn,
)
from services.gateway.wire.dues import Due
from tests.integration.gateway.wires import echo_app, wires
from tests.waiting import until

pytestmark = pytest.mark.anyio
GET = b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MUCH = b"x" * 8_000_000
POST = b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(MUCH)


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


async def waits_for_ever(_: dict[str, Any], __: Any, ___: Any) -> None:
    await asyncio.Event().wait()


async def answers_the_last(_: dict[str, Any], __: Any, send: Any) -> None:
    headers = [(b"content-length", b"4"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"done"})


async def breaks_off(scope: dict[str, Any], _: Any, send: Any) -> None:
    connection = scope["tidegate.connection"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data: cut\n\n", "more_body": True})
    connection.hang_up()
    await send({"type": "http.response.body", "body": b"of no use", "more_body": True})


@contextmanager
def dialled(port: int) -> Iterator[socket.socket]:
    """Connect as a client that can tell a reset from an end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        yield client


def send_and_read(client: socket.socket, sent: bytes = b"") -> bytes:
    """Send all of it, and only then read to the end, as most clients do."""
    if sent:
        client.sendall(sent)
    return b"".join(iter(lambda: client.recv(65536), b""))


@contextmanager
def half_closed(client: socket.socket) -> Iterator[None]:
    """Ask, close one side, be asked whether we are there; and go with a reset."""
    client.sendall(GET)
    client.shutdown(socket.SHUT_WR)
    yield
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


async def test_half_closed_client_that_goes_after_the_last_question_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn, "_PROBES_S", ())
    gone = asyncio.Event()
    async with asyncio.timeout(15), wires(waits_for_ever) as made:
        with dialled(made.port) as client, half_closed(client):
            assert await asyncio.to_thread(client.recv, 100) == CONTINUE
            (connection,) = made.connections
            connection.on_gone = gone.set
            made.register.sweep_debts(0)
            assert connection.due_now().due is Due.NOTHING

        await until(lambda: connection.due_now().due is Due.LEAVING)
        made.register.sweep_debts(1)
        await gone.wait()
        assert (made.connections, made.register.ended) == ([], 0)


async def test_kernel_asks_a_client_that_has_closed_without_another_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn, "_PROBES_S", ())
    monkeypatch.setattr(leaving, "ASKED_AFTER_S", 1)
    async with asyncio.timeout(30), wires(waits_for_ever) as made:
        with dialled(made.port) as client:
            # How long its kernel remembers the connection, which is a minute else.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
            client.sendall(GET)
            client.shutdown(socket.SHUT_WR)

            assert await asyncio.to_thread(client.recv, 100) == CONTINUE
            (connection,) = made.connections
        assert connection.due_now().due is Due.NOTHING
        await until(lambda: connection.due_now().due is Due.LEAVING)


async def test_gateway_has_the_kernel_ask_all_of_its_clients() -> None:
    config = uvicorn.Config(
        waits_for_ever, http=ClientConnection, lifespan="off", log_level="critical"
    )
    server = WireServer(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve_on(listening))
        await until(lambda: server.started)
        with dialled(listening.getsockname()[1]) as client:
            await until(lambda: server.server_state.connections)
            (connection,) = server.server_state.connections
            taken = connection.transport.get_extra_info("socket")  # type: ignore[union-attr]

            assert taken.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            asked_after_s = taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            del client
        server.should_exit = True
        await serving
    assert asked_after_s == leaving.ASKED_AFTER_S


async def test_client_over_the_bound_reads_why_whatever_it_sends_meanwhile() -> None:
    async with (
        asyncio.timeout(20),
        wires(register=ConnectionRegister(ConnectionBounds(connections_max=0))) as made,
    ):
        with dialled(made.port) as client:
            await until(lambda: made.register.turned_away)
            told = await asyncio.to_thread(send_and_read, client, POST + MUCH)
        await until(lambda: not made.connections)

    assert told.startswith(b"HTTP/1.1 503")
    assert b"too_many_connections" in told


async def test_stranger_over_the_bound_reads_why_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "_is_loopback", lambda _: False)
    monkeypatch.setattr(register, "UNOPENED_MAX", 0)
    async with asyncio.timeout(20), wires() as made:
        with dialled(made.port) as client:
            await until(lambda: len(made.register) == 1)
            for moment in (0.0, 1.0, 2.0, 3.0):
                made.register.sweep_debts(moment)
                await asyncio.sleep(0.01)
            told = await asyncio.to_thread(send_and_read, client, POST + MUCH)
        await until(lambda: not made.connections)

    assert (told.count(b"HTTP/1.1 429"), made.register.turned_away) == (1, 1)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"GET /a HTTP/1.1\r\n\r\n", b"400", id="no host"),
        pytest.param(b"GET /" + b"a" * 70_000, b"431", id="head"),
        pytest.param(GET[:-2] + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400", id="chunk"),
    ],
)
async def test_what_is_no_request_is_told_whatever_comes_behind_it(
    sent: bytes, status: bytes
) -> None:
    async with asyncio.timeout(20), wires() as made:
        with dialled(made.port) as client:
            told = await asyncio.to_thread(send_and_read, client, sent + MUCH)

    assert told.startswith(b"HTTP/1.1 " + status)


async def test_fault_in_a_body_is_told_to_a_client_that_has_closed_its_side() -> None:
    go = asyncio.Event()

    async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await go.wait()
        await echo_app(scope, receive, send)

    async with asyncio.timeout(20), wires(late) as made:
        with dialled(made.port) as client:
            client.sendall(GET[:-2] + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
            client.shutdown(socket.SHUT_WR)
            await asyncio.sleep(0.1)
            go.set()
            told = await asyncio.to_thread(send_and_read, client)

    assert told.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("app", "end"), [(answers_the_last, b"\r\n\r\ndone"), (breaks_off, b"data: cut\n\n\r\n")]
)
async def test_last_answer_is_read_to_its_end_whatever_was_asked_behind_it(
    app: Any, end: bytes
) -> None:
    async with asyncio.timeout(20), wires(app) as made:
        with dialled(made.port) as client:
            client.sendall(GET)
            await until(lambda: made.connections and made.connections[0].lingering)
            told = await asyncio.to_thread(send_and_read, client, POST + MUCH)

    assert told.endswith(end)


async def test_client_that_asks_for_nothing_more_is_not_listened_to() -> None:
    async with asyncio.timeout(20), wires() as made:
        with dialled(made.port) as client:
            ask = GET[:-2] + b"Connection: close\r\n\r\n"
            told = await asyncio.to_thread(send_and_read, client, ask)
            await until(lambda: not made.connections)

    assert told.startswith(b"HTTP/1.1 200")


async def test_client_that_never_closes_its_side_is_closed_and_blamed_for_nothing() -> None:
    async with asyncio.timeout(20), wires(answers_the_last) as made:
        with dialled(made.port) as client:
            told = await asyncio.to_thread(send_and_read, client, GET)
            for moment in (0.0, 9.0):
                made.register.sweep_debts(moment)

            assert len(made.connections) == 1

            made.register.sweep_debts(10.0)
            await until(lambda: not made.connections)

    assert (told[-4:], made.register.ended) == (b"done", 0)


async def test_client_that_sends_without_end_is_not_listened_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leaving, "THROWN_BYTES_MAX", 1_000_000)
    async with asyncio.timeout(20), wires(answers_the_last) as made:
        with dialled(made.port) as client:
            client.sendall(GET)
            await until(lambda: made.connections and made.connections[0].lingering)

            with pytest.raises(ConnectionError):
                await asyncio.to_thread(send_and_read, client, MUCH * 4)
        await until(lambda: not made.connections)


async def test_no_more_of_those_turned_away_are_listened_to_than_places_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(register, "_LINGERING_MAX", 1)
    async with (
        asyncio.timeout(20),
        wires(register=ConnectionRegister(ConnectionBounds(connections_max=1))) as made,
    ):
        with dialled(made.port) as first, dialled(made.port) as second, dialled(made.port):
            await until(lambda: made.register.turned_away == 2 and len(made.connections) == 2)
            first.close()  # those who are turned away take nobody's place
            await until(lambda: len(made.connections) == 1)
            with dialled(made.port) as client:
                ask = GET[:-2] + b"Connection: close\r\n\r\n"
                told = await asyncio.to_thread(send_and_read, client, ask)
            del second

    assert told.startswith(b"HTTP/1.1 200")


async def test_gateway_that_ends_listens_to_nobody_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.gateway.wire.leaving.FIRST_REQUEST_S", 0.01)
    go = asyncio.Event()

    async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await go.wait()
        await echo_app(scope, receive, send)

    async with asyncio.timeout(20), wires(late) as made:
        with dialled(made.port) as client:
            client.sendall(GET)
            await until(lambda: made.connections and made.connections[0]._turns)
            made.connections[0].shutdown()
            go.set()
            told = await asyncio.to_thread(send_and_read, client)
            await until(lambda: not made.connections)

    assert told.startswith(b"HTTP/1.1 200")

"""What a stranger's connection may cost: reading stops, places are counted, debts are called in."""

import asyncio
import socket
from typing import Any

import pytest

from services.gateway.wire import ConnectionBounds, ConnectionRegister, register
from services.gateway.wire.connection import ClientConnection
from tests.integration.gateway.wires import echo_app, wires
from tests.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]
GET = b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n"


async def endless(_: dict[str, Any], __: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await asyncio.sleep(0)


async def silent(_: dict[str, Any], __: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b": waits\n\n", "more_body": True})
    await asyncio.Event().wait()


async def reads_nothing(_: dict[str, Any], __: Any, ___: Any) -> None:
    await asyncio.Event().wait()


async def test_reading_stops_while_a_client_takes_no_answers() -> None:
    asked = 0

    async def large(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal asked
        asked += 1
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 50_000})

    async with asyncio.timeout(15), wires(large) as made:
        client = socket.create_connection(("127.0.0.1", made.port))
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        sending = asyncio.ensure_future(loop.sock_sendall(client, GET * 200_000))
        await until(lambda: bool(made.connections) and made.connections[0].paused)
        (connection,) = made.connections
        before = -1
        while before != connection._received:  # whatever the kernel still hands over
            before = connection._received
            await asyncio.sleep(0.05)

        assert len(connection._held) <= 400_000
        assert asked < 2000
        assert not sending.done()

        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        client.close()


async def test_reading_stops_behind_sixteen_pipelined_requests() -> None:
    async with asyncio.timeout(8), wires(reads_nothing) as made:
        reader, writer = await made.connect(GET)
        await until(lambda: made.connections and made.connections[0]._turns == 1)
        (connection,) = made.connections
        for _ in range(15):
            writer.write(GET)
        await until(lambda: len(connection._held) == 15 * len(GET))

        assert not connection.paused

        writer.write(GET)
        await until(lambda: connection.paused)
        assert connection._turns == 1
        writer.close()
        del reader


@pytest.mark.parametrize("count", [3000])
async def test_every_pipelined_request_is_answered_once_in_order(count: int) -> None:
    sent = b"".join(b"GET /%d HTTP/1.1\r\nHost: t\r\n\r\n" % number for number in range(count))
    last = b"GET /last HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    async with asyncio.timeout(15), wires() as made:
        reader, writer = await made.connect(sent + last)
        told = await reader.read()
        writer.close()

    places = [told.index(b'"path":"/%d"' % number) for number in range(count)]
    assert places == sorted(places)
    assert told.count(b"HTTP/1.1 200") == count + 1


async def test_more_connections_than_allowed_are_turned_away_and_told() -> None:
    async with (
        asyncio.timeout(8),
        wires(register=ConnectionRegister(ConnectionBounds(connections_max=2))) as made,
    ):
        kept = [await made.connect() for _ in range(2)]
        await until(lambda: len(made.register) == 2)
        reader, writer = await made.connect()
        told = await reader.read()
        writer.close()

        assert told.startswith(b"HTTP/1.1 503")
        assert b"too_many_connections" in told

        kept[0][1].close()
        await until(lambda: len(made.register) == 1)
        reader, writer = await made.connect(GET)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        kept[1][1].close()


async def test_strangers_of_one_address_are_counted_until_a_key_opens_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(register, "_is_loopback", lambda _: False)
    monkeypatch.setattr(register, "UNOPENED_MAX", 2)
    monkeypatch.setattr(register, "ARRIVING_MAX", 4)
    async with asyncio.timeout(8), wires() as made:
        kept = [await made.connect() for _ in range(2)]
        await until(lambda: len(made.register) == 2)
        last = await made.connect()
        await until(lambda: len(made.register) == 3)
        await swept(made, 1.0, 1.5)

        assert len(made.register) == 3  # its key may be on its way

        await swept(made, 2.0)

        assert (await last[0].read()).startswith(b"HTTP/1.1 429")
        last[1].close()

        made.connections[0].note_opened()
        made.connections[0].note_opened()
        kept.append(await made.connect(GET))
        assert (await kept[-1][0].readline()).startswith(b"HTTP/1.1 200")
        kept += [await made.connect() for _ in range(2)]
        await until(lambda: len(made.register) == 5)
        reader, writer = await made.connect()
        assert (await reader.read()).startswith(b"HTTP/1.1 429")
        writer.close()
        for _, other in kept:
            other.close()
        await until(lambda: len(made.register) == 0)
        assert made.register._unopened == {}


def test_this_machine_and_trusted_proxies_are_not_counted_and_ipv6_is_by_subscriber() -> None:
    trusting = ConnectionRegister(ConnectionBounds(trusts=lambda address: address == "192.0.2.1"))
    for number, address in enumerate(
        ("127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "2001:db8::2", "::ffff:198.51.100.1")
    ):
        connection: Any = number
        trusting.add_connection(connection, address)

    counted = {address: len(strangers) for address, strangers in trusting._unopened.items()}
    assert counted == {"2001:db8::/64": 2, "198.51.100.1": 1}


async def swept(made: Any, *moments: float) -> None:
    for moment in moments:
        made.register.sweep_debts(moment)
        await asyncio.sleep(0)


async def with_one(made: Any, turns: int = 1) -> ClientConnection:
    await until(lambda: made.connections and made.connections[0]._turns == turns)
    found: ClientConnection = made.connections[0]
    return found


async def test_upload_that_drips_is_ended_and_told() -> None:
    async with asyncio.timeout(8), wires() as made:
        reader, writer = await made.connect(POST)
        await with_one(made)
        for moment in range(31):
            writer.write(b"x")
            await asyncio.sleep(0.002)
            made.register.sweep_debts(float(moment))
        told = await reader.read()
        writer.close()

    assert told.startswith(b"HTTP/1.1 400")
    assert b"too slowly" in told


async def test_upload_that_is_quick_enough_goes_on() -> None:
    async with asyncio.timeout(8), wires() as made:
        reader, writer = await made.connect(POST)
        connection = await with_one(made)
        for moment in range(0, 600, 10):
            expected = connection._received + 11_000
            writer.write(b"x" * 11_000)
            await until(lambda expected=expected: connection._received >= expected)
            made.register.sweep_debts(float(moment))
        writer.write(b"x" * (1_000_000 - 60 * 11_000))

        assert (await reader.readline()).startswith(b"HTTP/1.1 200")

        writer.close()


async def test_upload_that_stops_is_ended_after_send_timeout_alone() -> None:
    async with (
        asyncio.timeout(8),
        wires(register=ConnectionRegister(ConnectionBounds(send_timeout_s=60))) as made,
    ):
        reader, writer = await made.connect(POST)
        await with_one(made)
        await asyncio.sleep(0.01)
        await swept(made, 0, 20, 40, 59)

        assert made.register.ended == 0

        await swept(made, 60)

        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()


async def test_upload_that_nobody_waits_for_is_no_debt() -> None:
    async with asyncio.timeout(8), wires(reads_nothing) as made:
        _, writer = await made.connect(POST)
        await with_one(made)
        await swept(made, *range(0, 7200, 60))

        assert made.register.ended == 0

        writer.close()


async def test_event_stream_of_a_slow_server_is_no_debt() -> None:
    async with asyncio.timeout(8), wires(silent) as made:
        reader, writer = await made.connect(GET)
        await reader.readuntil(b"waits")
        await swept(made, *range(0, 7200, 60))

        assert made.register.ended == 0

        writer.close()


async def test_client_that_takes_nothing_is_cut_off_and_whoever_works_for_it_told() -> None:
    gone = []
    async with asyncio.timeout(8), wires(endless) as made:
        client = socket.create_connection(("127.0.0.1", made.port))
        client.sendall(GET)
        connection = await with_one(made)
        connection.on_gone = lambda: gone.append("gone")
        await until(lambda: connection.full)
        await asyncio.sleep(0.2)
        await swept(made, 0, 30, 59)

        assert made.register.ended == 0

        await swept(made, 60)
        await until(lambda: not made.connections)
        client.close()

    assert gone == ["gone"]


async def test_head_that_never_ends_and_connection_that_asks_nothing_more_are_closed() -> None:
    async with asyncio.timeout(8), wires() as made:
        slow, first = await made.connect(b"GET /a HT")
        mute, second = await made.connect()
        idle, third = await made.connect(GET)
        await idle.readuntil(b"}")
        await until(lambda: len(made.connections) == 3)
        await asyncio.sleep(0.02)
        await swept(made, 0, 29)
        assert made.register.ended == 0
        await swept(made, 30)
        assert await slow.read() == await mute.read() == b""
        await swept(made, 74)
        assert made.register.ended == 2
        await swept(made, 75)
        assert b"HTTP" not in await idle.read()
        for writer in (first, second, third):
            writer.close()


async def test_half_closed_client_is_asked_whether_it_is_there_and_answered() -> None:
    go = asyncio.Event()

    async def late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await go.wait()
        await echo_app(scope, receive, send)

    async with asyncio.timeout(8), wires(late) as made:
        reader, writer = await made.connect(GET)
        connection = await with_one(made)
        connection.on_gone = go.clear
        writer.write_eof()

        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

        go.set()
        told = await reader.read()
        writer.close()

    assert b"HTTP/1.1 200 OK" in told


async def test_client_that_has_closed_altogether_is_noticed() -> None:
    gone = asyncio.Event()
    async with asyncio.timeout(8), wires(reads_nothing) as made:
        _, writer = await made.connect(GET)
        connection = await with_one(made)
        connection.on_gone = gone.set
        writer.close()
        await gone.wait()

        assert made.connections == []

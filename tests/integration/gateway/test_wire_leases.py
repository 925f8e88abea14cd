"""What becomes of a lease when its client is slow, half-closed or gone, over a real pool."""

import asyncio
import socket
import struct
from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.pool import LeaseCancelled, LeaseGranted, Outcome, UsageRecorded
from services.gateway.wire import turn
from services.gateway.wire.dues import Due
from tests.integration.gateway.bench import IMAGES, Front, at, front, saying
from tests.integration.gateway.upstreams import body_of, head_of, upstream
from tests.waiting import until

pytestmark = pytest.mark.anyio
GOOD = b'{"created":1,"data":[{"url":"http://x/1.png"}]}'
BODY = b'{"model":"jimeng-4.0","prompt":"a gate"}'


def head(made: Front, length: int, version: str = "1.1") -> bytes:
    lines = [
        f"POST {IMAGES} HTTP/{version}",
        "Host: t",
        f"Authorization: Bearer {made.key}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def connect_and_send(
    made: Front, sent: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    base = made.http.base_url
    reader, writer = await asyncio.open_connection(base.host, base.port)
    writer.write(sent)
    return reader, writer


async def test_client_that_takes_nothing_loses_its_answer_and_the_unit_counts(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    """The client never reads an endless answer; the sweep is told the time, up to its bound."""

    async def pours(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        while True:
            writer.write(b"20000\r\n" + b"x" * 0x20000 + b"\r\n")
            await writer.drain()

    async with (
        asyncio.timeout(60),
        upstream(pours) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: at(server.url.removesuffix(IMAGES))
        base = gate.http.base_url
        client = socket.create_connection((base.host, base.port))
        client.sendall(head(gate, len(BODY)) + BODY)
        register = gate.gateway.connections
        await until(lambda: any(one.full for one in list(register._connections)))
        await asyncio.sleep(0.2)
        register.sweep_debts(0)
        register.sweep_debts(59)

        assert len(gate.gateway.exchanges) == 1

        register.sweep_debts(60)
        await until(lambda: len(gate.gateway.exchanges) == 0)

        (ended,) = await gate.journalled(UsageRecorded)
        assert (ended.outcome, ended.units) == (Outcome.SETTLED, 1)
        client.close()


async def test_upload_that_drips_before_a_lease_takes_none(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with asyncio.timeout(60), front(nats_client, nats_url, tmp_path) as gate:
        reader, writer = await connect_and_send(gate, head(gate, 1000) + BODY)
        register = gate.gateway.connections
        await until(
            lambda: [one for one in list(register._connections) if one.due_now().due == "upload"]
        )
        register.sweep_debts(0)
        register.sweep_debts(60)
        told = await reader.read()
        writer.close()

        assert told.startswith(b"HTTP/1.1 400")
        assert await gate.journalled(LeaseGranted) == []


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_client_that_has_closed_its_side_is_answered_and_charged_once(
    nats_client: Client, nats_url: str, tmp_path: Path, version: str
) -> None:
    async with (
        asyncio.timeout(60),
        upstream(saying(200, GOOD, "Content-Type: application/json")) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: at(server.url.removesuffix(IMAGES))
        reader, writer = await connect_and_send(gate, head(gate, len(BODY), version) + BODY)
        writer.write_eof()
        told = await reader.read()
        writer.close()

        granted = await gate.journalled(LeaseGranted)
        ends = await gate.journalled(UsageRecorded)
        cancelled = await gate.journalled(LeaseCancelled)

        if version == "1.1":
            assert b"HTTP/1.1 200" in told
            assert GOOD in told
            assert [one.outcome for one in ends] == [Outcome.SETTLED]
        assert len(granted) == len(ends) + len([one for one in cancelled if one.number == 1])


async def test_client_that_has_gone_altogether_ends_its_exchange(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async def works(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        await reader.read()

    async with (
        asyncio.timeout(60),
        upstream(works) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: at(server.url.removesuffix(IMAGES))
        _, writer = await connect_and_send(gate, head(gate, len(BODY)) + BODY)
        await until(lambda: server.connections == 1 and len(gate.gateway.exchanges) == 1)
        await asyncio.sleep(0.1)
        writer.close()
        await until(lambda: len(gate.gateway.exchanges) == 0)

        (ended,) = await gate.journalled(UsageRecorded)

        assert ended.outcome is Outcome.UNKNOWN


async def test_client_that_goes_after_it_was_asked_for_the_last_time_ends_its_exchange(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No question is left to ask it with: a reset alone tells that it has gone."""
    monkeypatch.setattr(turn, "_PROBES_S", ())

    async def works(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        await reader.read()

    async with (
        asyncio.timeout(60),
        upstream(works) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: at(server.url.removesuffix(IMAGES))
        base = gate.http.base_url
        client = socket.create_connection((base.host, base.port))
        client.sendall(head(gate, len(BODY)) + BODY)
        client.shutdown(socket.SHUT_WR)
        await until(lambda: server.connections == 1 and len(gate.gateway.exchanges) == 1)

        assert await asyncio.to_thread(client.recv, 100) == turn.CONTINUE

        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        (connection,) = gate.gateway.connections._connections
        await until(lambda: connection.due_now().due is Due.LEAVING)
        gate.gateway.connections.sweep_debts(0)
        await until(lambda: len(gate.gateway.exchanges) == 0)

        (ended,) = await gate.journalled(UsageRecorded)
        assert ended.outcome is Outcome.UNKNOWN


async def test_client_that_goes_amid_an_answer_ends_it_however_silent_the_server_is(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async def begins(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
            b"data: 1\n\n"
        )
        await reader.read()

    async with (
        asyncio.timeout(60),
        upstream(begins) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: at(server.url.removesuffix(IMAGES))
        reader, writer = await connect_and_send(gate, head(gate, len(BODY)) + BODY)
        await reader.readuntil(b"data: 1\n\n")
        writer.close()
        await until(lambda: len(gate.gateway.exchanges) == 0)

        (ended,) = await gate.journalled(UsageRecorded)

        assert ended.outcome is Outcome.SETTLED

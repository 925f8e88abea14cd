"""A key whose clients leave before anything is sent: what that costs, and who waits for it."""

import asyncio
import socket
import struct
from collections import Counter
from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.gateway import KeyBounds, Scope
from contracts.pool import CallsRefused, LeaseCancelled, LeaseGranted
from services.gateway.domain import leavers
from services.gateway.relay.entry import admission
from tests.integration.gateway.bench import Front, at, front, saying
from tests.integration.gateway.upstreams import upstream

pytestmark = pytest.mark.anyio
DONE = saying(200, b'{"created":1,"data":[{"url":"https://pictures.test/1"}]}')


async def ask_and_leave(gate: Front) -> None:
    """Ask for an image, and reset the connection before anything can be sent for it."""
    body = b'{"model":"jimeng-4.0","prompt":"a gate"}'
    reader, writer = await asyncio.open_connection(gate.http.base_url.host, gate.http.base_url.port)
    writer.write(
        b"POST /v1/images/generations HTTP/1.1\r\nHost: t\r\n"
        b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (gate.key.encode(), len(body), body)
    )
    await asyncio.sleep(0.01)
    reset = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    writer.transport.abort()
    del reader


async def leave_all(gate: Front) -> None:
    """Let three hundred leave; nobody names a server, so each would wait with its lease in hand."""
    for _ in range(30):
        await asyncio.gather(*[ask_and_leave(gate) for _ in range(10)])


async def test_a_key_whose_clients_leave_all_the_time_costs_no_lease_each(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with (
        upstream(DONE) as server,
        front(nats_client, nats_url, tmp_path, limit=1000) as gate,
    ):
        made = await gate.gateway.key_log.issue_key("other", Scope.CLIENT, KeyBounds(), "test")
        assert isinstance(made, tuple)
        await leave_all(gate)
        gate.chosen = lambda _: at(server.url)

        assert (await gate.ask(key=made[1])).status_code == 200
        left = [one for one in await gate.journalled(LeaseCancelled) if one.reason == "client_gone"]
        # A hundred, ten at a time, and one for each second that it takes.
        assert 50 < len(left) < 200
        # Who left while it waited has left nothing in the log.
        assert await gate.journalled(CallsRefused) == []


async def test_clients_that_stay_are_all_served_after_others_gave_up(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with (
        upstream(DONE) as server,
        front(nats_client, nats_url, tmp_path, limit=1000) as gate,
    ):
        await leave_all(gate)
        gate.chosen = lambda _: at(server.url)

        answers = await asyncio.gather(*[gate.ask() for _ in range(40)])

        assert Counter(answer.status_code for answer in answers) == {200: 40}


async def test_a_client_is_served_beside_one_that_leaves_all_the_time(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with (
        upstream(DONE) as server,
        front(nats_client, nats_url, tmp_path, limit=1000) as gate,
    ):
        await leave_all(gate)
        gate.chosen = lambda _: at(server.url)
        over = asyncio.Event()

        async def leave() -> None:
            while not over.is_set():
                await ask_and_leave(gate)

        leaving = [asyncio.ensure_future(leave()) for _ in range(3)]
        answers = [await gate.ask() for _ in range(5)]
        over.set()
        await asyncio.gather(*leaving)

        assert [answer.status_code for answer in answers] == [200] * 5


async def test_who_has_waited_long_is_turned_away_without_a_lease(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        upstream(DONE) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        monkeypatch.setattr(leavers, "PER_SECOND", 0.001)
        monkeypatch.setattr(admission, "WAIT_MAX_S", 0.01)
        key = gate.gateway.key_log.find_key(gate.key)
        assert key is not None
        for _ in range(int(leavers.ABANDONED_AT_ONCE)):
            gate.gateway.door._relay.admission.count_abandoned(key.key_id)

        answers = await asyncio.gather(*[gate.ask() for _ in range(3)])

        for answer in answers:
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (429, "rate_limit_exceeded")
            assert "left before anything was sent" in error["message"]
            assert "0.01 s" in error["message"]
            assert 1 <= int(answer.headers["retry-after"]) <= 120
        assert await gate.journalled(LeaseGranted) == []
        (told,) = await gate.journalled(CallsRefused)
        assert (told.code, told.service_type, told.count) == ("rate_limit_exceeded", "image", 3)

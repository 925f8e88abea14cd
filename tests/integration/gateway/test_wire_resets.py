"""Connections that are reset before anybody looks at them: they leave nothing, and end nothing."""

import asyncio
import socket
import struct
from typing import Any

import pytest

from services.gateway.domain.errors import GatewayError
from services.gateway.wire.register import UNOPENED_MAX
from tests.integration.gateway.wires import echo_app, wires
from tests.waiting import until

pytestmark = pytest.mark.anyio
GET = b"GET /a HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


def reset_at_once(port: int) -> None:
    """Connect, ask, and reset, before the loop under us can take the connection in."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(GET)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


async def test_whoever_is_gone_before_it_is_taken_in_is_no_stranger_for_ever() -> None:
    async with asyncio.timeout(20), wires(echo_app) as made:
        for _ in range(UNOPENED_MAX * 2 // 16):
            for _ in range(16):
                reset_at_once(made.port)
            await asyncio.sleep(0.01)
            # A listener that is behind takes nobody in: who connects here would wait for it.
            await until(lambda: len(made.register) == 0)

        assert made.register._unopened == {}
        for later in (0, 3600, 7200):
            made.register.sweep_debts(asyncio.get_running_loop().time() + later)
        reader, writer = await made.connect(GET)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_whoever_is_gone_is_not_told_why_it_may_not_stay() -> None:
    async with asyncio.timeout(20), wires(echo_app) as made:
        _, writer = await made.connect()
        await until(lambda: bool(made.connections))
        (connection,) = made.connections
        writer.transport.abort()
        await until(lambda: not made.connections)

        connection.turn_away(GatewayError("too_many_connections", "no more"))

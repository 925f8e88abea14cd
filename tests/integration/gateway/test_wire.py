"""The client's connection while the gateway ends."""

import asyncio
import socket
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from services.gateway.wire import ClientConnection, WireServer

pytestmark = pytest.mark.anyio


async def app(_: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"pong"})


async def test_connection_that_has_not_asked_yet_may_when_the_gateway_ends() -> None:
    config = uvicorn.Config(app, http=ClientConnection, lifespan="off")
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ClientConnection(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server, asyncio.timeout(30):
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not state.connections:  # noqa: ASYNC110 (uvicorn tells nobody)
            await asyncio.sleep(0.001)
        for connection in list(state.connections):
            connection.shutdown()
        writer.write(b"GET /ping HTTP/1.1\r\nHost: t\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"pong" in answer


async def test_clients_in_the_queue_of_a_busy_gateway_are_answered_when_it_ends() -> None:
    config = uvicorn.Config(app, http=ClientConnection, lifespan="off", log_level="error")
    config.load()
    server = WireServer(config)
    server.lifespan = config.lifespan_class(config)
    listening = socket.create_server(("127.0.0.1", 0), backlog=100)
    await server.startup(sockets=[listening])
    clients = [socket.create_connection(listening.getsockname()) for _ in range(20)]
    for client in clients:
        client.sendall(b"GET /ping HTTP/1.1\r\nHost: t\r\n\r\n")

    await server.shutdown([listening])

    answers = [await asyncio.to_thread(client.recv, 4096) for client in clients]
    for client in clients:
        client.close()

    assert [answer[:15] for answer in answers] == [b"HTTP/1.1 200 OK"] * 20

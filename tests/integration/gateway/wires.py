"""Connections of ours over real sockets, before an application that says what it was asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvicorn
from uvicorn.server import ServerState

from services.gateway.wire import ClientConnection, ConnectionRegister
from services.gateway.wire.leaving import ask_probes


async def echo_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Say what was asked; `/stream` in a body without a length, `/early` without reading."""
    path = scope["path"]
    body = b""
    more = path != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    said = {
        "method": scope["method"],
        "path": path,
        "query": scope["query_string"].decode(),
        "host": headers.get("host"),
        "x-a": headers.get("x-a"),
        "body": body.decode("latin-1"),
        "said": "streamed" if path == "/stream" else None,
    }
    answer = msgspec.json.encode({name: value for name, value in said.items() if value is not None})
    head: list[tuple[bytes, bytes]] = []
    if path != "/stream":
        head = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": answer, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Wires:
    """Where connections are taken in, and those that are open."""

    def __init__(self, port: int, register: ConnectionRegister, state: ServerState) -> None:
        self.port = port
        self.register = register
        self._state = state

    @property
    def connections(self) -> list[ClientConnection]:
        """The open ones."""
        return list(self._state.connections)  # type: ignore[arg-type]

    async def connect(
        self, sent: bytes = b"", **more: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Come as a client, and say something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **more)
        writer.write(sent)
        return reader, writer


@asynccontextmanager
async def wires(
    app: Any = echo_app, register: ConnectionRegister | None = None
) -> AsyncIterator[Wires]:
    """Connections before `app` until the block ends."""
    config = uvicorn.Config(app, lifespan="off", proxy_headers=False, log_level="critical")
    config.load()
    state = ServerState()
    register = ConnectionRegister() if register is None else register
    loop = asyncio.get_running_loop()

    def made() -> ClientConnection:
        return ClientConnection(config=config, server_state=state, app_state={}, register=register)

    server = await loop.create_server(made, "127.0.0.1", 0)
    ask_probes(server.sockets[0])
    async with server:
        try:
            yield Wires(server.sockets[0].getsockname()[1], register, state)
        finally:
            for connection in list(state.connections):
                connection.transport.abort()
            for task in list(state.tasks):
                task.cancel()
            await asyncio.gather(*state.tasks, return_exceptions=True)

"""uvicorn's server around our connections: no signal handlers of its own, and a kinder end."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, cast

import uvicorn

from services.gateway.wire.connection import ClientConnection
from services.gateway.wire.leaving import ask_probes
from services.gateway.wire.register import ConnectionRegister

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


class WireServer(uvicorn.Server):
    """uvicorn without its own signal handlers (`lifecycle` has them), and with a kinder end."""

    async def serve_on(self, listening: socket.socket) -> None:
        """Serve until `should_exit`."""
        ask_probes(listening)
        await self._serve(sockets=[listening])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in who has connected already, then listen no more, and end what is open.

        A busy process has clients in the kernel's queue: closing the listener resets them all.
        """
        entering = [
            asyncio.create_task(self._take_in(accepted))
            for listening in sockets or ()
            for accepted in _queued_sockets(listening)
        ]
        # Nothing is awaited between the queue's end and the listener's.
        await super().shutdown(sockets)
        await asyncio.gather(*entering, return_exceptions=True)

    async def _take_in(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        make_protocol = self.config.http_protocol_class
        state = self.lifespan.state

        def protocol() -> asyncio.Protocol:
            return make_protocol(  # type: ignore[call-arg]
                config=self.config, server_state=self.server_state, app_state=state, _loop=loop
            )

        _, connection = await loop.connect_accepted_socket(protocol, accepted)
        connection.shutdown()  # type: ignore[attr-defined]


def make_server(app: AsgiApp, register: ConnectionRegister) -> WireServer:
    """Make a server of `app` whose connections are bounded by `register`."""
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", partial(ClientConnection, register=register)),
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=30,
        backlog=4096,
    )
    return WireServer(config)


def _queued_sockets(listening: socket.socket) -> Iterator[socket.socket]:
    """Accept whoever waits in the kernel's queue."""
    listening.setblocking(False)
    while True:
        try:
            accepted, _ = listening.accept()
        except OSError:
            return
        yield accepted

"""A real proxy: it passes on what has the whole address, and makes tunnels."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from tests.integration.gateway.upstreams import body_of, head_of


class RealProxy:
    """What it was asked, and whom it knows."""

    def __init__(self, user: str = "") -> None:
        """With `user` (`name:password`) it knows nobody else."""
        self.shown = b"basic " + base64.b64encode(user.encode()).lower() if user else b""
        self.asked: list[str] = []
        """The first line of each request."""
        self.leads: dict[str, str] = {}
        """Names that it alone can look up, and where they lead."""
        self.refuses = 0
        """A status that it answers to everybody."""
        self.port = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.writers: list[asyncio.StreamWriter] = []
        self.connections = 0

    async def on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await self._carry(reader, writer)
        writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        while True:
            head = await head_of(reader)
            line, _, rest = head.partition(b"\r\n")
            self.asked.append(line.decode())
            method, target, version = line.split(b" ")
            status = self.refuses if self.shown in head.lower() else 407
            if status:
                writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
                return
            tunnel = method == b"CONNECT"
            if upstream is None:
                parts = urlsplit(f"//{target.decode()}" if tunnel else target.decode())
                host = self.leads.get(parts.hostname or "", parts.hostname)
                back, upstream = await asyncio.open_connection(host, parts.port)
                if tunnel:
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self.writers.append(upstream)
                self.tasks.add(asyncio.create_task(_pumped(back, writer)))
            if tunnel:
                await _pumped(reader, upstream)
                return
            path = target[target.index(b"/", 8) :]
            kept = [one for one in rest.split(b"\r\n") if not one.lower().startswith(b"proxy-")]
            upstream.write(b"%b %b %b\r\n" % (method, path, version) + b"\r\n".join(kept))
            upstream.write(await body_of(reader, head))


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxied(
    user: str = "", context: ssl.SSLContext | None = None
) -> AsyncIterator[RealProxy]:
    """A proxy that listens, over TLS with a context."""
    made = RealProxy(user)
    server = await asyncio.start_server(made.on_connection, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in made.tasks:
            task.cancel()
        for writer in made.writers:
            writer.transport.abort()
        if made.tasks:
            await asyncio.wait(made.tasks)
        await asyncio.sleep(0)

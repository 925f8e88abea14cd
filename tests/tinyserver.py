"""A tiny HTTP server, for whatever needs one that answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def listening(status: Callable[[], int] = lambda: 200, port: int = 0) -> AsyncIterator[int]:
    """A tiny HTTP server that answers every request with `status()`; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A probe that is broken off, at any point, is no failure of this server.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {status()} x\r\ncontent-length: 4\r\nconnection: close\r\n\r\npong"
            writer.write(head.encode())
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", port)
    async with listener:
        yield listener.sockets[0].getsockname()[1]

"""A tiny HTTP server, for whatever needs one that answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def listening(
    status: Callable[[], int] = lambda: 200,
    port: int = 0,
    *,
    body: bytes = b"pong",
    seen: list[bytes] | None = None,
) -> AsyncIterator[int]:
    """A tiny HTTP server that answers every request with `status()`; yields its port.

    What is asked of it is appended to `seen`.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A probe that is broken off, at any point, is no failure of this server.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            asked = await reader.readuntil(b"\r\n\r\n")
            if seen is not None:
                seen.append(asked.partition(b"\r\n")[0])
            head = f"HTTP/1.1 {status()} x\r\ncontent-length: {len(body)}\r\nconnection: close"
            writer.write(head.encode() + b"\r\n\r\n" + body)
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", port)
    async with listener:
        yield listener.sockets[0].getsockname()[1]

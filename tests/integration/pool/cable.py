"""A cable between a process and NATS that a test can clog or cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Wire:
    """A TCP proxy; `up` and `down` are its two directions, as seen from the process."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self.up, self.down = asyncio.Event(), asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lost: bytes | None = None
        """The next chunk with these bytes in it is lost, and every connection with it."""
        self.restore()
        self.url = ""

    def clog(self, *, up: bool = True, down: bool = True) -> None:
        """Deliver nothing for now; what is sent arrives after `restore`."""
        if up:
            self.up.clear()
        if down:
            self.down.clear()

    def restore(self) -> None:
        """Deliver again, what was held back first."""
        self.up.set()
        self.down.set()

    def cut(self) -> None:
        """Break every connection; what was held back is lost."""
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, far_writer}
        for source, sink, open_ in ((reader, far_writer, self.up), (far_reader, writer, self.down)):
            task = asyncio.create_task(self._pump(source, sink, open_))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, open_: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while chunk := await source.read(65536):
                await open_.wait()
                if self.lost is not None and self.lost in chunk:
                    self.lost = None
                    self.cut()
                    return
                sink.write(chunk)
                await sink.drain()
        sink.transport.abort()


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    """A cable to `url`."""
    made = Wire(url)
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    made.url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        made.cut()
        server.close()
        await server.wait_closed()

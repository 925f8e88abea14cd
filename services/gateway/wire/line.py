"""The way to one client: what is written to it, counted, and held back while it takes nothing."""

import asyncio
from typing import Any, cast

from uvicorn.server import ServerState

Header = tuple[bytes, bytes]


class Line(asyncio.Protocol):
    """A connection as an answer sees it."""

    def __init__(self, server_state: ServerState, loop: asyncio.AbstractEventLoop | None) -> None:
        """Be nobody's yet."""
        self.loop = loop or asyncio.get_running_loop()
        self.transport = cast("asyncio.Transport", None)
        self.full = False
        """Whether the client leaves too much of its answers untaken."""
        self.server_state = server_state
        self.written = 0
        """Bytes, those that wait for the client included."""
        self._drain: asyncio.Future[None] | None = None

    @property
    def default_headers(self) -> list[Header]:
        """The headers of every answer: its date."""
        return self.server_state.default_headers

    def write_part(self, part: bytes) -> None:
        """Write, and count it; what nobody can take any more is dropped."""
        self.written += len(part)
        if not self.transport.is_closing():
            self.transport.write(part)

    def pause_writing(self) -> None:
        """The client does not take what waits for it: read no more of what it asks."""
        self.full = True
        self.settle_line()

    def resume_writing(self) -> None:
        """It has taken it, or is gone."""
        self.full = False
        drain, self._drain = self._drain, None
        if drain is not None and not drain.done():
            drain.set_result(None)
        self.go_on()

    async def wait_drained(self) -> None:
        """Wait until the client has taken enough, or is gone."""
        if self._drain is None:
            self._drain = self.loop.create_future()
        await asyncio.shield(self._drain)

    def settle_line(self) -> None:
        """Read on or not, as it is now."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Read what has waited, and then on."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """Close without a proper end of the answer under way."""
        raise NotImplementedError

    def end_turn(self, turn: Any) -> None:
        """The answer of the turn under way has ended."""
        raise NotImplementedError

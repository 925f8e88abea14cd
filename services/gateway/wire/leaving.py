"""How a connection ends: behind what its client still sends, and noticed when the client is gone.

A socket that is closed over bytes which nobody has read answers them with a reset, and that takes
the answer with it (RFC 9112 §9.6): so only the writing side is shut at first, and what still comes
is thrown away for a while.

A half-closed client that closes altogether later tells nobody: its kernel has sent its last word
already. Ours asks (`ask_probes`): the other answers with a reset as soon as it has forgotten the
connection, on Linux after a minute. A socket at its end is not read any more, so the sweep looks.
"""

import asyncio
import select
import socket

from uvicorn.server import ServerState

from services.gateway.wire.line import Line

THROWN_BYTES_MAX = 64 * 1024 * 1024
"""So much is thrown away of what a client sends behind an answer that ends its connection."""
FIRST_REQUEST_S = 0.5
"""How long a gateway that ends waits for what may be on its way."""
ASKED_AFTER_S = 15
_ASKED_TIMES = 4


class Leaving(Line):
    """A connection as it ends."""

    def __init__(self, server_state: ServerState, loop: asyncio.AbstractEventLoop | None) -> None:
        """Nobody leaves yet."""
        super().__init__(server_state, loop)
        self.half_closed = False
        """Whether the client sends no more."""
        self.deaf = False
        """Whether what comes is thrown away."""
        self.lingering = False
        """Whether all is said, and the client is only listened to."""
        self.paused = False
        """Whether reading has stopped."""
        self._ending = False
        self._thrown = 0
        self._poll: select.poll | None = None

    def throw_away(self, size: int) -> None:
        """Take no notice of so many bytes; not of any number."""
        self._thrown += size
        if self.lingering and self._thrown > THROWN_BYTES_MAX:
            self.transport.close()

    def begin_close(self, *, unread: bool) -> None:
        """Close; `unread`: there may be more on its way, so the client is listened to first."""
        if self.lingering or self.transport.is_closing():
            return
        if not unread or self.half_closed:
            self.transport.close()
            return
        self.lingering = self.deaf = True
        if self.paused:
            self.paused = False
            self.transport.resume_reading()
        self.transport.write_eof()
        if self._ending:
            self.loop.call_later(FIRST_REQUEST_S, self.transport.close)

    def end_leaving(self) -> None:
        """The gateway ends: listen to nobody for long."""
        self._ending = True
        if self.lingering:
            self.loop.call_later(FIRST_REQUEST_S, self.transport.close)

    def has_left(self) -> bool:
        """Tell whether a half-closed client has closed altogether, as far as the kernel knows."""
        if not self.half_closed:
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.transport.get_extra_info("socket").fileno(), 0)
        return bool(self._poll.poll(0))


def ask_probes(listening: socket.socket) -> None:
    """Have the kernel ask clients that are silent whether they are there, all that connect.

    One that vanished without a word is noticed after a minute and a quarter.
    """
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, ASKED_AFTER_S),
        (socket.TCP_KEEPINTVL, ASKED_AFTER_S),
        (socket.TCP_KEEPCNT, _ASKED_TIMES),
    ):
        listening.setsockopt(socket.IPPROTO_TCP, option, value)

"""One socket to a server: bytes both ways, back-pressure, and one deadline at a time.

```
idle ──start_exchange──► busy ──the answer is whole, its end beyond doubt──► idle
  │ stale, too old         └──cut, late, given up, or any doubt──► closed
  └──► closed
```

While it is busy the body may still go up (`uploaded` is false) when the answer comes, and reading
may be paused because nobody takes that. It is idle again only where all of the request was taken
by the socket and the answer ended where its framing says: whoever is asked next over it would
else be given a rest of this one.

What is ugly: the deadline is one number, whatever is waited for (the socket's taking, the head, the
next piece), and whoever waits sets it. Its timer outlives exchanges and only then looks. Whether a
slow server moves at all in an upload nobody tells, so the kernel is asked what is unacknowledged.
"""

import asyncio
import fcntl
import os
import re
import select
import sys
import termios
from collections.abc import Callable
from typing import cast

from services.gateway.domain.failure import Failure
from services.gateway.transport.answer import HELD_BYTES_MAX, ServerAnswer
from services.gateway.transport.failures import MaybeSentError, NothingSentError

_TIMEOUT = re.compile(rb"\btimeout\s*=\s*(\d{1,6})", re.IGNORECASE)
_INT = bytes(4)
UNSENT_BYTES_MAX = 256 * 1024
"""Bytes handed to the socket and not yet taken by it before an upload waits."""


class ServerConnection(asyncio.Protocol):
    """A connection that carries one exchange after another; `free` takes it back in between."""

    __slots__ = (
        "_answer",
        "_closed",
        "_deadline",
        "_drained",
        "_free",
        "_loop",
        "_patience_s",
        "_paused",
        "_poll",
        "_timer",
        "_transport",
        "_unsent",
        "kept_alive_s",
        "reusable_until",
        "uploaded",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, free: Callable[["ServerConnection"], None]
    ) -> None:
        self._loop = loop
        self._free = free
        self._transport: asyncio.Transport
        self._poll = select.poll()
        self._answer: ServerAnswer | None = None
        self._closed = False
        self._paused = False
        self._drained: asyncio.Future[None] | None = None
        self._deadline: float | None = None
        self._patience_s = 0.0
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None
        self.kept_alive_s: float | None = None
        """How long its server says that it keeps an idle connection; 0: it does not say."""
        self.reusable_until = 0.0
        """When an idle connection is too old to carry another exchange, by the loop's clock."""
        self.uploaded = True
        """All of the request was handed to the socket."""

    # ------------------------------------------------------------ what a caller does

    @property
    def is_closed(self) -> bool:
        """It carries nothing any more."""
        return self._closed or self._transport.is_closing()

    def is_stale(self) -> bool:
        """Say whether an idle connection was closed by the server, or spoke unasked.

        The socket is asked, because the loop may not have come round to it yet.
        """
        return self.is_closed or bool(self._poll.poll(0))

    def start_exchange(self, answer: ServerAnswer, head: bytes, *, uploaded: bool) -> None:
        """Send the head of an exchange. Raises `NothingSentError` if it cannot be sent."""
        if self.is_closed:
            raise NothingSentError(Failure.CUT, "closed before anything was sent")
        assert self._answer is None
        self._answer = answer
        self.uploaded = uploaded
        self._transport.write(head)

    def write_bytes(self, data: bytes) -> None:
        """Send a piece of the request's body."""
        self._transport.write(data)

    async def drain_within(self, within_s: float | None) -> None:
        """Wait until the socket has taken most of what was written.

        The server may take it as slowly as it likes, but some of it within so many seconds.
        """
        if self._drained is None:
            return
        self._patience_s, self._unsent = within_s or 0.0, self._unsent_bytes()
        self.expect_within(within_s)
        await self._drained
        self._deadline = None
        self._patience_s = 0.0

    def expect_within(self, seconds: float | None) -> None:
        """Fail the exchange with a timeout unless something moves within `seconds`."""
        if seconds is None:
            self._deadline = None
            return
        self._deadline = self._loop.time() + seconds
        # The timer outlives the exchange: it looks for the deadline of its moment, so that the
        # usual exchange neither makes nor cancels one.
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._check_progress)

    def expect_nothing(self, answer: ServerAnswer) -> None:
        """Take the deadline back, if `answer` is still the exchange of this connection."""
        if self._answer is answer:
            self._deadline = None

    def pause_reading(self) -> None:
        """Leave what the server sends in the socket."""
        if not self._paused and not self.is_closed:
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            if not self.is_closed:
                self._transport.resume_reading()

    def abort_exchange(self) -> None:
        """Close at once; whatever is under way is cut."""
        self._drop_transport()
        self._transport.abort()

    def fail_with(self, failure: Exception) -> None:
        """End the exchange by `failure`, and the connection with it."""
        answer = self._answer
        self.abort_exchange()
        if answer is not None:
            answer.fail_with(failure)

    # ------------------------------------------------------------ what the loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES_MAX)
        # Readable is whatever an idle connection must not be: at its end, or spoken to unasked.
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Pass on what came; nobody asked for it when there is no exchange."""
        answer = self._answer
        if answer is None:
            # Kept, these bytes would begin the answer to the next question.
            self.abort_exchange()
            return
        failure = answer.feed_bytes(data)
        if failure is not None:
            self.fail_with(failure)
        elif answer.complete:
            self._finish_exchange(answer)

    def eof_received(self) -> None:
        """Judge the answer; the socket closes itself."""
        self._note_end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Judge the answer, if that was not done yet."""
        if exc is not None and not self.uploaded:
            self._read_last_words()
        self._note_end(exc)
        self._closed = True
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def pause_writing(self) -> None:
        """Let uploads wait: the server takes less than it is sent."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let uploads go on: most of what was sent is on its way."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # ------------------------------------------------------------

    def _finish_exchange(self, answer: ServerAnswer) -> None:
        """End a whole exchange: keep the connection where its state is beyond doubt."""
        if (
            answer.keep_alive
            and self.uploaded
            # A rest of this request here would be read as the beginning of the next one.
            and not self._transport.get_write_buffer_size()
            and not self.is_closed
        ):
            answer.detach_carrier()
            self._answer = None
            self._deadline = None
            self.resume_reading()
            if self.kept_alive_s is None:
                self.kept_alive_s = _keep_alive_s(answer)
            self._free(self)
        else:
            self.abort_exchange()

    def _note_end(self, exc: Exception | None) -> None:
        answer = self._answer
        if answer is not None and exc is None:
            answer.note_end_of_file()
        if answer is None or answer.complete:
            self._drop_transport()
        else:
            self.fail_with(MaybeSentError(Failure.CUT, f"the server ended it ({exc or 'an end'})"))

    def _read_last_words(self) -> None:
        """Read the answer that a server gave before it stopped listening to the upload.

        A failed write closes the socket over bytes that have already arrived.
        """
        socket = self._transport.get_extra_info("socket")
        if self._answer is None or self._transport.get_extra_info("sslcontext") is not None:
            return  # what TLS brings is none of the parser's before it is decrypted
        try:
            self.data_received(os.read(socket.fileno(), HELD_BYTES_MAX))
        except OSError:
            return

    def _check_progress(self) -> None:
        self._timer = None
        if self._deadline is None or self._answer is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check_progress)
        elif self._patience_s and self._is_moving():
            self.expect_within(self._patience_s)
        else:
            self.fail_with(MaybeSentError(Failure.TIMEOUT, "the server did not move in time"))

    def _is_moving(self) -> bool:
        """Tell whether the server has taken anything of an upload since the last look."""
        before, self._unsent = self._unsent, self._unsent_bytes()
        return self._unsent < before

    def _unsent_bytes(self) -> int:
        """Count what the server has not acknowledged: the kernel holds megabytes of it."""
        socket = self._transport.get_extra_info("socket")
        unsent = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, _INT)
        return self._transport.get_write_buffer_size() + int.from_bytes(unsent, sys.byteorder)

    def _drop_transport(self) -> None:
        """Forget the exchange and its deadline."""
        if self._answer is not None:
            self._answer.detach_carrier()
        self._answer = None
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _keep_alive_s(answer: ServerAnswer) -> float:
    """Read `Keep-Alive: timeout=<seconds>` (RFC 2068 §19.7.1.1); 0 where it is not said."""
    for name, value in answer.headers:
        if name.lower() == b"keep-alive":
            said = _TIMEOUT.search(value)
            return float(said[1]) if said else 0.0
    return 0.0

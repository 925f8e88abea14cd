"""One client's connection (ADR 27): a request at a time is read; what comes behind it waits.

    wait for a head ─▶ head ─▶ body, while the application answers ─▶ wait for a head
                                     │ answered: the next one that waits is read
                                     └ half-closed: answered, then closed

Reading stops while the client takes no answers, while the application takes no body, and while
`PIPELINED_MAX` requests wait. No chunk has a timer: what a client owes is seen by the sweep of
the register. The package has the theory of it: states, events, and what is ugly.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from services.gateway.domain.errors import GatewayError
from services.gateway.wire import heads
from services.gateway.wire.dues import CLOSED, Debt, Due, Owed
from services.gateway.wire.leaving import FIRST_REQUEST_S, Leaving
from services.gateway.wire.reader import END, Reader, Scope
from services.gateway.wire.register import ConnectionRegister
from services.gateway.wire.turn import Turn
from services.gateway.wire.writing import refusal_bytes

PIPELINED_MAX = 16
_HELD_BYTES_MAX = 64 * 1024


class ClientConnection(Leaving):
    """One client connection; `on_gone` is called once if it is lost during a request."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        register: ConnectionRegister | None = None,
    ) -> None:
        """Be what uvicorn's server makes for each client; `register` is the process's."""
        super().__init__(server_state, _loop)
        self.on_gone: Callable[[], None] | None = None
        self.debt: Debt | None = None
        self._app = config.loaded_app
        self._connections = cast("set[Any]", server_state.connections)
        self._app_state = app_state
        self._register = ConnectionRegister() if register is None else register
        self._addresses: Scope = {}
        self._reader = Reader(self._begin_turn)
        self._held = bytearray()
        self._turns = self._received = 0

    # ------------------------------------------------------------- the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, or be turned away."""
        self.transport = cast("asyncio.Transport", transport)
        client = get_remote_addr(self.transport)
        self._addresses = {"client": client, "server": get_local_addr(self.transport)}
        self._connections.add(self)
        address = client[0] if client else ""
        refusal = self._register.refusal_for(address)
        if refusal is None:
            self._register.add_connection(self, address)
        else:
            self._register.add_turned_away(self)
            self.turn_away(refusal)

    def connection_lost(self, _: Exception | None) -> None:
        """Tell whoever works for this client."""
        self._connections.discard(self)
        self._register.remove_connection(self)
        self._held.clear()
        self.resume_writing()
        self._reader.close()
        turn, self._reader.turn = self._reader.turn, None
        if turn is not None and not turn.answered:
            turn.note_lost()
        gone, self.on_gone = self.on_gone, None
        if gone is not None:
            gone()

    def eof_received(self) -> bool:
        """Answer a client that will send no more (RFC 9112 §9.6), unless its request is cut."""
        turn = self._reader.turn
        if self.deaf and not self.lingering:
            self.half_closed = True  # what is wrong with its request is about to be told
            return True
        if self.lingering or not (self._held if turn is None else turn.complete):
            return False
        if turn is not None and turn.begun and not turn.answered and self.on_gone is not None:
            return False  # who leaves amid an answer cannot be asked, and would hold its lease
        if turn is not None and turn.scope["http_version"] == "1.0":
            # HTTP/1.0 knows no interim answer: a client that is worked for counts as gone.
            self.half_closed = self.on_gone is None
            return self.half_closed
        self.half_closed = True
        if turn is not None:
            turn.ask_again()
        return True

    # ------------------------------------------------------------- one request after another

    def data_received(self, data: bytes) -> None:
        """Read what may be read now; the rest waits."""
        self._received += len(data)
        if self.deaf or self.transport.is_closing():
            self.throw_away(len(data))
            return
        if self._held or self._is_busy:
            self._hold_back(data)
        else:
            self._feed_reader(data)
        self.settle_line()

    @property
    def _is_busy(self) -> bool:
        """Whether a whole request is not answered yet, or answers wait to be taken."""
        turn = self._reader.turn
        return self.full if turn is None else turn.complete

    def _hold_back(self, data: bytes) -> None:
        """Keep what comes behind a request; nothing is to come behind the last one."""
        turn = self._reader.turn
        if turn is None or turn.keep_alive:
            self._held += data

    def _feed_reader(self, data: bytes) -> None:
        while data and not self.deaf:
            try:
                data = self._reader.feed_bytes(data)
            except GatewayError as error:
                self._answer_malformed(error)
                return
            turn = self._reader.turn
            if turn is not None and turn.complete and turn.answered:
                self._reader.turn = None  # its body was read for the sake of what is behind it
            if data and self._is_busy:
                self._hold_back(data)
                return

    def _begin_turn(self, head: Scope, reader: Reader) -> Turn:
        """Let the application answer a request whose head is there."""
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "scheme": "http",
            "root_path": "",
            "state": self._app_state.copy(),
            "tidegate.connection": self,
            **self._addresses,
            **head,
        }
        modern = head["http_version"] == "1.1"
        turn = Turn(
            self,
            scope,
            reader.length,
            chunked=reader.coding is not None,
            expects=modern and reader.expects,
            keep_alive=modern and reader.keeps_alive,
        )
        scope["tidegate.whole"] = turn.answer_whole
        self._turns += 1
        tasks = self.server_state.tasks
        task = self.loop.create_task(turn.run(self._app))
        task.add_done_callback(tasks.discard)
        tasks.add(task)
        return turn

    def _answer_malformed(self, error: GatewayError) -> None:
        """Answer what is no request; within a body, whoever reads that answers."""
        turn = self._reader.turn
        if turn is None:
            self.write_part(refusal_bytes(error))
            self.begin_close(unread=True)
        elif turn.answered:
            self.begin_close(unread=True)
        else:
            error.extra["connection"] = "close"
            self.deaf = True
            turn.fail_with(error.with_traceback(None))  # its frames hold this connection

    def end_turn(self, turn: Turn) -> None:
        """The answer of the turn under way has ended."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if not turn.keep_alive:
            self.begin_close(unread=not (turn.complete and turn.last))
            return
        if turn.complete:
            self._reader.turn = None
        self.go_on()

    def go_on(self) -> None:
        """Read what has waited, and then on."""
        if self.transport.is_closing() or self.deaf:
            return
        if self._held and not self._is_busy:
            data = bytes(self._held)
            self._held.clear()
            self._feed_reader(data)
        if self.half_closed and self._reader.turn is None and not self.full:
            self.transport.close()
        self.settle_line()

    def settle_line(self) -> None:
        """Read on or not, as it is now."""
        turn = self._reader.turn
        held_bytes = len(self._held)
        pause = (
            self.full
            or (turn is not None and turn.is_crowded)
            or held_bytes > _HELD_BYTES_MAX
            or (held_bytes > 0 and self._held.count(END) >= PIPELINED_MAX)
        )
        if pause == self.paused or self.half_closed or self.deaf:
            return
        if not self.transport.is_closing():
            self.paused = pause
            if pause:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def note_opened(self) -> None:
        """A key has opened this connection: it is no stranger's any more."""
        self._register.note_opened(self)

    # ------------------------------------------------------------- ending

    def turn_away(self, error: GatewayError) -> None:
        """Say why this client may not stay, unless an answer is under way, and close."""
        turn = self._reader.turn
        if turn is None:
            self.write_part(refusal_bytes(error))
        answering = turn is not None and not turn.answered
        linger = not answering and self._register.may_linger
        if linger:
            self._register.note_lingering(self)
        self.begin_close(unread=linger)

    def hang_up(self) -> None:
        """Close without a proper end of the answer under way: nothing more is written of it."""
        turn = self._reader.turn
        if turn is not None:
            turn.note_lost()
        self.begin_close(unread=True)

    def shutdown(self) -> None:
        """Let go of an idle connection; one that has not asked yet gets the time to.

        Its first request may be on its way, and would be answered by a reset.
        """
        self.end_leaving()
        if self._turns:
            self._close_after()
        else:
            self.loop.call_later(FIRST_REQUEST_S, self._close_after)

    def _close_after(self) -> None:
        turn = self._reader.turn
        if self.lingering:
            return
        if turn is None or turn.answered:
            self.transport.close()
        else:
            turn.keep_alive = False

    def due_now(self) -> Owed:
        """Say what the client owes."""
        if self.has_left():
            return Owed(Due.LEAVING)
        waiting = self.transport.get_write_buffer_size()
        if waiting:
            return Owed(Due.TAKING, moved=self.written - waiting)
        if self.lingering:
            return Owed(Due.LINGERING)
        turn = self._reader.turn
        if turn is None:
            idle = self._turns > 0 and not self._reader.head_bytes
            return Owed(Due.NEXT if idle else Due.HEAD, self._turns)
        if turn.complete or not (turn.wants_body or turn.answered):
            return Owed(Due.NOTHING)
        return Owed(Due.UPLOAD, self._turns, self._received)

    def end_overdue(self, due: Due) -> None:
        """End what the client has owed too long."""
        turn = self._reader.turn
        if due is Due.UPLOAD and turn is not None and not turn.begun:
            turn.fail_with(heads.head_too_slow())
        elif due in CLOSED:
            self.transport.close()
        else:
            self.transport.abort()

"""The child as its parent sees it: started, asked, killed at the deadline."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO, cast

from services.analytics.sandbox import words
from services.analytics.sandbox.words import FrameError, OpenCopy, SqlAnswer, SqlQuestion

_MODULE = "services.analytics.sandbox.child"
_SAID_MAX = 300
_ENDS_S = 1.0
"""How long an end may take between its pipes and its exit."""


class DeadlineError(Exception):
    """The child was killed: its time was over."""


class EndedError(Exception):
    """The child ended without an answer; the message says how."""


class SqlChild:
    """One process.

    The kernel kills it when the thread that made it ends: one that is to be asked longer must be
    made by a thread that lives longer.
    """

    def __init__(self, memory_bytes: int, stderr: Path) -> None:
        """Start it; what it says on its standard error lies in `stderr`."""
        self.memory_bytes = memory_bytes
        self._stderr = stderr
        with stderr.open("wb") as said:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-P", "-m", _MODULE, str(os.getpid()), str(memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env=_child_environment(),
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def ask_child(
        self, command: OpenCopy | SqlQuestion, timeout_s: float
    ) -> tuple[SqlAnswer, bytes]:
        """Say something and wait for the answer, its rows beside it as lines of JSON.

        Raises `DeadlineError` when it took too long, and `EndedError` when the child ended; it
        is gone in either case.
        """
        late = threading.Event()

        def kill_late() -> None:
            late.set()
            self._process.kill()

        bell = threading.Timer(timeout_s, kill_late)
        bell.start()
        try:
            words.send_frame(cast("BinaryIO", self._process.stdin), command)
            return words.receive_frame(cast("BinaryIO", self._process.stdout), words.answer)
        except (OSError, FrameError) as error:
            how = self._end_cause(error)
            self.end_process()
            if late.is_set():
                raise DeadlineError from None
            raise EndedError(how) from None
        finally:
            bell.cancel()

    def kill(self) -> None:
        """End it now, whatever it does; any thread may."""
        self._process.kill()

    def end_process(self) -> None:
        """End it, and leave nothing of it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was said last cannot be told any more
                cast("BinaryIO", pipe).close()

    def _end_cause(self, error: Exception) -> str:
        """Say by what it ended, with the last that it said."""
        try:
            code = self._process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            return f"nothing that can be read ({error})"
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        with contextlib.suppress(OSError):
            said = self._stderr.read_text(errors="replace").strip().rpartition("\n")[2]
            how += f": {said[:_SAID_MAX]}" if said else ""
        return how


def _child_environment() -> dict[str, str]:
    """Pass on the environment without what is ours: secrets are in it.

    Few arenas of the C library: each reserves 64 MB of the address space, used or not.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
    return {**kept, "MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}

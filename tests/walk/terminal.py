"""A command at a pseudo-terminal: what is typed into it, and what it shows."""

import codecs
import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.walk.screen import Screen

COLUMNS = 80
ROWS = 24
END_S = 120
_PROMPT = ": "
"""With this ends what asks for something."""


class Terminal:
    """A terminal of its own for one command of a shell."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Start it."""
        self.screen = Screen()
        self._text = codecs.getincrementaldecoder("utf-8")()
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=folder,
            env={**environment, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def read_to_end(self, answers: Sequence[str] = ()) -> int:
        """Read until it has ended, typing answers as they are asked for; its exit code."""
        left = list(answers)
        deadline = time.monotonic() + END_S
        while self._read_some(0.2):
            if left and self.screen.lines[-1].endswith(_PROMPT):
                os.write(self._ours, f"{left.pop(0)}\n".encode())
            assert time.monotonic() < deadline, "\n".join(self.screen.lines)
        assert left == [], "answers that nothing asked for"
        return self.process.wait(END_S)

    def read_until(self, text: str) -> None:
        """Read until it shows this."""
        deadline = time.monotonic() + END_S
        while not any(text in line for line in self.screen.lines):
            going_on = self._read_some(0.2)
            shown = "\n".join(self.screen.lines)
            assert going_on, f"it ended without {text!r}: {shown}"
            assert time.monotonic() < deadline, f"expected {text!r}: {shown}"

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)

    def close(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self.interrupt()
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        os.close(self._ours)

    def _read_some(self, seconds: float) -> bool:
        """Take what is there, or comes within so long; false once its other end is closed."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return True
        try:
            printed = os.read(self._ours, 65536)
        except OSError:  # nobody has the other end open any more
            return False
        self.screen.feed(self._text.decode(printed))
        return bool(printed)

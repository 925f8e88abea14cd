"""A real terminal for tests: a pty of so many columns, and what a process shows on it."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from pathlib import Path

COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x1b\([A-B]")


class PtyProcess:
    """A command on a terminal of its own."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        cwd: Path,
        size: tuple[int, int] = (80, 24),
    ) -> None:
        self.master, slave = pty.openpty()
        columns, rows = size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            env={**environment, "TERM": "xterm-256color"},
            cwd=cwd,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (two calls)
        )
        os.close(slave)
        self._shown = b""
        self._reader = threading.Thread(target=self._read_all, daemon=True)
        self._reader.start()

    def _read_all(self) -> None:
        while True:
            try:
                piece = os.read(self.master, 65_536)
            except OSError:  # nobody has the other end open any more
                return
            if not piece:
                return
            self._shown += piece

    def raw(self) -> str:
        return self._shown.decode(errors="replace")

    def text(self) -> str:
        """What was shown, without colours, and of a line that was drawn again its last state."""
        lines = COLOURS.sub("", self.raw()).replace("\r\n", "\n").split("\n")
        return "\n".join(line.rpartition("\r")[2] for line in lines)

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self, seconds: float = 90) -> int:
        """Press Ctrl-C, and wait for the end."""
        if self.process.poll() is None:
            self.press(b"\x03")
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self._reader.join(5)
            os.close(self.master)

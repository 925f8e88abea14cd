"""A log file that several processes append to, and that one of them moves away when it is full.

Each line is one write behind the end, so that lines of several processes stand whole. Whoever
moves the file tells nobody: a writer looks once a second whether its file still has its name, and
makes the next one. A line that cannot be written (a full disk) is lost, and stops nobody.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

_LOOK_EVERY_S = 1.0
_MODE = 0o600


def open_appended(path: Path) -> int:
    """Open a log file for whoever appends to it, and make it for its owner alone.

    Raises `OSError`.
    """
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)


class AppendedLog:
    """The file as one process writes into it: what structlog takes for a logger of bytes."""

    def __init__(self, path: Path, *, whole_output: bool) -> None:
        """With `whole_output`, what the process prints goes there, too."""
        self._path = path
        self._whole_output = whole_output
        self._file = open_appended(path)
        self._look_at = 0.0
        self._send_output()

    def msg(self, message: bytes) -> None:
        """Append a line; one that cannot be written is lost."""
        with suppress(OSError):
            if time.monotonic() >= self._look_at:
                self._look_at = time.monotonic() + _LOOK_EVERY_S
                self._reopen_if_moved()
            os.write(self._file, message + b"\n")

    log = debug = info = warn = warning = error = critical = exception = fatal = failure = msg

    def _reopen_if_moved(self) -> None:
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._file), self._path.stat()):
                return
        moved, self._file = self._file, open_appended(self._path)
        os.close(moved)
        self._send_output()

    def _send_output(self) -> None:
        if self._whole_output:
            os.dup2(self._file, 1)
            os.dup2(self._file, 2)

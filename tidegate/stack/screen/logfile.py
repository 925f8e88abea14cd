"""The log file of a home, read as it grows, and moved away when it is full.

Its writers (`runtime.process.logfile`) notice a move within a second, and write on into the old
file till then: it is read for some seconds more.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from runtime.environment import Home
from runtime.process.logfile import open_appended

FILE_BYTES_MAX = 50 * 2**20
FILES_MAX = 5
"""How many there are, with the one that is written."""
_READ_ON_S = 5.0
_PIECE_BYTES = 2**20


def log_file(home: Home) -> Path:
    """Where `up` on a terminal, and all that it starts, has its log."""
    return home.path / "tidegate.log"


class _OpenFile:
    def __init__(self, path: Path) -> None:
        os.close(open_appended(path))
        self.file = path.open("rb")
        self.rest = b""
        self.until_s: float | None = None
        """Till when it is read though it was moved away; None: it was not."""

    def read_lines(self) -> list[bytes]:
        """Read the lines that have come; what stands behind the last one's end is kept."""
        piece = self.file.read(_PIECE_BYTES)
        *lines, self.rest = (self.rest + piece).split(b"\n")
        return lines


class FollowedLog:
    """What is written from now on, whichever file it goes into."""

    def __init__(
        self, path: Path, bytes_max: int = FILE_BYTES_MAX, files_max: int = FILES_MAX
    ) -> None:
        """Begin at the end of what is there. Raises `OSError`."""
        self._path = path
        self._bytes_max = bytes_max
        self._files_max = files_max
        self._current = _OpenFile(path)
        self._current.file.seek(0, os.SEEK_END)
        self._moved: list[_OpenFile] = []

    def read_lines(self) -> list[bytes]:
        """Read what has come since the last time; then move a full file away."""
        lines = [line for moved in self._moved for line in moved.read_lines()]
        lines += self._current.read_lines()
        self._close_old()
        # A file that cannot be moved (a full disk) grows on.
        with suppress(OSError):
            if self._current.file.tell() >= self._bytes_max:
                self._move_away()
        return lines

    def close(self) -> None:
        """Read no more."""
        for opened in [self._current, *self._moved]:
            opened.file.close()

    def _move_away(self) -> None:
        for number in range(self._files_max - 1, 0, -1):
            older = self._numbered(number - 1) if number > 1 else self._path
            if older.exists():
                older.replace(self._numbered(number))
        fresh = _OpenFile(self._path)
        self._current.until_s = time.monotonic() + _READ_ON_S
        self._moved.append(self._current)
        self._current = fresh

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _close_old(self) -> None:
        """Close what was moved away so long ago that nobody writes into it."""
        for moved in list(self._moved):
            if moved.until_s is not None and time.monotonic() > moved.until_s:
                moved.file.close()
                self._moved.remove(moved)

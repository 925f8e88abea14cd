"""Whether anybody still reads what `up` prints: of a pipe the reader may have left (`| head`)."""

import os
import select
import stat
import sys
from typing import TextIO

_GONE = select.POLLERR | select.POLLHUP


def has_lost_reader() -> bool:
    """Tell whether standard output or error is a pipe that nobody reads from any more."""
    return any(map(_is_unread_pipe, (sys.stdout, sys.stderr)))


def _is_unread_pipe(stream: TextIO) -> bool:
    """Tell so of a pipe; a file, a terminal or a socket of a journal is none."""
    try:
        file = stream.fileno()
        if not stat.S_ISFIFO(os.fstat(file).st_mode):
            return False
    except (OSError, ValueError):
        return False
    poll = select.poll()
    poll.register(file, 0)  # that the other end is closed is told unasked
    return any(events & _GONE for _, events in poll.poll(0))

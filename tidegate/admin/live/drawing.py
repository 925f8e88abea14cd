"""A terminal that is drawn on again and again, until `q`, Ctrl-C or its end."""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text

from tidegate.console import output

Draw = Callable[[tuple[int, int]], Sequence[Text]]
"""What is to be seen in so many columns and rows."""
_LEAVING = frozenset(b"qQ\x03\x04")


def draw_until_left(
    draw: Draw, every_s: float, *, whole_screen: bool, first: Sequence[Text] = ()
) -> None:
    """Draw every so many seconds; the terminal is left as it was found.

    What is `first` stands there until there is something to draw.
    """
    console = output.plain_console()
    with (
        _keys_at_once(),
        Live(console=console, screen=whole_screen, auto_refresh=False, transient=False) as live,
    ):
        if first:
            live.update(Text("\n").join(first), refresh=True)
        while True:
            lines = draw((console.width, console.height))
            live.update(Text("\n").join(lines), refresh=True)
            if _is_left(every_s):
                return


@contextmanager
def _keys_at_once() -> Iterator[None]:
    """Read keys as they are pressed, and show none of them."""
    if not sys.stdin.isatty():
        yield
        return
    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    tty.setcbreak(file)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)


def _is_left(seconds: float) -> bool:
    """Wait, and tell whether somebody pressed a key that leaves."""
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        if not sys.stdin.isatty():
            time.sleep(left_s)
            continue
        ready, _, _ = select.select([sys.stdin], [], [], left_s)
        if ready:
            keys = os.read(sys.stdin.fileno(), 64)
            if not keys or _LEAVING & set(keys):
                return True
    return False

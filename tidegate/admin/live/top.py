"""`tidegate top`: how things stand, live, on a whole terminal."""

import time
from typing import Any

import typer
from rich.text import Text

from runtime.environment import read_environment
from runtime.texts import address_shown, as_shown
from tidegate.admin.live.drawing import draw_until_left
from tidegate.admin.live.page import top_page
from tidegate.admin.live.status import overview_and_servers
from tidegate.console import api, output
from tidegate.console.errors import CommandError
from tidegate.console.moments import duration_words


def top(
    *,
    every: float = typer.Option(1.0, "--every", min=0.5, help="Seconds between two looks."),
    as_json: bool = output.JSON,
) -> None:
    """Show units, calls, servers, what needs doing and the last errors, live; `q` leaves.

    Not on a terminal, or with --json, it shows them once.

    Example: tidegate top --every 2
    """
    view = TopView()
    if as_json:
        output.print_json(overview_and_servers()[0])
    elif output.terminal_width() is None:
        for line in view.draw((120, 60), strict=True):
            output.print_text(line.plain)
    else:
        draw_until_left(view.draw, every, whole_screen=True, first=view.first_lines())


class TopView:
    """What was heard last, and since when nothing is."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._url = address_shown(api.gateway_address(read_environment()))
        self._heard: tuple[dict[str, Any], list[dict[str, Any]]] | None = None
        self._heard_s = time.monotonic()

    def first_lines(self) -> list[Text]:
        """What stands there until somebody has answered."""
        return [Text(f"asking {self._url} …"), Text("q leaves", style="dim")]

    def draw(self, size: tuple[int, int], *, strict: bool = False) -> list[Text]:
        """Ask and lay out; what was heard last stays when nobody answers, and it says so.

        Raises `CommandError` when it is `strict` and nobody answers.
        """
        trouble = ""
        try:
            self._heard = overview_and_servers()
            self._heard_s = time.monotonic()
        except CommandError as error:
            if strict:
                raise
            if self._heard is None:
                return [Text(as_shown(str(error)), style="red"), Text("q leaves", style="dim")]
            trouble = f"no answer for {duration_words(time.monotonic() - self._heard_s)}"
        return top_page(self._url, *self._heard, size, trouble)

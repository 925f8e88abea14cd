"""`tidegate status`: how things stand, in about ten lines."""

import time
from collections.abc import Sequence
from typing import Any

import typer
from rich.cells import cell_len
from rich.text import Text

from tidegate.admin.live.drawing import draw_until_left
from tidegate.admin.live.lines import LABEL_WIDTH, is_well, slow_servers, status_lines
from tidegate.console import api, output
from tidegate.console.errors import CommandError
from tidegate.console.tables import wrapped

_WATCH = typer.Option(False, "--watch", help="Say it again and again, until Ctrl-C or `q`.")
_SAID_LEAST = 20
_EVERY = typer.Option(2.0, "--every", min=0.5, help="With --watch: seconds between two looks.")


def status(*, watch: bool = _WATCH, every: float = _EVERY, as_json: bool = output.JSON) -> None:
    """Say what is left today, how calls go, who is unwell or in doubt, and what needs doing.

    Exit 1 when something is wrong. With --watch and --json: a line of JSON each time.

    Example: tidegate status
    """
    if watch and as_json:
        _print_again(every)
    if watch and output.terminal_width():
        draw_until_left(_drawn_lines, every, whole_screen=False)
        return
    while True:
        overview, servers = overview_and_servers()
        if as_json:
            output.print_json({**overview, "slow": slow_servers(servers)})
        else:
            _print_lines(status_lines(overview, servers))
        if not watch:
            break
        output.print_text(flush=True)
        time.sleep(every)
    if not is_well(overview):
        raise typer.Exit(1)


def overview_and_servers() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Ask how things stand; no servers where the balancer is silent. Raises `CommandError`."""
    overview: dict[str, Any] = api.get("/api/overview")
    try:
        servers = api.get("/api/servers")["data"]
    except CommandError:
        servers = []
    return overview, servers


def _print_again(every: float) -> None:
    while True:
        overview, servers = overview_and_servers()
        output.print_record({**overview, "slow": slow_servers(servers)})
        time.sleep(every)


def _drawn_lines(size: tuple[int, int]) -> Sequence[Text]:
    columns, rows = size
    try:
        lines = _folded(status_lines(*overview_and_servers()), columns)
    except CommandError as error:
        lines = [Text(wrapped(str(error), columns), style="red")]
    return lines[: rows - 1]


def _print_lines(lines: Sequence[Text]) -> None:
    console = output.plain_console()
    width = output.terminal_width()
    for line in _folded(lines, width) if width else lines:
        console.print(line, soft_wrap=True)


def _folded(lines: Sequence[Text], width: int) -> list[Text]:
    """Fold what is longer than the terminal, below what it says, not below its label.

    No word is broken: where one has no room there, all of it stands at the line's beginning.
    """
    folded = []
    for line in lines:
        label, said = line[:LABEL_WIDTH], line[LABEL_WIDTH:]
        begun = 0
        for part in wrapped(said.plain, max(_SAID_LEAST, width - LABEL_WIDTH)).split("\n"):
            # Of the text, for its style; only blanks were left out.
            at = said.plain.index(part, begun)
            piece = said[at : at + len(part)]
            room = width - LABEL_WIDTH >= cell_len(part)
            before = label if begun == 0 else Text(" " * LABEL_WIDTH)
            if room:
                folded.append(before + piece)
            else:
                folded += [label, piece] if begun == 0 and label.plain.strip() else [piece]
            begun = at + len(part)
    return folded

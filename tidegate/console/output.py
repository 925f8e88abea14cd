"""What a verb shows: tables for people, JSON for programs, one line for what went wrong."""

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import msgspec
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from runtime.texts import as_shown, as_shown_json, as_shown_lines, count_phrase
from tidegate.console.tables import TableShape, lay_out, wrapped

JSON = typer.Option(False, "--json", help="Print JSON instead of tables.")
_COLUMNS = 80
"""Of a terminal that says it has none."""
_SAID_LEAST = 20
"""Columns, however far something is indented."""
_LONG_S = 1.0
"""What is over by then needs no bar."""
Moved = Callable[[int], None]
"""Told how much further it is."""


def program_name() -> str:
    """Name this program as it can be typed where one stands."""
    own = Path(sys.executable).parent / "tidegate"
    if not own.exists() or shutil.which("tidegate"):
        return "tidegate"
    return shlex.quote(os.path.relpath(own))


def print_text(text: str = "", *, flush: bool = False) -> None:
    """Print a line, or several; what they hold of strangers' texts commands no terminal."""
    print(as_shown_lines(text), flush=flush)


def print_prose(text: str) -> None:
    """Print sentences: on a terminal, broken between words where they are longer than a line."""
    print(prose_on(text, sys.stdout))


def print_indented(lines: Iterable[str]) -> None:
    """Print facts, one a line: on a terminal, what goes on below stands under its beginning."""
    width = terminal_width()
    for line in map(as_shown, lines):
        blanks = " " * (len(line) - len(line.lstrip()))
        if width is None or len(line) <= width:
            print(line)
            continue
        first, *rest = wrapped(line.lstrip(), max(_SAID_LEAST, width - len(blanks) - 2)).split("\n")
        print("\n".join([f"{blanks}{first}", *(f"{blanks}  {part}" for part in rest)]))


def print_title(text: str) -> None:
    """Print a line in bold, where there is bold."""
    plain_console().print(as_shown(text), style="bold", soft_wrap=True)


def print_line(text: str) -> None:
    """Print one line at once, whatever line breaks stand in what strangers wrote."""
    print(as_shown(text), flush=True)


def print_headed(head: str, text: str, indent: int) -> None:
    """Print a line at once: a head, and a text that stands below where a terminal has no room."""
    line = as_shown(f"{head}  {text}".rstrip())
    width = terminal_width()
    if width is None or len(line) <= width:
        print(line, flush=True)
        return
    below = wrapped(as_shown(text), max(_SAID_LEAST, width - indent)).split("\n")
    blanks = " " * indent
    print("\n".join([as_shown(head).rstrip(), *(blanks + part for part in below)]), flush=True)


def print_document(text: str) -> None:
    """Print a document: as it is into a file, and so that it commands nothing on a terminal."""
    print(as_shown_lines(text) if sys.stdout.isatty() else text, end="")


def print_record(value: Any) -> None:
    """Print something as one line of JSON, at once."""
    print(as_shown_json(json.dumps(value, ensure_ascii=False)), flush=True)


def print_json(value: Any) -> None:
    """Print something as indented JSON."""
    print(as_shown_json(json_text(value)))


def print_answer(answer: Any, text: str, *, as_json: bool) -> None:
    """Print an answer as JSON for programs, or what it comes to for people."""
    if as_json:
        print_json(answer)
    else:
        print_text(text)


def json_text(value: Any) -> str:
    """Write something as indented JSON."""
    return json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)


def terminal_width() -> int | None:
    """Columns of the terminal that is printed on; None where there is none."""
    console = plain_console()
    return console.width if console.is_terminal else None


def plain_console() -> Console:
    """What texts are printed through that take no markup; it has some width."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.width:
        console.width = _COLUMNS
    return console


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    empty: str = "nothing",
    shape: TableShape | None = None,
    *,
    wide: bool = False,
    hint: str = "--json",
) -> None:
    """Print rows under their columns; `empty` when there are none.

    A terminal gets lines that fit it, and columns that do not are named below, with the option
    that shows them; one too narrow for those that are kept, a block a row. A pipe gets everything,
    and so does a terminal that is to be `wide`.
    """
    values = [list(row) for row in rows]
    if not values:
        print_text(empty)
        return
    shape = shape or TableShape()
    if not shape.right:
        numbers = [at for at, column in enumerate(zip(*values, strict=True)) if are_numbers(column)]
        shape = shape._replace(right=numbers)
    width = None if wide else terminal_width()
    cells = [[table_cell(value) for value in row] for row in values]
    layout = lay_out([*map(as_shown, columns)], cells, width, shape)
    if width and max(map(cell_len, [*layout.head, *layout.lines])) > width:
        _print_blocks(columns, cells)
        return
    if any(columns):
        plain_console().out("\n".join(layout.head), style="bold", highlight=False)
    print("\n".join(layout.lines))
    if layout.left_out:
        count = len(layout.left_out)
        print_prose(
            f"\n{count_phrase(count, 'column')} left out"
            f" ({', '.join(layout.left_out)}): {hint} shows {'it' if count == 1 else 'them'}"
        )


def are_numbers(values: Iterable[Any]) -> bool:
    """Tell whether these are numbers, as far as they are anything."""
    something = [value for value in values if value is not None and value != ""]
    return bool(something) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in something
    )


def _print_blocks(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a block a row, where not even the columns that are kept stand beside each other."""
    for number, row in enumerate(rows):
        if number and len(columns) > 1:
            print()
        named = zip(columns, row, strict=True)
        print_indented(f"{name}: {cell}" if name else cell for name, cell in named if cell)


def print_records(
    columns: Sequence[str], records: Iterable[Mapping[str, Any]], empty: str = "nothing"
) -> None:
    """Print records under the names of their fields."""
    print_table(columns, ([record.get(name) for name in columns] for record in records), empty)


def print_expanded(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """Print each row as a block of its own, a column a line, however wide they are."""
    blocks = list(rows)
    if not blocks:
        print_text(empty)
    width = max((len(name) for name in columns), default=0)
    for number, row in enumerate(blocks, 1):
        print_title(f"-[ row {number} ]-")
        for name, value in zip(columns, row, strict=True):
            print_text(f"{as_shown(name):<{width}}  {table_cell(value)}".rstrip())


def print_pairs(named: Iterable[tuple[str, Any]]) -> None:
    """Print names and their values, one a line."""
    shape = TableShape(kept=(0, 1), right=(-1,))
    print_table(("", ""), named, shape=shape)


def table_cell(value: Any) -> str:
    """Write one value as a table has it: nothing for null, `a=1 b=2` for a mapping."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return " ".join(
            f"{as_shown(str(name))}={table_cell(inner)}" for name, inner in value.items()
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(table_cell(inner) for inner in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return as_shown(str(value))


@contextmanager
def progress_bar(
    what: str, total: int | None, *, in_bytes: bool = False, shown: bool = True
) -> Iterator[Moved]:
    """Show a bar while something long is done: on a terminal alone, and not before a second."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn() if in_bytes else MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not (shown and console.is_terminal),
        transient=True,
    )
    begun_s = time.monotonic()
    task = bar.add_task(what, total=total)

    def advance(count: int) -> None:
        bar.update(task, advance=count)
        if time.monotonic() - begun_s >= _LONG_S:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()


def print_note(message: str) -> None:
    """Say something beside what is printed, where a pipe does not see it."""
    print(prose_on(message, sys.stderr), file=sys.stderr)


def prose_on(text: str, stream: TextIO) -> str:
    """Write sentences for a stream: between words, broken where its terminal's lines end."""
    shown = as_shown_lines(text)
    console = Console(file=stream)
    return wrapped(shown, console.width or _COLUMNS) if console.is_terminal else shown


def note_freshness(answer: Mapping[str, Any]) -> None:
    """Say up to where in the log an answer of the projections is true."""
    lag = answer["lag"]
    end = f"{count_phrase(lag, 'envelope')} before its end" if lag else "its end as far as known"
    print_note(f"true up to sequence {answer['sequence']} of the log, {end}")

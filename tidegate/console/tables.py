"""Rows laid out under their columns, in so many columns of a terminal: pure.

No word is ever broken, so that an id or an address can be copied as it stands: a cell with several
words goes on below, and a column that has no room even so is left out, and named. A list has one
line a row: its cells do not go on below, and of those that may be short the beginning is shown.
"""

import re
from collections.abc import Collection, Sequence
from itertools import zip_longest
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

_GAP = 2
_SHORT_LEAST = 24
"""Less of a text than this says too little."""
_PARTS = re.compile(
    r"[^\s\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60]+|\S|\s+"
)
"""Words, blanks, and characters of a script that writes none between its words."""


_LONG_PATH = re.compile(r"(?<![\w:/.…])(?:/[\w.@+~-]+){3,}")
"""A path of a file that begins at the root; no part of an address."""


class Layout(NamedTuple):
    """A table as lines, and the columns that had no room."""

    head: list[str]
    lines: list[str]
    left_out: list[str]


class TableShape(NamedTuple):
    """How columns are laid out, each by its number."""

    kept: Collection[int] = (0,)
    """Those that are there however narrow it is."""
    right: Collection[int] = ()
    """Those with numbers, which stand under each other by their last digit."""
    short: Collection[int] = ()
    """Those of which the beginning is enough."""
    one_line: bool = False
    """Whether a row is one line, rather than as many as its longest cell needs."""


class _Column(NamedTuple):
    wanted: int
    """Terminal columns of its widest cell."""
    least: int
    """Of its widest word."""


def lay_out(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    shape: TableShape = TableShape(),
) -> Layout:
    """Lay rows out in `width` terminal columns; None: as wide as they are.

    From the left, each column is there that has room for its widest word beside those that are
    there already; those kept always are, and the terminal folds what is too long.
    """
    cells_by_column = enumerate(zip(columns, *rows, strict=True))
    measured = [_column_needs(cells, number, shape) for number, cells in cells_by_column]
    if width is None:
        widths = {number: column.wanted for number, column in enumerate(measured)}
    else:
        there = _columns_with_room(measured, width, shape.kept)
        widths = _column_widths(measured, there, width)
    lines = [line for row in rows for line in _row_lines(row, widths, shape)]
    left_out = [name for number, name in enumerate(columns) if number not in widths]
    return Layout(_row_lines(columns, widths, shape), lines, left_out)


def _column_needs(cells: Sequence[str], number: int, shape: TableShape) -> _Column:
    wanted = max(map(cell_len, cells))
    if number in shape.short:
        return _Column(wanted, min(wanted, max(_SHORT_LEAST, cell_len(cells[0]))))
    if shape.one_line:
        return _Column(wanted, wanted)
    words = (cell_len(word) for cell in cells for word in _PARTS.findall(cell) if word.strip())
    return _Column(wanted, max(words, default=0))


def _columns_with_room(measured: Sequence[_Column], width: int, kept: Collection[int]) -> list[int]:
    """Choose the columns that are there."""
    room = width + _GAP - sum(measured[number].least + _GAP for number in kept)
    there = set(kept)
    for number, column in enumerate(measured):
        if number not in there and column.least + _GAP <= room:
            there.add(number)
            room -= column.least + _GAP
    return sorted(there)


def _column_widths(measured: Sequence[_Column], there: Sequence[int], width: int) -> dict[int, int]:
    """Give what room is left, to those first that want the least."""
    widths = {number: measured[number].least for number in there}
    room = width - sum(widths.values()) - _GAP * (len(there) - 1)
    wanting = sorted(there, key=lambda number: measured[number].wanted - widths[number])
    for count, number in zip(range(len(wanting), 0, -1), wanting, strict=True):
        more = min(measured[number].wanted - widths[number], max(0, room // count))
        widths[number] += more
        room -= more
    return widths


def _row_lines(row: Sequence[str], widths: dict[int, int], shape: TableShape) -> list[str]:
    """Write one row, in as many lines as its longest cell needs."""
    cells = [_cell_lines(row[number], number, width, shape) for number, width in widths.items()]
    padded_lines = []
    for parts in zip_longest(*cells, fillvalue=""):
        padded = (
            _padded(part, width, right=number in shape.right)
            for part, (number, width) in zip(parts, widths.items(), strict=True)
        )
        padded_lines.append((" " * _GAP).join(padded).rstrip())
    return padded_lines


def _cell_lines(text: str, number: int, width: int, shape: TableShape) -> list[str]:
    if number in shape.short:
        return [shortened(text, width)]
    return [text] if shape.one_line else _wrap_text(text, width)


def _padded(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def shortened(text: str, width: int) -> str:
    """The beginning of a text, with `…` where something of it is missing."""
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, max(0, width - 1)).rstrip()}…"


def fitting_line(text: str, width: int) -> str:
    """Shorten a sentence: first its paths, the longest first, to their last name; then its end.

    What is wrong stands behind the name of a file, and matters more than the folders before it.
    """
    paths = sorted(set(_LONG_PATH.findall(text)), key=len, reverse=True)
    for path in paths:
        if cell_len(text) <= width:
            break
        text = text.replace(path, f"…/{path.rpartition('/')[2]}")
    return shortened(text, width)


def wrapped(text: str, width: int) -> str:
    """Break a text of several lines between its words, so that none is longer than `width`."""
    return "\n".join(part for line in text.split("\n") for part in _wrap_text(line, width))


def _wrap_text(text: str, width: int) -> list[str]:
    """Break a text between its words; one that is too long for a line has it alone."""
    if cell_len(text) <= width:
        return [text]
    lines, line = [], ""
    for part in _PARTS.findall(text):
        if line and cell_len(line + part.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += part if line else part.lstrip()
    return [*lines, line.rstrip()] if line else lines

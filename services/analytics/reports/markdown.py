"""A report as Markdown: headings and tables, readable as they are in a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from services.analytics.reports.findings import Report, ReportFinding
from services.analytics.reports.wording import change_text, column_label, figure_text

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPED = {mark: f"\\{mark}" for mark in ("\\", "|", "[", "]", "`", "*", "!", "~")} | _HTML
"""What would end a cell, or begin HTML, a link, a picture or code: values hold what clients wrote.

Of HTML nothing is left that a reader without backslashes would take for it.
"""
_TIMELINES = frozenset({"day", "hour"})
_EMPTY_MAX = 2
"""Rows without anything that have a line each; more of them share one."""
_MARKS, _PROSE = str.maketrans(_ESCAPED), str.maketrans(_HTML)


def as_markdown(report: Report) -> str:
    """Write the whole report."""
    parts = [f"# {report.title}: {report.days}", report.caption]
    for section in report.sections:
        parts += [f"## {section.title}", section.prose.translate(_PROSE), _section_body(section)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _section_body(section: ReportFinding) -> str:
    """Write the rows of a section as a table, figures beside those before."""
    if not section.rows:
        return "Nothing."
    if section.shape == "figures":
        row, before = section.rows[0], section.before or [None] * len(section.columns)
        return _markdown_table(
            ["", "now", "the period before", "change"],
            (
                [
                    column_label(name),
                    figure_text(name, now),
                    figure_text(name, then),
                    change_text(name, now, then),
                ]
                for name, now, then in zip(section.columns, row, before, strict=True)
            ),
            aligned="lrrr",
        )
    numbers = [
        "r" if all(isinstance(value, (int, float, type(None))) for value in column) else "l"
        for column in zip(*section.rows, strict=True)
    ]
    return _markdown_table(
        [column_label(name) for name in section.columns],
        _text_rows(section),
        aligned="".join(numbers),
    )


def _text_rows(section: ReportFinding) -> Iterator[list[str]]:
    """Write the rows; days or hours on end that have nothing share one: the first to the last."""
    place = section.columns.index(section.over) if section.over in _TIMELINES else None
    for empty, run in groupby(section.rows, lambda row: _is_empty(row, place)):
        rows = [
            [figure_text(name, value) for name, value in zip(section.columns, row, strict=True)]
            for row in run
        ]
        if place is not None and empty and len(rows) > _EMPTY_MAX:
            first, last = rows[0], rows[-1]
            first[place] = f"{first[place]} to {last[place]}"
            rows = [first]
        yield from rows


def _is_empty(row: Sequence[Any], place: int | None) -> bool:
    """Tell whether nothing but its moment stands in a row."""
    return not any(value for at, value in enumerate(row) if at != place)


def _markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], aligned: str) -> str:
    """Lay out a table whose columns stand in line, each aligned by its letter."""
    cells = [list(map(_escaped_cell, row)) for row in [heads, *rows]]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    rule = [
        "-" * (width - 1) + ":" if side == "r" else "-" * width
        for width, side in zip(widths, aligned, strict=True)
    ]
    padded = [
        [
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, aligned, strict=True)
        ]
        for row in cells
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [padded[0], rule, *padded[1:]])


def _escaped_cell(text: str) -> str:
    return " ".join(text.split()).translate(_MARKS)

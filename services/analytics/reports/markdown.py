"""A report as Markdown: headings and tables, readable as they are in a terminal."""

from collections.abc import Iterable, Sequence

from services.analytics.reports.findings import Finding, Report
from services.analytics.reports.wording import change, figure, label

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPED = {mark: f"\\{mark}" for mark in ("\\", "|", "[", "]", "`", "*", "!", "~")} | _HTML
"""What would end a cell, or begin HTML, a link, a picture or code: values hold what clients wrote.

Of HTML nothing is left that a reader without backslashes would take for it.
"""
_MARKS, _PROSE = str.maketrans(_ESCAPED), str.maketrans(_HTML)


def written(report: Report) -> str:
    """Write the whole report."""
    parts = [f"# {report.title}: {report.days}", report.caption]
    for section in report.sections:
        parts += [f"## {section.title}", section.prose.translate(_PROSE), _body(section)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _body(section: Finding) -> str:
    if not section.rows:
        return "Nothing."
    if section.shape == "figures":
        row, before = section.rows[0], section.before or [None] * len(section.columns)
        return _table(
            ["", "now", "the period before", "change"],
            (
                [label(name), figure(name, now), figure(name, then), change(name, now, then)]
                for name, now, then in zip(section.columns, row, before, strict=True)
            ),
            aligned="lrrr",
        )
    numbers = [
        "r" if all(isinstance(value, (int, float, type(None))) for value in column) else "l"
        for column in zip(*section.rows, strict=True)
    ]
    return _table(
        [label(name) for name in section.columns],
        (
            [figure(name, value) for name, value in zip(section.columns, row, strict=True)]
            for row in section.rows
        ),
        aligned="".join(numbers),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], aligned: str) -> str:
    cells = [list(map(_escaped, row)) for row in [heads, *rows]]
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


def _escaped(text: str) -> str:
    return " ".join(text.split()).translate(_MARKS)

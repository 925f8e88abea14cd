"""A report as one HTML file: nothing is loaded from anywhere, and no script runs."""

import re
from functools import cache
from html import escape
from pathlib import Path

from services.analytics.reports.findings import Finding, Report
from services.analytics.reports.plots import plot
from services.analytics.reports.wording import NOTHING, change, figure, label

_STYLE = Path(__file__).with_name("page.css")
_PLOTS = frozenset({"bars", "line"})
_CODE = re.compile(r"`([^`]*)`")
_TABLE_ROWS_MAX = 8
"""A longer table under a plot is folded away: the plot says the same."""


def written(report: Report) -> str:
    """Write the whole page."""
    sections = "\n".join(_section(section) for section in report.sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.title)}, {escape(report.days)}</title>\n"
        f"<style>\n{_style()}</style>\n</head>\n<body>\n<main>\n"
        f"<header>\n<h1>{escape(report.title)}</h1>\n"
        f'<p class="days">{escape(report.days)}</p>\n'
        f'<p class="prose">{escape(report.caption)}</p>\n</header>\n'
        f"{sections}\n</main>\n</body>\n</html>\n"
    )


@cache
def _style() -> str:
    return _STYLE.read_text()


def _section(section: Finding) -> str:
    told = _CODE.sub(r"<code>\1</code>", escape(section.prose))
    prose = f'<p class="prose">{told}</p>' if told else ""
    return (
        f'<section id="{escape(section.name)}">\n<h2>{escape(section.title)}</h2>{prose}\n'
        f"{_body(section)}\n</section>"
    )


def _body(section: Finding) -> str:
    if not section.rows:
        return '<p class="nothing">Nothing.</p>'
    if section.shape == "figures":
        return _figures(section)
    table = _table(section)
    if section.shape not in _PLOTS:
        return table
    if len(section.rows) > _TABLE_ROWS_MAX:
        table = f"<details><summary>{len(section.rows)} rows</summary>{table}</details>"
    return plot(section) + table


def _figures(section: Finding) -> str:
    """One tile a figure, with how it differs from the period before."""
    row, before = section.rows[0], section.before or [None] * len(section.columns)
    tiles = "\n".join(
        f'<div class="tile"><span class="name">{escape(label(name))}</span>'
        f'<span class="value">{escape(figure(name, now))}</span>'
        f'<span class="change" title="before: {escape(figure(name, then))}">'
        f"{escape(change(name, now, then)) or '&nbsp;'}</span></div>"
        for name, now, then in zip(section.columns, row, before, strict=True)
    )
    return f'<div class="tiles">\n{tiles}\n</div>'


def _table(section: Finding) -> str:
    numbers = [
        all(isinstance(value, (int, float, type(None))) for value in column)
        for column in zip(*section.rows, strict=True)
    ]
    heads = "".join(
        f"<th{_side(number=number)}>{escape(label(name))}</th>"
        for name, number in zip(section.columns, numbers, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(
            f"<td{_side(number=number)}>{_cell(name, value)}</td>"
            for name, value, number in zip(section.columns, row, numbers, strict=True)
        )
        + "</tr>"
        for row in section.rows
    )
    return (
        f'<div class="wide"><table>\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _cell(name: str, value: object) -> str:
    text = figure(name, value)
    if text == NOTHING:
        return f'<span class="nothing">{NOTHING}</span>'
    if name.endswith("_rate") and isinstance(value, float):
        share = f"{min(max(value, 0.0), 1.0):.1%}"
        return f'<span class="share" style="--share: {share}">{escape(text)}</span>'
    return escape(text)


def _side(*, number: bool) -> str:
    return ' class="number"' if number else ""

"""A report as one HTML file: nothing is loaded from anywhere, and no script runs.

The file says so itself (CSP 3), so that it holds where it is kept, too: of styles it has its sheet
alone, and no attribute.
"""

import base64
import hashlib
import re
from functools import cache
from html import escape
from pathlib import Path

from runtime.texts import count_phrase
from services.analytics.reports.findings import Report, ReportFinding
from services.analytics.reports.plots import section_plot
from services.analytics.reports.wording import NOTHING, change_text, column_label, figure_text

_STYLE = Path(__file__).with_name("page.css")
_PLOTS = frozenset({"bars", "line"})
_CODE = re.compile(r"`([^`]*)`")
_SHARE_STEP = 5
"""Percent: a share is drawn by the nearest of these."""
_TABLE_ROWS_MAX = 8
"""A longer table under a plot is folded away: the plot says the same."""


def as_page(report: Report) -> str:
    """Write the whole page."""
    sections = "\n".join(_section_html(section) for section in report.sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">\n'
        f"<title>{escape(report.title)}, {escape(report.days)}</title>\n"
        f"<style>{_style_sheet()}</style>\n</head>\n<body>\n<main>\n"
        f"<header>\n<h1>{escape(report.title)}</h1>\n"
        f'<p class="days">{escape(report.days)}</p>\n'
        f'<p class="prose">{escape(report.caption)}</p>\n</header>\n'
        f"{sections}\n</main>\n</body>\n</html>\n"
    )


@cache
def _style_sheet() -> str:
    shares = (f".s{n} {{ --share: {n}%; }}\n" for n in range(0, 100 + _SHARE_STEP, _SHARE_STEP))
    return f"\n{_STYLE.read_text()}{''.join(shares)}"


@cache
def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_style_sheet().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'"


def _section_html(section: ReportFinding) -> str:
    text = _CODE.sub(r"<code>\1</code>", escape(section.prose))
    prose = f'<p class="prose">{text}</p>' if text else ""
    return (
        f'<section id="{escape(section.name)}">\n<h2>{escape(section.title)}</h2>{prose}\n'
        f"{_section_body(section)}\n</section>"
    )


def _section_body(section: ReportFinding) -> str:
    if not section.rows:
        return '<p class="nothing">Nothing.</p>'
    if section.shape == "figures":
        return _figure_tiles(section)
    table = _html_table(section)
    if section.shape not in _PLOTS:
        return table
    if len(section.rows) > _TABLE_ROWS_MAX:
        rows = count_phrase(len(section.rows), "row")
        table = f"<details><summary>{rows}</summary>{table}</details>"
    return section_plot(section) + table


def _figure_tiles(section: ReportFinding) -> str:
    """One tile a figure, with how it differs from the period before."""
    row, before = section.rows[0], section.before or [None] * len(section.columns)
    tiles = "\n".join(
        f'<div class="tile"><span class="name">{escape(column_label(name))}</span>'
        f'<span class="value">{escape(figure_text(name, now))}</span>'
        f'<span class="change" title="before: {escape(figure_text(name, then))}">'
        f"{escape(change_text(name, now, then)) or '&nbsp;'}</span></div>"
        for name, now, then in zip(section.columns, row, before, strict=True)
    )
    return f'<div class="tiles">\n{tiles}\n</div>'


def _html_table(section: ReportFinding) -> str:
    """Write the rows of a section as a table, numbers to the right."""
    numbers = [
        all(isinstance(value, (int, float, type(None))) for value in column)
        for column in zip(*section.rows, strict=True)
    ]
    heads = "".join(
        f"<th{_side_class(number=number)}>{escape(column_label(name))}</th>"
        for name, number in zip(section.columns, numbers, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(
            f"<td{_side_class(number=number)}>{_cell_html(name, value)}</td>"
            for name, value, number in zip(section.columns, row, numbers, strict=True)
        )
        + "</tr>"
        for row in section.rows
    )
    return (
        f'<div class="wide"><table>\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _cell_html(name: str, value: object) -> str:
    text = figure_text(name, value)
    if text == NOTHING:
        return f'<span class="nothing">{NOTHING}</span>'
    if name.endswith("_rate") and isinstance(value, float):
        share = _SHARE_STEP * round(min(max(value, 0.0), 1.0) * 100 / _SHARE_STEP)
        return f'<span class="share s{share}">{escape(text)}</span>'
    return escape(text)


def _side_class(*, number: bool) -> str:
    return ' class="number"' if number else ""

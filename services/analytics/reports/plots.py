"""Plots as SVG that stands in the page: labelled axes, a legend, a title on every mark.

Colours are the page's variables, so that one plot is readable in light and in dark.
"""

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from runtime.texts import as_shown
from services.analytics.reports.findings import ReportFinding, plottable_number
from services.analytics.reports.scale import axis_ticks, label_places
from services.analytics.reports.wording import axis_measure, column_label, figure_text

_WIDTH, _HEIGHT = 960, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 16, 52
_PLOT_W, _PLOT_H = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_LABEL_W, _ROW_H, _LABEL_CHARS = 290, 28, 36
_VALUE_W = 90
_X_LABELS, _HOUR_LABELS = 12, 8
_SECOND_MS = 1000
_TIMELINES = ("day", "hour", "date")
Series = list[tuple[str, list[float | None]]]


def section_plot(section: ReportFinding) -> str:
    """Draw a section's rows; nothing when there is nothing to see."""
    names = section.plotted_columns
    series: Series = [
        (name, [plottable_number(value) for value in section.column_values(name)]) for name in names
    ]
    if not any(value for _, values in series for value in values):
        return ""
    over = [as_shown(str(value)) for value in section.column_values(section.over)]
    if section.shape == "line":
        body = _line_plot(section.over, over, series)
    elif section.over in _TIMELINES:
        body = _column_plot(section.over, over, series)
    else:
        body = _bar_plot(over, series)
    return _plot_legend(names) + body


def _column_plot(axis: str, over: list[str], series: Series) -> str:
    """Stack the series of each moment into one column."""
    sums = [sum(values[place] or 0 for _, values in series) for place in range(len(over))]
    top, drawn = _plot_frame(axis, over, [name for name, _ in series], max(sums))
    step = _PLOT_W / len(over)
    width = min(step * 0.72, 56)
    marks = []
    for place, moment in enumerate(over):
        base = 0.0
        for number, (name, values) in enumerate(series):
            value = values[place] or 0
            if value:
                height = value / top * _PLOT_H
                x, y = _LEFT + step * (place + 0.5) - width / 2, _value_y(base + value, top)
                said = (
                    f"{figure_text(axis, moment)}: {figure_text(name, value)} {column_label(name)}"
                )
                marks.append(_mark_box(x, y, width, height, number, said))
            base += value
    return _svg_document(_HEIGHT, f"by {column_label(axis)}", drawn + "".join(marks))


def _line_plot(axis: str, over: list[str], series: Series) -> str:
    """Draw each series as a line with its points; where nothing is known, the line breaks."""
    greatest = max(value for _, values in series for value in values if value is not None)
    top, drawn = _plot_frame(axis, over, [name for name, _ in series], greatest)
    step = _PLOT_W / len(over)
    marks = []
    for number, (name, values) in enumerate(series):
        points = [
            None if value is None else (_LEFT + step * (place + 0.5), _value_y(value, top))
            for place, value in enumerate(values)
        ]
        marks += [
            f'<line class="s{number}" x1="{start[0]:.1f}" y1="{start[1]:.1f}"'
            f' x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>'
            for start, end in pairwise(points)
            if start and end
        ]
        marks += [
            f'<circle class="f{number}" cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="3.5">'
            f"<title>{_point_title(axis, moment, name, value)}</title></circle>"
            for point, moment, value in zip(points, over, values, strict=True)
            if point
        ]
    return _svg_document(_HEIGHT, f"by {column_label(axis)}", drawn + "".join(marks))


def _point_title(axis: str, moment: str, name: str, value: float | None) -> str:
    return escape(f"{figure_text(axis, moment)}: {column_label(name)} {figure_text(name, value)}")


def _bar_plot(over: list[str], series: Series) -> str:
    """Stack the series of each thing into one horizontal bar, its sum behind it."""
    sums = [sum(values[place] or 0 for _, values in series) for place in range(len(over))]
    room = _WIDTH - _LABEL_W - _VALUE_W
    greatest = max(sums)
    marks = []
    for place, thing in enumerate(over):
        x, y = float(_LABEL_W), place * _ROW_H + 4
        cut = thing if len(thing) <= _LABEL_CHARS else f"{thing[: _LABEL_CHARS - 1]}…"
        marks.append(_text_svg(_LABEL_W - 10, y + 14, cut or "(none)", "end", thing))
        for number, (name, values) in enumerate(series):
            value = values[place] or 0
            if value:
                width = value / greatest * room
                said = f"{thing}: {figure_text(name, value)} {column_label(name)}"
                marks.append(_mark_box(x, y, width, _ROW_H - 8, number, said))
                x += width
        marks.append(_text_svg(x + 8, y + 14, figure_text("", sums[place])))
    height = len(over) * _ROW_H + 8
    axis = f'<line class="axis" x1="{_LABEL_W}" y1="0" x2="{_LABEL_W}" y2="{height - 4}"/>'
    return _svg_document(height, "by name", axis + "".join(marks))


def _plot_frame(axis: str, over: list[str], names: list[str], greatest: float) -> tuple[float, str]:
    """Draw both axes with their labels; the value at the top, and the drawing."""
    marks = axis_ticks(greatest)
    top = marks[-1]
    drawn = []
    for mark in marks:
        y = _value_y(mark, top)
        said = _mark_label(names[0], mark)
        drawn.append(
            f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"/>'
        )
        drawn.append(_text_svg(_LEFT - 10, y + 4, said, "end"))
    step = _PLOT_W / len(over)
    for place in label_places(len(over), _HOUR_LABELS if axis == "hour" else _X_LABELS):
        x = _LEFT + step * (place + 0.5)
        drawn.append(
            _text_svg(x, _HEIGHT - _BOTTOM + 18, _moment_label(axis, over[place]), "middle")
        )
    middle = _TOP + _PLOT_H / 2
    drawn.append(
        _text_svg(_LEFT + _PLOT_W / 2, _HEIGHT - 8, _axis_title(axis), "middle", kind="title")
    )
    drawn.append(
        f'<text class="title" text-anchor="middle" transform="rotate(-90)" x="{-middle:.0f}"'
        f' y="14">{escape(axis_measure(names))}</text>'
    )
    return top, "".join(drawn)


def _axis_title(axis: str) -> str:
    return "hour (UTC)" if axis == "hour" else {"day": "quota day"}.get(axis, column_label(axis))


def _moment_label(axis: str, moment: str) -> str:
    """Label a moment: days as month-day, hours as month-day and hour."""
    if axis == "hour":
        return moment[5:16].replace("T", " ")
    return moment[5:]


def _mark_label(name: str, mark: float) -> str:
    """Label a mark of the value axis, shorter than a figure: it is round."""
    if name.endswith("_ms"):
        return f"{mark / _SECOND_MS:g} s" if mark >= _SECOND_MS else f"{mark:g} ms"
    return f"{mark:,.10g}"


def _value_y(value: float, top: float) -> float:
    return _TOP + _PLOT_H * (1 - value / top)


def _mark_box(x: float, y: float, width: float, height: float, number: int, said: str) -> str:
    return (
        f'<rect class="f{number}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}"'
        f' height="{max(height, 1):.1f}" rx="2"><title>{escape(said)}</title></rect>'
    )


def _text_svg(
    x: float, y: float, text: str, anchor: str = "start", whole: str = "", *, kind: str = "label"
) -> str:
    title = f"<title>{escape(whole)}</title>" if whole and whole != text else ""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(text)}{title}</text>"
    )


def _plot_legend(names: Sequence[str]) -> str:
    shown = "".join(
        f'<span><i class="b{number}"></i>{escape(column_label(name))}</span>'
        for number, name in enumerate(names)
    )
    return f'<p class="legend">{shown}</p>'


def _svg_document(height: float, said: str, body: str) -> str:
    return (
        f'<div class="wide"><svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img"'
        f' aria-label="{escape(said)}">{body}</svg></div>'
    )

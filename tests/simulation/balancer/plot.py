"""The figures as an SVG: P99 and misses along the ramp, P99 and wasted units of the mix. Pure."""

from collections.abc import Callable, Sequence
from html import escape

from tests.simulation.balancer.figures import MixFigures, RampFigures

_WIDTH, _LEFT, _PLOT_W = 940, 70, 640
_COLOURS = ("#1b6ca8", "#d1495b", "#2e933c", "#edae49", "#7d4e9e", "#4a4e69", "#00a0b0", "#b08968")
_DASHES = ("", "7 4", "2 3")
"""Of lines that lie upon each other the later one is drawn with gaps."""


def strategies_svg(mixed: Sequence[MixFigures], ramps: Sequence[RampFigures]) -> str:
    """Draw everything."""
    names = [row.strategy for row in mixed]
    parts = [
        _line_panel(
            "Ramp: P99, s, by load (deadline 5 s; failures count as 5 s)",
            50,
            ramps,
            names,
            lambda row: row.p99_s,
            5.5,
        ),
        _line_panel(
            "Ramp: calls that missed the deadline, %, by load",
            330,
            ramps,
            names,
            lambda row: [100 * share for share in row.missed],
            max(5.0, *(110 * share for row in ramps for share in row.missed)),
        ),
        _bar_panel(
            "Mix: P99 of the calls that were answered, s",
            610,
            [(row.strategy, row.p99_s) for row in mixed],
            "{:.1f}",
        ),
        _bar_panel(
            "Mix: wasted units",
            650 + 24 * len(mixed),
            [(row.strategy, float(row.wasted)) for row in mixed],
            "{:.0f}",
        ),
    ]
    height = 690 + 48 * len(mixed)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
        ' font-family="sans-serif" font-size="12">\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="{_LEFT}" y="24" font-size="16">Strategies over the same calls</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _line_panel(
    title: str,
    top: int,
    rows: Sequence[RampFigures],
    names: Sequence[str],
    values_of: Callable[[RampFigures], Sequence[float]],
    highest: float,
) -> str:
    """Draw a value along the ramp, one line a strategy, its name beside it."""
    height = 210
    top += 12
    loads = rows[0].loads
    low, high = loads[0], loads[-1]
    frame = 'fill="none" stroke="#999"'

    def x_of(load: float) -> float:
        return _LEFT + (load - low) / (high - low) * _PLOT_W

    def y_of(value: float) -> float:
        return top + height - value / highest * height

    parts = [
        f'<text x="{_LEFT}" y="{top - 8}" font-weight="bold">{escape(title)}</text>',
        f'<rect x="{_LEFT}" y="{top}" width="{_PLOT_W}" height="{height}" {frame}/>',
    ]
    for tick in range(int(highest) + 1):
        parts.append(_text(_LEFT - 6, y_of(tick) + 4, str(tick), "end"))
        parts.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + _PLOT_W}" y1="{y_of(tick):.1f}"'
            f' y2="{y_of(tick):.1f}" stroke="#eee"/>'
        )
    parts += [_text(x_of(load), top + height + 16, f"{load:.2f}", "middle") for load in loads]
    drawn: list[Sequence[float]] = []
    for number, row in enumerate(rows):
        values = values_of(row)
        colour = _COLOURS[names.index(row.strategy) % len(_COLOURS)]
        dashes = _DASHES[min(drawn.count(values), len(_DASHES) - 1)]
        drawn.append(values)
        points = " ".join(
            f"{x_of(load):.1f},{y_of(value):.1f}" for load, value in zip(loads, values, strict=True)
        )
        stroke = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        parts.append(f'<polyline points="{points}" {stroke}/>')
        y = top + 14 + number * 18
        x = _LEFT + _PLOT_W + 14
        parts.append(f'<line x1="{x}" x2="{x + 24}" y1="{y - 4}" y2="{y - 4}" {stroke}/>')
        parts.append(_text(x + 30, y, row.strategy, "start"))
    return "\n".join(parts)


def _bar_panel(title: str, top: int, bars: Sequence[tuple[str, float]], form: str) -> str:
    """Draw a bar a strategy, with its value."""
    left, width = _LEFT + 150, 560
    longest = max(value for _, value in bars) or 1.0
    parts = [f'<text x="{_LEFT}" y="{top + 12}" font-weight="bold">{escape(title)}</text>']
    for number, (name, value) in enumerate(bars):
        y = top + 22 + number * 22
        length = value / longest * width
        parts.append(_text(left - 8, y + 13, name, "end"))
        parts.append(
            f'<rect x="{left}" y="{y}" width="{length:.1f}" height="17"'
            f' fill="{_COLOURS[number % len(_COLOURS)]}"/>'
        )
        parts.append(_text(left + length + 6, y + 13, form.format(value), "start"))
    return "\n".join(parts)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'

"""The samples as an SVG of four panels: memory, descriptors, sockets, latency. Pure."""

from collections.abc import Mapping, Sequence
from html import escape

from tests.soak.samples import Latency, Sample

_WIDTH, _HEIGHT, _LEFT, _GAP = 960, 220, 70, 60
_LEGEND = 150
_COLOURS = ("#1b6ca8", "#d1495b", "#2e933c", "#edae49", "#7d4e9e", "#4a4e69", "#00798c", "#b08968")
Series = Mapping[str, Sequence[tuple[float, float]]]


def svg(samples: Sequence[Sample], latencies: Sequence[Latency], title: str) -> str:
    """Draw everything."""
    names = sorted({sample.name for sample in samples})

    def series(field: str) -> Series:
        return {
            name: [(one.at_s, getattr(one, field)) for one in samples if one.name == name]
            for name in names
        }

    panels: list[tuple[str, Series]] = [
        ("memory, MB resident", series("rss_mb")),
        ("descriptors", series("descriptors")),
        ("sockets", series("sockets")),
        (
            "latency of calls, ms",
            {
                "p50": [(one.at_s, one.p50_ms) for one in latencies],
                "p99": [(one.at_s, one.p99_ms) for one in latencies],
            },
        ),
    ]
    height = len(panels) * (_HEIGHT + _GAP) + _GAP
    drawn = [_panel(name, found, place) for place, (name, found) in enumerate(panels)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH + _LEFT + _LEGEND}"'
        f' height="{height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="{_LEFT}" y="24" font-size="16">{escape(title)}</text>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _panel(name: str, series: Series, place: int) -> str:
    top = _GAP + place * (_HEIGHT + _GAP)
    points = [point for line in series.values() for point in line] or [(0.0, 0.0)]
    last_s = max(at for at, _ in points) or 1.0
    highest = max(value for _, value in points) * 1.05 or 1.0
    frame = 'fill="none" stroke="#999"'
    parts = [
        f'<text x="{_LEFT}" y="{top - 8}" font-weight="bold">{escape(name)}</text>',
        f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" {frame}/>',
    ]
    for part in range(5):
        y = top + _HEIGHT - part * _HEIGHT / 4
        x = _LEFT + part * _WIDTH / 4
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">'
            f"{highest * part / 4:.4g}</text>"
        )
        parts.append(
            f'<text x="{x:.0f}" y="{top + _HEIGHT + 16}" text-anchor="middle">'
            f"{last_s * part / 4:.0f} s</text>"
        )
    for number, (label, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(
            f"{_LEFT + at / last_s * _WIDTH:.1f},{top + _HEIGHT - value / highest * _HEIGHT:.1f}"
            for at, value in line
        )
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        parts.append(
            f'<text x="{_LEFT + _WIDTH + 10}" y="{top + 14 + number * 16}" fill="{colour}">'
            f"{escape(label)}</text>"
        )
    return "\n".join(parts)

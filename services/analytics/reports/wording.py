"""How a figure is written: the name of its column says what it is.

`…_ms` is a time, `…_rate` a share, `bytes_…` a size, `…_at` and `hour` an instant.
"""

from typing import Any

from runtime.texts import as_shown

NOTHING = "—"
_SECOND_MS, _MINUTE_MS = 1000, 60_000
_KILO = 1000.0
_SIZES = ("B", "kB", "MB", "GB", "TB")


def column_label(column: str) -> str:
    """Write the name of a column; its figures say their unit."""
    return as_shown(column.removesuffix("_ms").replace("_", " "))


def figure_text(column: str, value: Any) -> str:
    """Write one value of a column."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return _number_text(column, value)
    if column.endswith("_at") or column == "hour":
        return moment_text(str(value))
    return as_shown(str(value))


def _number_text(column: str, value: float) -> str:
    if column.endswith("_ms"):
        return time_text(value)
    if column.endswith("_rate"):
        return f"{value:.1%}".replace("%", " %")
    if column.startswith("bytes"):
        return size_text(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def change_text(column: str, now: Any, before: Any) -> str:
    """Write how a figure differs from what it was; empty when that cannot be said."""
    if not isinstance(now, (int, float)) or not isinstance(before, (int, float)):
        return ""
    if now == before:
        return "as before"
    arrow = "▲" if now > before else "▼"
    if column.endswith("_rate"):
        return f"{arrow} {abs(now - before) * 100:.1f} points"
    return f"{arrow} {abs(now - before) / before:.0%}".replace("%", " %") if before else "▲ from 0"


def time_text(milliseconds: float) -> str:
    """Write a time in the unit that suits it."""
    if milliseconds < _SECOND_MS:
        return f"{milliseconds:.0f} ms"
    if milliseconds < _MINUTE_MS:
        return f"{milliseconds / _SECOND_MS:.2f} s"
    return f"{milliseconds / _MINUTE_MS:.1f} min"


def size_text(count: float) -> str:
    """Write a number of bytes."""
    for unit in _SIZES[:-1]:
        if count < _KILO:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KILO
    return f"{count:.1f} {_SIZES[-1]}"


def moment_text(text: str) -> str:
    """Write an instant to the minute, without the zone, which is UTC."""
    return as_shown(text[:16].replace("T", " "))


def axis_measure(columns: list[str]) -> str:
    """Name what the axis of these columns counts."""
    if all(column.endswith("_ms") for column in columns):
        return "time"
    return "units" if all(column.startswith("units") for column in columns) else "number"

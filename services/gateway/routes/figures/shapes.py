"""From what the services answer to the shapes of the original, with every service type there is.

The original knows image, video and avatar by name; a type that configuration adds stands beside
them under the same rule: `<type>_count`, `total_<type>s`, `<type>s`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from contracts.analytics import Rows
from contracts.base import ServiceType
from contracts.pool import SessionView

_FIRST = ("image", "video", "avatar")
FigureRow = dict[str, Any]


def in_order(service_types: Iterable[str]) -> list[str]:
    """Put the original's service types first, then the others by name; each once."""
    given = set(service_types)
    return [name for name in _FIRST if name in given] + sorted(given.difference(_FIRST))


def rows_of(answer: Rows) -> list[FigureRow]:
    """Name the columns of every row."""
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def freshness_of(answer: Rows) -> FigureRow:
    """Say up to which log sequence an answer is true, and how many envelopes that is behind."""
    return {"sequence": answer.sequence, "lag": answer.lag}


def session_usage(view: SessionView) -> FigureRow:
    """Tell what a session has used, and has left, on its current quota day."""
    types = [ServiceType(name) for name in in_order({*view.limits, *view.used, *view.remaining})]

    def of_each(units: Mapping[ServiceType, int]) -> dict[str, int]:
        return {name: units.get(name, 0) for name in types}

    return {
        "session_id": view.session_id,
        "usage": {f"{name}_count": units for name, units in of_each(view.used).items()},
        "remaining": of_each(view.remaining),
        "limits": of_each(view.limits),
        "reserved": of_each(view.reserved),
        "quota_day": view.quota_day,
        "status": view.status,
    }


def by_type(rows: Iterable[FigureRow], column: str, service_types: Iterable[str]) -> dict[str, int]:
    """Add up `column` per service type; types without any row are 0."""
    units: Counter[str] = Counter(dict.fromkeys(service_types, 0))
    for row in rows:
        if row["service_type"]:
            units[row["service_type"]] += int(row[column] or 0)
    return {name: units[name] for name in in_order(units)}


def by_day(rows: Iterable[FigureRow]) -> dict[str, list[FigureRow]]:
    """Sort rows by their quota day, in order."""
    days: dict[str, list[FigureRow]] = {}
    for row in rows:
        days.setdefault(str(row["date"]), []).append(row)
    return dict(sorted(days.items()))


def sums_of(rows: list[FigureRow], sessions_name: str, service_types: Iterable[str]) -> FigureRow:
    """Add up a day, or several, as the original does: sessions, units by type, an average."""
    sessions = largest_of(rows, "active_sessions")
    return {
        sessions_name: sessions,
        **{f"total_{n}s": units for n, units in by_type(rows, "units", service_types).items()},
        "avg_requests_per_session": average_of(requests_in(rows), sessions),
    }


def requests_in(rows: Iterable[FigureRow]) -> int:
    """Add up the column `requests`; a row without any counts none."""
    return sum(int(row["requests"] or 0) for row in rows)


def units_in(rows: Iterable[FigureRow]) -> int:
    """Add up the used units."""
    return sum(int(row["units"] or 0) for row in rows)


def largest_of(rows: Iterable[FigureRow], column: str) -> int:
    """Read a figure that stands, the same, in every row of a day."""
    return max((int(row[column] or 0) for row in rows), default=0)


def average_of(total: float, among: int) -> float:
    """Divide, to two digits; among none it is 0."""
    return round(total / among, 2) if among else 0.0

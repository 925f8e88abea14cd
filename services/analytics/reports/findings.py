"""What a report found, before it is written."""

from math import isfinite
from typing import Any

import msgspec

SERIES_MAX = 5
"""As many as there are colours."""
_DRAWN_MAX = 1e100
"""Of a number that is plotted: some of them still add up to one."""


class ReportFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A section with its rows; `before` is the row of the period before, for figures alone."""

    name: str
    title: str
    shape: str
    over: str = ""
    plotted: list[str] = []
    prose: str = ""
    columns: list[str]
    rows: list[list[Any]]
    before: list[Any] = []

    def plot_fault(self) -> str | None:
        """Say why its rows cannot be shown as its file wants them; None when they can."""
        plot = [self.over, *self.plotted] if self.over else []
        for name in plot:
            if name not in self.columns:
                return f"its section names the column {name!r}, which it does not select"
        for name in self.plotted:
            if any(
                plottable_number(value) is None
                for value in self.column_values(name)
                if value is not None
            ):
                return f"its section plots the column {name!r}, which holds more than numbers"
        return None

    def column_values(self, name: str) -> list[Any]:
        """Take one column, in the order of the rows. Raises `ValueError` when there is none."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    @property
    def plotted_columns(self) -> list[str]:
        """The columns to plot: those named, or every other one that holds numbers."""
        if self.plotted:
            return self.plotted[:SERIES_MAX]
        numbers = [
            name
            for name in self.columns
            if name != self.over
            and all(
                isinstance(value, (int, float, type(None))) for value in self.column_values(name)
            )
            and all(
                plottable_number(value) is not None
                for value in self.column_values(name)
                if value is not None
            )
        ]
        return numbers[:SERIES_MAX]


def plottable_number(value: Any) -> float | None:
    """Take a number that a plot can show; one too great for JSON stands as text."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else -1.0
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) and 0 <= number <= _DRAWN_MAX else None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The sections of a period: quota days from `since` to `last`, both included."""

    period: str
    since: str
    last: str
    unfinished: bool
    """Whether its last day goes on."""
    quota_timezone: str
    written_at: str
    sequence: int
    sections: list[ReportFinding]

    @property
    def title(self) -> str:
        """Name it."""
        return f"Tidegate {self.period} report"

    @property
    def days(self) -> str:
        """Say what it is about."""
        if self.since == self.last:
            return self.last
        return f"{self.since} to {self.last}"

    @property
    def caption(self) -> str:
        """Say how far it can be trusted."""
        so_far = "; the last day goes on" if self.unfinished else ""
        return (
            f"Quota days in {self.quota_timezone}{so_far}."
            f" Written {self.written_at} from the log up to sequence {self.sequence}."
        )

"""What a report found, before it is written."""

from typing import Any

import msgspec

SERIES_MAX = 5
"""As many as there are colours."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
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

    def column(self, name: str) -> list[Any]:
        """Take one column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    @property
    def series(self) -> list[str]:
        """The columns to plot: those named, or every other one that holds numbers."""
        if self.plotted:
            return self.plotted[:SERIES_MAX]
        numbers = [
            name
            for name in self.columns
            if name != self.over
            and all(isinstance(value, (int, float, type(None))) for value in self.column(name))
        ]
        return numbers[:SERIES_MAX]


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
    sections: list[Finding]

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

"""`tidegate stats`: the last days' figures."""

from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from tidegate.console import api, listing, output
from tidegate.console.listing import ListedColumn, ListOptions


def stats(
    *,
    days: int = typer.Option(7, min=1, max=366, help="How many quota days, today included."),
    wide: bool = listing.WIDE,
    columns: str = listing.COLUMNS,
    sort: str = listing.SORT,
    where: list[str] = listing.WHERE,
    as_json: bool = output.JSON,
) -> None:
    """Show units and active sessions day by day.

    Example: tidegate stats --days 30 --sort -images
    """
    # One day on: in the east it is tomorrow already.
    today = datetime.now(UTC).date()
    start, end = today - timedelta(days=days - 1), today + timedelta(days=1)
    answer: dict[str, Any] = api.get(
        "/api/stats/daily", start=start.isoformat(), end=end.isoformat()
    )
    shown = [
        ListedColumn(name) for name in dict.fromkeys(key for row in answer["data"] for key in row)
    ]
    options = ListOptions(wide, columns, sort, where)
    rows = listing.listed_rows(shown, answer["data"], options)
    if as_json:
        output.print_json({**answer, "data": rows})
        return
    listing.print_list(shown, rows, options, "no units were used")
    output.note_freshness(answer)

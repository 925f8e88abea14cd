"""`tidegate stats`: the last days' figures."""

from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from tidegate.console import api, output


def stats(
    *,
    days: int = typer.Option(7, min=1, max=366, help="How many quota days, today included."),
    as_json: bool = output.JSON,
) -> None:
    """Show units and active sessions day by day.

    Example: tidegate stats --days 30
    """
    # One day on: in the east it is tomorrow already.
    today = datetime.now(UTC).date()
    start, end = today - timedelta(days=days - 1), today + timedelta(days=1)
    found: dict[str, Any] = api.get(
        "/api/stats/daily", start=start.isoformat(), end=end.isoformat()
    )
    if as_json:
        output.as_json(found)
        return
    columns = list(found["data"][0]) if found["data"] else []
    rows = [[day[column] for column in columns] for day in found["data"]]
    output.table(columns, rows, "no units were used")
    output.freshness(found)

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
    answer: dict[str, Any] = api.get(
        "/api/stats/daily", start=start.isoformat(), end=end.isoformat()
    )
    if as_json:
        output.print_json(answer)
        return
    columns = list(answer["data"][0]) if answer["data"] else []
    output.print_records(columns, answer["data"], "no units were used")
    output.note_freshness(answer)

"""`tidegate stats`: the last days' figures."""

from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from tidegate.console import api, listing, output
from tidegate.console.listing import ListedColumn, ListOptions


def stats(
    *,
    days: int = typer.Option(7, min=1, max=366, help="How many quota days, today included."),
    limits: bool = typer.Option(False, "--limits", help="Units used against limits, by day."),
    servers: bool = typer.Option(
        False, "--servers", help="Attempts at each server in the last hour, by the minute."
    ),
    wide: bool = listing.WIDE,
    columns: str = listing.COLUMNS,
    sort: str = listing.SORT,
    where: list[str] = listing.WHERE,
    as_json: bool = output.JSON,
) -> None:
    """Show units and active sessions day by day.

    Example: tidegate stats --days 30 --sort -images
    """
    if limits and servers:
        raise typer.BadParameter("expected only one of --limits and --servers")
    # One day on: in the east it is tomorrow already.
    today = datetime.now(UTC).date()
    start, end = today - timedelta(days=days - 1), today + timedelta(days=1)
    asked: dict[str, Any]
    if servers:
        path, asked, empty = "/api/servers/history", {}, "no server was tried"
    elif limits:
        path, asked = "/api/stats/limits", {"from": start.isoformat(), "to": end.isoformat()}
        empty = "no service type has a limit"
    else:
        path, asked = "/api/stats/daily", {"start": start.isoformat(), "end": end.isoformat()}
        empty = "no units were used"
    answer: dict[str, Any] = api.get(path, **asked)
    records = _rows_by_minute(answer) if servers else answer["data"]
    shown = [ListedColumn(name) for name in dict.fromkeys(key for row in records for key in row)]
    options = ListOptions(wide, columns, sort, where)
    rows = listing.listed_rows(shown, records, options)
    if as_json:
        output.print_json({**answer, "data": rows})
        return
    listing.print_list(shown, rows, options, empty)
    output.note_freshness(answer)


def _rows_by_minute(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Put the minutes of all servers below each other."""
    return [
        {"server_id": server["server_id"], **point}
        for server in answer["data"]
        for point in server["points"]
    ]

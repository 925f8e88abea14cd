"""`tidegate sql`: one read-only statement over the projections."""

import sys

import typer

from tidegate.console import api, output

_ROWS_MAX = 10_000


def sql(
    query: str = typer.Argument(help="A SELECT-type statement; `-` reads it from standard input."),
    *,
    rows_max: int = typer.Option(_ROWS_MAX, min=1, max=_ROWS_MAX, help="At most so many rows."),
    as_json: bool = output.JSON,
) -> None:
    """Ask the projections in SQL: views `sessions`, `usage_by_day`, `leases` and others.

    Example: tidegate sql "select quota_day, sum(units_settled) from usage_by_day group by all"
    """
    statement = sys.stdin.read() if query == "-" else query
    found = api.post("/api/sql", {"query": statement, "rows_max": rows_max})
    if as_json:
        output.as_json(found)
    else:
        output.table(found["columns"], found["rows"], "no rows")
    if found["truncated"]:
        output.note(f"only the first {len(found['rows'])} rows are shown")
    if found["lag"]:
        output.freshness(found)

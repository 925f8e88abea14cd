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
    answer = api.post("/api/sql", {"query": statement, "rows_max": rows_max})
    if as_json:
        output.print_json(answer)
    else:
        output.print_table(answer["columns"], answer["rows"], "no rows")
    if answer["truncated"]:
        output.print_note(f"only the first {len(answer['rows'])} rows are shown")
    if answer["lag"]:
        output.note_freshness(answer)

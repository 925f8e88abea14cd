"""`tidegate sql`: one read-only statement over the projections."""

import sys

import typer

from runtime.texts import count_phrase
from tidegate.console import api, listing, output

_ROWS_MAX = 10_000
_EXPANDED = "\\x"
"""As psql has it; no statement ends so."""


def sql(
    query: str = typer.Argument(help="A SELECT-type statement; `-` reads it from standard input."),
    *,
    expanded: bool = typer.Option(
        False, "--expanded", "-x", help="A block a row, a column a line; so does `\\x` at its end."
    ),
    wide: bool = listing.WIDE,
    rows_max: int = typer.Option(_ROWS_MAX, min=1, max=_ROWS_MAX, help="At most so many rows."),
    as_json: bool = output.JSON,
) -> None:
    """Ask the projections in SQL: views `sessions`, `usage_by_day`, `leases` and others.

    Example: tidegate sql "select quota_day, sum(units_settled) from usage_by_day group by all"
    """
    statement = (sys.stdin.read() if query == "-" else query).rstrip()
    if statement.endswith(_EXPANDED):
        statement, expanded = statement.removesuffix(_EXPANDED), True
    if not statement.strip():
        raise typer.BadParameter("expected a statement such as `select * from sessions`, got none")
    answer = api.post("/api/sql", {"query": statement, "rows_max": rows_max})
    if as_json:
        output.print_json(answer)
    elif expanded:
        output.print_expanded(answer["columns"], answer["rows"], "no rows")
    else:
        output.print_table(
            answer["columns"], answer["rows"], "no rows", wide=wide, hint="-x, or --wide,"
        )
    if answer["truncated"]:
        rows = count_phrase(len(answer["rows"]), "row is", "rows are")
        output.print_note(f"only the first {rows} shown")
    if answer["lag"]:
        output.note_freshness(answer)

"""`tidegate queue`: the requests that wait for a session, and how to make them stop."""

from typing import Any

import typer

from runtime.texts import count_phrase
from tidegate.console import api, listing, output
from tidegate.console.errors import CommandError
from tidegate.console.listing import ListedColumn, ListOptions

app = typer.Typer(no_args_is_help=True, add_completion=False)
_COLUMNS = (
    ListedColumn("lease_id"),
    ListedColumn("service_type"),
    ListedColumn("key"),
    ListedColumn("position"),
    listing.span_column("waits", "waits_s"),
    listing.span_column("left", "left_s"),
    listing.span_column("eta", "eta_s"),
    ListedColumn("units"),
    ListedColumn("weight"),
    ListedColumn("key_id"),
)


@app.command("list")
def list_waits(
    *,
    service_type: str = typer.Option("", "--type", help="Only of this service type."),
    key: str = typer.Option("", help="Only of the key of this id."),
    limit: int = listing.LIMIT,
    cursor: str = listing.CURSOR,
    wide: bool = listing.WIDE,
    columns: str = listing.COLUMNS,
    sort: str = listing.SORT,
    where: list[str] = listing.WHERE,
    as_json: bool = output.JSON,
) -> None:
    """List the requests that wait for a session, the next one of each type first.

    Beside a key's id stands its name, which is no part of --json.

    Example: tidegate queue list --type video --sort -waits
    """
    answer = api.get_list("/api/queue", limit, cursor, type=service_type, key=key)
    options = ListOptions(wide, columns, sort, where)
    names = {} if as_json or not answer["data"] else _key_names()
    named = [{**wait, "key": names.get(wait["key_id"], "")} for wait in answer["data"]]
    rows = listing.listed_rows(_COLUMNS, answer["data"] if as_json else named, options)
    if as_json:
        output.print_json({**answer, "data": rows})
    else:
        listing.print_list(_COLUMNS, rows, options, "nobody waits")
        listing.print_cursor(answer)


def _key_names() -> dict[str, Any]:
    """Names of keys by their ids; none where only the pool answers."""
    try:
        keys = api.get_list("/api/keys", listing.LISTED_MAX)
        return {key["id"]: key["name"] for key in keys["data"]}
    except CommandError:
        return {}


@app.command("drop")
def drop_waits(
    lease_id: str = typer.Argument("", help="Id of the lease that is waited for."),
    *,
    service_type: str = typer.Option("", "--type", help="All of this service type."),
    key: str = typer.Option("", help="All of the key of this id."),
    everything: bool = typer.Option(False, "--all", help="All that wait."),
    as_json: bool = output.JSON,
) -> None:
    """End waits: each request is answered `pool_saturated`, and nothing is charged.

    Example: tidegate queue drop --key key_1f2e3d4c5b6a
    """
    if not (lease_id or service_type or key or everything):
        raise typer.BadParameter("expected a lease's id, --type, --key or --all")
    wanted = {"lease": lease_id, "type": service_type, "key": key, "all": everything}
    answer = api.delete("/api/queue", **{name: value for name, value in wanted.items() if value})
    output.print_answer(answer, f"{count_phrase(answer['dropped'], 'wait')} ended", as_json=as_json)

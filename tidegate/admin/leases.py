"""`tidegate leases`: those that are open or that nobody knows the end of, and their settlement."""

from enum import StrEnum

import typer

from runtime.texts import count_phrase
from tidegate.console import api, listing, output
from tidegate.console.listing import ListedColumn, ListOptions

app = typer.Typer(no_args_is_help=True, add_completion=False)
_COLUMNS = (
    ListedColumn("lease_id"),
    ListedColumn("service_type"),
    ListedColumn("units"),
    listing.moment_column("granted", "granted_at"),
    listing.moment_column("expires", "expires_at"),
    ListedColumn("session_id"),
    ListedColumn("label"),
    ListedColumn("quota_day"),
    ListedColumn("state"),
    ListedColumn("request_id"),
)


class ListedState(StrEnum):
    """The states an operator looks for."""

    OPEN = "open"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


@app.command("list")
def list_leases(
    *,
    state: ListedState = typer.Option(ListedState.OPEN, help="Which leases."),
    limit: int = listing.LIMIT,
    cursor: str = listing.CURSOR,
    wide: bool = listing.WIDE,
    columns: str = listing.COLUMNS,
    sort: str = listing.SORT,
    where: list[str] = listing.WHERE,
    as_json: bool = output.JSON,
) -> None:
    """List leases of one state, the oldest first.

    Example: tidegate leases list --state unknown --where service_type=video --sort granted
    """
    answer = api.get_list("/api/leases", limit, cursor, state=state.value)
    options = ListOptions(wide, columns, sort, where)
    rows = listing.listed_rows(_COLUMNS, answer["data"], options)
    if as_json:
        output.print_json({**answer, "data": rows})
    else:
        listing.print_list(_COLUMNS, rows, options, f"no {state} leases")
        listing.print_cursor(answer)


@app.command("reconcile")
def reconcile_lease(
    lease_id: str = typer.Argument(help="Id of an unknown or expired lease."),
    *,
    units: int = typer.Option(..., min=0, help="Units it really used; 0 gives them back."),
    reason: str = typer.Option(..., help="How that is known; it is kept in the log."),
    as_json: bool = output.JSON,
) -> None:
    """Settle what nobody knew, once `reconcile_after` is over since the lease's deadline.

    Example: tidegate leases reconcile 0193…c7.1 --units 0 --reason "not on the provider's bill"
    """
    body = {"units": units, "reason": reason}
    answer = api.post(f"/api/leases/{api.path_segment(lease_id)}/reconcile", body)
    text = f"{answer['id']} used {count_phrase(answer['units'], 'unit')}: {answer['reason']}"
    output.print_answer(answer, text, as_json=as_json)

"""`tidegate queue`: the requests that wait for a session, and how to make them stop."""

import typer

from tidegate.console import api, output

app = typer.Typer(no_args_is_help=True, add_completion=False)
_COLUMNS = (
    "lease_id",
    "service_type",
    "key_id",
    "units",
    "weight",
    "position",
    "waits_s",
    "left_s",
    "eta_s",
)


@app.command("list")
def list_waits(
    *,
    service_type: str = typer.Option("", "--type", help="Only of this service type."),
    key: str = typer.Option("", help="Only of the key of this id."),
    limit: int = typer.Option(1000, min=1, max=10_000, help="At most so many."),
    as_json: bool = output.JSON,
) -> None:
    """List the requests that wait for a session, the next one of each type first.

    Example: tidegate queue list --type video
    """
    answer = api.get("/api/queue", type=service_type, key=key, limit=limit)
    if as_json:
        output.print_json(answer)
    else:
        output.print_records(_COLUMNS, answer["data"], "nobody waits")


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

    Example: tidegate queue drop --key key_4e07408562be
    """
    if not (lease_id or service_type or key or everything):
        raise typer.BadParameter("expected a lease's id, --type, --key or --all")
    wanted = {"lease": lease_id, "type": service_type, "key": key, "all": everything}
    answer = api.delete("/api/queue", **{name: value for name, value in wanted.items() if value})
    output.print_answer(answer, f"{answer['dropped']} waits ended", as_json=as_json)

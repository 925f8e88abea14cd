"""`tidegate servers`: the servers as the balancer sees them."""

import typer

from tidegate.cli import api, output

app = typer.Typer(no_args_is_help=True, add_completion=False)
_COLUMNS = (
    "id",
    "url",
    "region",
    "health",
    "reason",
    "connections",
    "of",
    "avg_ms",
    "success_rate",
    "weight",
    "priority",
    "capabilities",
)


@app.callback()
def group() -> None:
    """List the servers."""


@app.command("list")
def list_(*, as_json: bool = output.JSON) -> None:
    """List every server with its health and load, and the strategy that chooses among them.

    Example: tidegate servers list
    """
    found = api.get("/api/servers")
    if as_json:
        output.as_json(found)
        return
    rows = []
    for view in found["data"]:
        server = view["server"]
        rows.append(
            [
                server["server_id"],
                server["url"],
                server.get("region"),
                view["health"],
                view.get("reason"),
                view.get("connections", 0),
                server.get("max_sessions"),
                view.get("avg_response_ms", 0.0),
                view.get("success_rate", 1.0),
                server.get("weight"),
                server.get("priority"),
                server.get("capabilities"),
            ]
        )
    output.table(_COLUMNS, rows, "no servers")
    print(f"\nstrategy {found['strategy']}, at sequence {found['sequence']}")

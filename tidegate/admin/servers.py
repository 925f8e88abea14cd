"""`tidegate servers`: the servers as the balancer sees them, administered live."""

import asyncio
from typing import Any

import typer

from tidegate.console import api, output
from tidegate.probing import asking, probes

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
    "dialect",
)


_SERVER = typer.Argument(help="Id of the server, as `list` shows it.")
_URL = typer.Option(None, help="Its address, such as http://10.0.0.7:9001.")
_REGION = typer.Option(None, help="Its region.")
_PRIORITY = typer.Option(None, help="Servers of a smaller one are preferred where it counts.")
_WEIGHT = typer.Option(None, min=1, help="Its share of the work where it counts.")
_SESSIONS = typer.Option(None, min=1, help="Exchanges it may carry at once.")
_CAPABILITIES = typer.Option([], "--capability", help="A service type it does; repeatable.")
_DIALECT = typer.Option(None, help="What it understands: plain, jimeng, drraw, jimeng-free-all, …")
_IDEMPOTENT = typer.Option(None, help="Whether an unknown outcome may be tried again there.")


@app.command("list")
def list_(*, as_json: bool = output.JSON) -> None:
    """List every server with its health and load, and the strategy that chooses among them.

    Example: tidegate servers list
    """
    found = api.get("/api/servers")
    if as_json:
        output.as_json(found)
        return
    output.table(_COLUMNS, map(_row, found["data"]), "no servers")
    output.say(f"\nstrategy {found['strategy']}, at sequence {found['sequence']}")


@app.command()
def add(
    server_id: str = typer.Argument(help="Its id: letters, digits, `.`, `_` and `-`."),
    url: str = typer.Argument(help="Its address, such as http://10.0.0.7:9001."),
    *,
    region: str = _REGION,
    priority: int = _PRIORITY,
    weight: int = _WEIGHT,
    max_sessions: int = _SESSIONS,
    capabilities: list[str] = _CAPABILITIES,
    idempotent: bool = _IDEMPOTENT,
    dialect: str = _DIALECT,
    as_json: bool = output.JSON,
) -> None:
    """Add a server; it is chosen once its first probe succeeded.

    It stands until the configuration file's servers next change. Beside the demo's servers, whose
    sessions are made up, it is refused until [pool.provisioner] kind says where sessions come from.

    Example: tidegate servers add server-5 http://10.0.0.7:9001 --capability image --weight 2
    """
    body = {"id": server_id, "url": url}
    body |= _given(region, priority, weight, max_sessions, capabilities, idempotent, dialect)
    _show(api.post("/api/servers", body), as_json=as_json)


@app.command()
def change(
    server_id: str = _SERVER,
    *,
    url: str = _URL,
    region: str = _REGION,
    priority: int = _PRIORITY,
    weight: int = _WEIGHT,
    max_sessions: int = _SESSIONS,
    capabilities: list[str] = _CAPABILITIES,
    idempotent: bool = _IDEMPOTENT,
    dialect: str = _DIALECT,
    as_json: bool = output.JSON,
) -> None:
    """Change a server; what is not named stays, and exchanges under way go on.

    Example: tidegate servers change server-5 --weight 1 --max-sessions 50
    """
    body = _given(region, priority, weight, max_sessions, capabilities, idempotent, dialect)
    if url is not None:
        body["url"] = url
    if not body:
        raise typer.BadParameter("expected something to change, such as --weight 2")
    _show(api.patch(f"/api/servers/{api.segment(server_id)}", body), as_json=as_json)


@app.command()
def remove(server_id: str = _SERVER, *, as_json: bool = output.JSON) -> None:
    """Take a server out: it is chosen no more, and exchanges under way go on.

    Example: tidegate servers remove server-5
    """
    found = api.delete(f"/api/servers/{api.segment(server_id)}")
    if as_json:
        output.as_json(found)
    else:
        output.say(f"{server_id} is removed; {found.get('connections', 0)} exchanges go on")


@app.command()
def strategy(
    name: str = typer.Argument(help="Its name, such as least_connections."),
    *,
    reason: str = typer.Option("", help="Why, for whoever reads the log."),
    as_json: bool = output.JSON,
) -> None:
    """Choose among the servers by another strategy.

    It stands until the configuration file's strategy or servers next change.

    Example: tidegate servers strategy least_connections --reason "server-2 is slow today"
    """
    found = api.put("/api/balancer/strategy", {"strategy": name, "reason": reason})
    if as_json:
        output.as_json(found)
    else:
        output.say(f"strategy {found['strategy']}, at sequence {found['sequence']}")


@app.command()
def probe(
    named: list[str] = typer.Argument(
        None, help="Addresses, or ids as `list` shows them; none: every server."
    ),
    *,
    as_json: bool = output.JSON,
) -> None:
    """Ask servers, from here, which dialect they speak; exit 1 for one that differs or is silent.

    `GET /` and `/v1/models` are asked, without a credential. Where it differs from what is
    configured, the line to write is shown.

    Example: tidegate servers probe http://127.0.0.1:8000
    """
    wanted = [one for one in named or [] if "://" in one]
    for url in wanted:
        if wrong := asking.wrong_url(url):
            raise typer.BadParameter(wrong)
    fleet = {} if named and len(wanted) == len(named) else _fleet()
    told = probes.compared(named or [*fleet], fleet, lambda urls: asyncio.run(asking.probed(urls)))
    if as_json:
        output.as_json({"data": told})
    else:
        output.table(probes.COLUMNS, map(probes.row, told), "no servers")
        for line in filter(None, map(probes.line, told)):
            output.line(line)
    if any(one.wrong for one in told):
        raise typer.Exit(1)


def _fleet() -> dict[str, dict[str, Any]]:
    """Every server by its id, as the balancer has them."""
    views = api.get("/api/servers")["data"]
    return {view["server"]["server_id"]: view["server"] for view in views}


def _given(
    region: str | None,
    priority: int | None,
    weight: int | None,
    max_sessions: int | None,
    capabilities: list[str],
    idempotent: bool | None,
    dialect: str | None,
) -> dict[str, Any]:
    """Name what was given, as the API does."""
    given: dict[str, Any] = {
        "region": region,
        "priority": priority,
        "weight": weight,
        "max_sessions": max_sessions,
        "capabilities": capabilities or None,
        "idempotent": idempotent,
        "dialect": dialect,
    }
    return {name: value for name, value in given.items() if value is not None}


def _show(view: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.as_json(view)
    else:
        output.table(_COLUMNS, [_row(view)])


def _row(view: dict[str, Any]) -> list[Any]:
    server = view["server"]
    return [
        server["server_id"],
        server["url"],
        server.get("region"),
        view["health"],
        view.get("reason"),
        view.get("connections", 0),
        server.get("max_sessions", 100),
        view.get("avg_response_ms", 0.0),
        view.get("success_rate", 1.0),
        server.get("weight", 1),
        server.get("priority", 1),
        server.get("capabilities"),
        server.get("dialect", "plain"),
    ]

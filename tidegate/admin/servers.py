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
    "state",
    "why",
    "connections",
    "of",
    "avg_ms",
    "success_rate",
    "weight",
    "priority",
    "level",
    "capabilities",
    "dialect",
    "serves",
)


_SERVER = typer.Argument(help="Id of the server, as `list` shows it.")
_URL = typer.Option(None, help="Its address, such as http://10.0.0.7:9001.")
_REGION = typer.Option(None, help="Its region.")
_PRIORITY = typer.Option(None, help="Servers of a smaller one are preferred where it counts.")
_WEIGHT = typer.Option(None, min=1, help="Its share of the work where it counts.")
_SESSIONS = typer.Option(None, min=1, help="Exchanges it may carry at once.")
_CAPABILITIES = typer.Option([], "--capability", help="A service type it does; repeatable.")
_DIALECT = typer.Option(None, help="What it understands: plain, jimeng, drraw, jimeng-free-all, …")
_LEVEL = typer.Option(
    None, min=1, help="Servers of a lower one are used first, up to 80 % of what they may carry."
)
_SERVES = typer.Option(
    [], "--serves", help="A region of sessions it serves, such as us; repeatable, `any`: every one."
)
_IDEMPOTENT = typer.Option(None, help="Whether an unknown outcome may be tried again there.")


@app.command("list")
def list_servers(*, as_json: bool = output.JSON) -> None:
    """List every server with its health and load, and the strategy that chooses among them.

    Example: tidegate servers list
    """
    answer = api.get("/api/servers")
    if as_json:
        output.print_json(answer)
        return
    output.print_table(_COLUMNS, map(_server_row, answer["data"]), "no servers")
    output.print_text(f"\nstrategy {answer['strategy']}, at sequence {answer['sequence']}")


@app.command("add")
def add_server(
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
    level: int = _LEVEL,
    serves: list[str] = _SERVES,
    as_json: bool = output.JSON,
) -> None:
    """Add a server; it is chosen once its first probe succeeded.

    It stands until the configuration file's servers next change. Beside the demo's servers, whose
    sessions are made up, it is refused until `pool.provisioner.kind` says where they come from.

    Example: tidegate servers add server-5 http://10.0.0.7:9001 --capability image --weight 2
    """
    body = {"id": server_id, "url": url}
    body |= _given_fields(
        region,
        priority,
        weight,
        max_sessions,
        capabilities,
        idempotent,
        dialect,
        level=level,
        serves=serves,
    )
    _show_server(api.post("/api/servers", body), as_json=as_json)


@app.command("change")
def change_server(
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
    level: int = _LEVEL,
    serves: list[str] = _SERVES,
    as_json: bool = output.JSON,
) -> None:
    """Change a server; what is not named stays, and exchanges under way go on.

    Example: tidegate servers change server-5 --weight 1 --max-sessions 50
    """
    body = _given_fields(
        region,
        priority,
        weight,
        max_sessions,
        capabilities,
        idempotent,
        dialect,
        level=level,
        serves=serves,
    )
    if url is not None:
        body["url"] = url
    if not body:
        raise typer.BadParameter("expected something to change, such as --weight 2")
    _show_server(api.patch(f"/api/servers/{api.path_segment(server_id)}", body), as_json=as_json)


@app.command("remove")
def remove_server(server_id: str = _SERVER, *, as_json: bool = output.JSON) -> None:
    """Take a server out: it is chosen no more, and exchanges under way go on.

    Example: tidegate servers remove server-5
    """
    answer = api.delete(f"/api/servers/{api.path_segment(server_id)}")
    text = f"{server_id} is removed; {answer.get('connections', 0)} exchanges go on"
    output.print_answer(answer, text, as_json=as_json)


@app.command("strategy")
def choose_strategy(
    name: str = typer.Argument(help="Its name, such as least_connections."),
    *,
    reason: str = typer.Option("", help="Why, for whoever reads the log."),
    as_json: bool = output.JSON,
) -> None:
    """Choose among the servers by another strategy.

    It stands until the configuration file's strategy or servers next change.

    Example: tidegate servers strategy least_connections --reason "server-2 is slow today"
    """
    answer = api.put("/api/balancer/strategy", {"strategy": name, "reason": reason})
    text = f"strategy {answer['strategy']}, at sequence {answer['sequence']}"
    output.print_answer(answer, text, as_json=as_json)


@app.command("probe")
def probe_named(
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
    wanted = [item for item in named or [] if "://" in item]
    for url in wanted:
        if wrong := asking.url_objection(url):
            raise typer.BadParameter(wrong)
    fleet = {} if named and len(wanted) == len(named) else _servers_by_id()
    comparisons = probes.compare_servers(
        named or [*fleet], fleet, lambda urls: asyncio.run(asking.probe_servers(urls))
    )
    if as_json:
        output.print_json({"data": comparisons})
    else:
        output.print_table(probes.COLUMNS, map(probes.table_row, comparisons), "no servers")
        for line in filter(None, map(probes.dialect_advice, comparisons)):
            output.print_line(line)
    if any(item.wrong for item in comparisons):
        raise typer.Exit(1)


def _servers_by_id() -> dict[str, dict[str, Any]]:
    """Every server by its id, as the balancer has them."""
    views = api.get("/api/servers")["data"]
    return {view["server"]["server_id"]: view["server"] for view in views}


def _given_fields(
    region: str | None,
    priority: int | None,
    weight: int | None,
    max_sessions: int | None,
    capabilities: list[str],
    idempotent: bool | None,
    dialect: str | None,
    *,
    level: int | None,
    serves: list[str],
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
        "level": level,
        "serves": (serves if serves != ["any"] else []) if serves else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _show_server(view: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(view)
    else:
        output.print_table(_COLUMNS, [_server_row(view)])


def _server_row(view: dict[str, Any]) -> list[Any]:
    """Write a server as a row of the table."""
    server = view["server"]
    return [
        server["server_id"],
        server["url"],
        server.get("region"),
        view.get("state") or view["health"],
        view.get("words"),
        view.get("connections", 0),
        server.get("max_sessions", 100),
        view.get("avg_response_ms", 0.0),
        view.get("success_rate", 1.0) if view.get("attempts") else None,
        server.get("weight", 1),
        server.get("priority", 1),
        server.get("level", 1),
        server.get("capabilities"),
        server.get("dialect", "plain"),
        server.get("serves"),
    ]

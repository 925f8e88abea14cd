"""`tidegate servers`: the servers as the balancer sees them, administered live."""

import asyncio
from typing import Any

import typer

from tidegate.console import api, listing, output
from tidegate.console.listing import ListOptions
from tidegate.probing import asking, probes, servertexts

_TEST_TIMEOUT_S = 7200.0
"""A film may take an hour and more; the gateway ends what takes longer than `exchange_max`."""
app = typer.Typer(no_args_is_help=True, add_completion=False)
_SERVER = typer.Argument(help="Id of the server, as `list` shows it.")
_URL = typer.Option(None, help="Its address, such as http://10.0.0.7:9001.")
_REGION = typer.Option(None, help="Its region.")
_PRIORITY = typer.Option(None, help="Servers of a smaller one are preferred where it counts.")
_WEIGHT = typer.Option(None, min=1, help="Its share of the work where it counts.")
_SESSIONS = typer.Option(None, min=1, help="Exchanges it may carry at once.")
_CAPABILITIES = typer.Option(
    [], "--capability", help="A service type it does; repeatable, `any`: every one."
)
_DIALECT = typer.Option(None, help="What it understands: plain, jimeng, drraw, jimeng-free-all, …")
_LEVEL = typer.Option(
    None, min=1, help="Servers of a lower one are used first, up to 80 % of what they may carry."
)
_SERVES = typer.Option(
    [], "--serves", help="A region of sessions it serves, such as us; repeatable, `any`: every one."
)
_PROBE_PATH = typer.Option(None, help="What its probes ask for; /ping by default.")
_PROBE_STATUS = typer.Option(None, help="The status of a good probe; 0: any of 2xx.")
_PROBE_BODY = typer.Option(None, help="What a good probe's body holds.")
_IDEMPOTENT = typer.Option(None, help="Whether an unknown outcome may be tried again there.")


@app.command("list")
def list_servers(
    *,
    wide: bool = listing.WIDE,
    columns: str = listing.COLUMNS,
    sort: str = listing.SORT,
    where: list[str] = listing.WHERE,
    as_json: bool = output.JSON,
) -> None:
    """List every server with its health and load, and the strategy that chooses among them.

    Load is how many exchanges it carries, of how many it may.

    Example: tidegate servers list --where state!=up --sort -load
    """
    answer = api.get("/api/servers")
    options = ListOptions(wide, columns, sort, where)
    rows = listing.listed_rows(servertexts.COLUMNS, answer["data"], options)
    if as_json:
        output.print_json({**answer, "data": rows})
        return
    listing.print_list(servertexts.COLUMNS, rows, options, "no servers", kept=2)
    output.print_prose(f"{servertexts.trouble_text(rows)}\n{servertexts.strategies_text(answer)}")


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
    probe_path: str = _PROBE_PATH,
    probe_status: int = _PROBE_STATUS,
    probe_body: str = _PROBE_BODY,
    as_json: bool = output.JSON,
) -> None:
    """Add a server; it is chosen once its first probe succeeded.

    It stands until it is changed or removed, or the configuration file has an entry of its name.
    Beside the demo's servers, whose sessions are made up, it is refused until
    `pool.provisioner.kind` says where they come from.

    Example: tidegate servers add server-5 http://10.0.0.7:9001 --capability image --weight 2
    """
    body = {"id": server_id, "url": url}
    body |= _given_fields(
        region=region,
        priority=priority,
        weight=weight,
        max_sessions=max_sessions,
        capabilities=_names_given(capabilities),
        idempotent=idempotent,
        dialect=dialect,
        level=level,
        serves=_names_given(serves),
        probe_path=probe_path,
        probe_status=probe_status,
        probe_body=probe_body,
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
    probe_path: str = _PROBE_PATH,
    probe_status: int = _PROBE_STATUS,
    probe_body: str = _PROBE_BODY,
    as_json: bool = output.JSON,
) -> None:
    """Change a server; what is not named stays, and exchanges under way go on.

    Example: tidegate servers change server-5 --weight 1 --max-sessions 50
    """
    body = _given_fields(
        url=url,
        region=region,
        priority=priority,
        weight=weight,
        max_sessions=max_sessions,
        capabilities=_names_given(capabilities),
        idempotent=idempotent,
        dialect=dialect,
        level=level,
        serves=_names_given(serves),
        probe_path=probe_path,
        probe_status=probe_status,
        probe_body=probe_body,
    )
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


@app.command("drain")
def drain_server(server_id: str = _SERVER, *, as_json: bool = output.JSON) -> None:
    """Begin no new exchange at a server; those under way go on. It stands until `undrain`.

    Example: tidegate servers drain server-2
    """
    answer = api.post(f"/api/servers/{api.path_segment(server_id)}/drain")
    text = f"{server_id} is draining; {answer.get('connections', 0)} exchanges go on"
    output.print_answer(answer, text, as_json=as_json)


@app.command("undrain")
def undrain_server(server_id: str = _SERVER, *, as_json: bool = output.JSON) -> None:
    """Begin exchanges at a server again.

    Example: tidegate servers undrain server-2
    """
    answer = api.post(f"/api/servers/{api.path_segment(server_id)}/undrain")
    output.print_answer(answer, f"{server_id} may be chosen again", as_json=as_json)


@app.command("strategy")
def choose_strategy(
    name: str = typer.Argument(
        "", help="Its name, such as least_connections; or `pin` and its name; or `unpin`."
    ),
    pinned: str = typer.Argument("", help="The one to pin."),
    *,
    service_type: str = typer.Option("", help="Of this service type alone; `none` takes it back."),
    reason: str = typer.Option("", help="Why, for whoever reads the log."),
    as_json: bool = output.JSON,
) -> None:
    """Show who chooses among the servers, choose by another strategy, or pin one.

    It stands until the configuration file says another one than before. `pin` chooses for every
    service type whatever rules, file and API say, until `unpin`. With `--service-type` and the name
    `none`, that has none of its own any more.

    Example: tidegate servers strategy least_connections --reason "server-2 is slow today"
    """
    if (name == "pin") != bool(pinned):
        raise typer.BadParameter("expected `pin` and the name of a strategy, or a name alone")
    if name in {"pin", "unpin"} and service_type:
        raise typer.BadParameter(f"{name}: expected no --service-type, it is for all of them")
    if not name:
        answer = api.get("/api/servers")
    elif name == "pin":
        answer = api.put("/api/balancer/pin", {"strategy": pinned})
    elif name == "unpin":
        answer = api.delete("/api/balancer/pin")
    else:
        own = "" if service_type and name == "none" else name
        body = {"strategy": own, "reason": reason, "service_type": service_type}
        answer = api.put("/api/balancer/strategy", body)
    output.print_answer(answer, servertexts.strategies_text(answer), as_json=as_json)


@app.command("test")
def try_server(
    server_id: str = _SERVER,
    *,
    service_type: str = typer.Option("image", help="What to ask for."),
    prompt: str = typer.Option("a small blue cube", help="What is to be seen."),
    model: str = typer.Option("", help="The model, as the server knows it."),
    path: str = typer.Option("", help="The path, where the service type has several or its own."),
    as_json: bool = output.JSON,
) -> None:
    """Make one paid call at a server, even if it is drained or out; exit 1 if it is no success.

    It goes through the whole stack, takes a lease and is in the log. The head of its answer, the
    verdict and why are shown, and what it cost.

    Example: tidegate servers test server-2 --model jimeng-4.0
    """
    body = {"service_type": service_type, "prompt": prompt, "model": model, "path": path}
    answer = api.post(f"/api/servers/{api.path_segment(server_id)}/test", body, _TEST_TIMEOUT_S)
    output.print_answer(answer, servertexts.test_text(answer), as_json=as_json)
    if answer["verdict"] != "success":
        raise typer.Exit(1)


@app.command("probe")
def probe_named(
    named: list[str] = typer.Argument(
        None, help="Addresses, or ids as `list` shows them; none: every server."
    ),
    *,
    count: int = typer.Option(10, min=1, max=100, help="Probes by which each is measured."),
    as_json: bool = output.JSON,
) -> None:
    """Ask servers, from here, which dialect they speak, and have the balancer measure them.

    `GET /` and `/v1/models` are asked, without a credential; where the dialect differs from what is
    configured, the line to write is shown, and the exit is 1, as for one that is silent.

    Servers of the fleet are measured by their probes, from the balancer: times in ms, and the share
    that was lost. A weight and an order are recommended: the fastest gets ten, another ten times
    the ratio of the fastest's median to its own, less the share lost, and at least one.

    Example: tidegate servers probe server-2 --count 50
    """
    wanted = [item for item in named or [] if "://" in item]
    for url in wanted:
        if wrong := asking.url_objection(url):
            raise typer.BadParameter(wrong)
    fleet = {} if named and len(wanted) == len(named) else probes.fleet_servers()
    comparisons = probes.compare_servers(
        named or [*fleet], fleet, lambda urls: asyncio.run(asking.probe_servers(urls))
    )
    ids = [name for name in named or [] if name in fleet]
    measured = probes.measure_servers(ids or ([] if named else [""]), count) if fleet else []
    if as_json:
        output.print_json({"data": comparisons, "measured": measured})
    else:
        probes.print_comparisons(comparisons, measured, fleet)
    if any(item.wrong for item in comparisons):
        raise typer.Exit(1)


def _names_given(named: list[str]) -> list[str] | None:
    """Tell which regions or service types were given; `any` stands for none in particular."""
    return None if not named else [] if named == ["any"] else named


def _given_fields(**given: Any) -> dict[str, Any]:
    """Keep what was given, named as the API does."""
    return {name: value for name, value in given.items() if value is not None}


def _show_server(view: dict[str, Any], *, as_json: bool) -> None:
    """Show a server as it is now, and whether its address is hardly what was meant."""
    if doubled := asking.doubled_path(view["server"]["url"]):
        output.print_note(doubled)
    if as_json:
        output.print_json(view)
    else:
        listing.print_list(servertexts.COLUMNS, [view], ListOptions(), "", kept=2)

"""`tidegate keys`: API keys, issued and rotated with their text once, listed without it."""

from enum import StrEnum
from typing import Any

import typer

from runtime.quantities import parse_seconds
from tidegate.console import api, listing, output
from tidegate.console.listing import ListedColumn, ListOptions

app = typer.Typer(no_args_is_help=True, add_completion=False)
_COLUMNS = (
    ListedColumn("name"),
    ListedColumn("id"),
    ListedColumn("scope"),
    ListedColumn("revoked", text=lambda key: "yes" if key.get("revoked") else ""),
    ListedColumn("per_minute", lambda key: key.get("requests_per_minute") or None),
    ListedColumn("concurrency", lambda key: key.get("concurrency") or None),
    ListedColumn("weight"),
    ListedColumn("last_seen_at"),
    ListedColumn("calls"),
    ListedColumn("units"),
    ListedColumn("models", short=True),
)
"""The first that matters comes first: a narrow terminal has no room for the last."""
_KEY = typer.Argument(help="Id of the key, as `list` shows it.")


class IssuedScope(StrEnum):
    """What a key may do."""

    CLIENT = "client"
    ADMIN = "admin"
    METRICS = "metrics"
    VIEWER = "viewer"


@app.command("issue")
def issue_key(
    name: str = typer.Argument(help="Whose key it is."),
    *,
    scope: IssuedScope = typer.Option(
        IssuedScope.CLIENT,
        help="client: generate; admin: administer too; viewer: read what admins read; metrics: read"
        " /metrics and /schema alone.",
    ),
    requests_per_minute: int = typer.Option(0, min=0, help="Bound per gateway process; 0: none."),
    concurrency: int = typer.Option(0, min=0, help="Bound per gateway process; 0: none."),
    model: list[str] = typer.Option([], help="Pattern of models it may use; repeatable."),
    weight: int = typer.Option(
        1,
        min=1,
        help="Where its requests wait for a session: units that it gets for one of another key's.",
    ),
    as_json: bool = output.JSON,
) -> None:
    """Issue a key and print its text, which is shown this once and kept nowhere.

    Example: tidegate keys issue laptop --requests-per-minute 60
    """
    body = {
        "name": name,
        "scope": scope,
        "requests_per_minute": requests_per_minute,
        "concurrency": concurrency,
        "models": model,
        "weight": weight,
    }
    _show_text(api.post("/api/keys", body), as_json=as_json)


@app.command("list")
def list_keys(
    *,
    limit: int = listing.LIMIT,
    cursor: str = listing.CURSOR,
    wide: bool = listing.WIDE,
    columns: str = listing.COLUMNS,
    sort: str = listing.SORT,
    where: list[str] = listing.WHERE,
    as_json: bool = output.JSON,
) -> None:
    """List keys as they were issued, revoked ones last; the bounds are those that a key has.

    Example: tidegate keys list --where scope=client --sort name
    """
    answer = api.get_list("/api/keys", limit, cursor)
    options = ListOptions(wide, columns, sort, where)
    rows = listing.listed_rows(
        _COLUMNS, answer["data"], options, lambda key: bool(key.get("revoked"))
    )
    if as_json:
        output.print_json({**answer, "data": rows})
    else:
        listing.print_list(_COLUMNS, rows, options, "no keys", kept=2)
        listing.print_cursor(answer)


@app.command("change")
def change_key(
    key_id: str = _KEY,
    *,
    name: str | None = typer.Option(None, help="Whose key it is."),
    requests_per_minute: int | None = typer.Option(None, min=0, help="As in `issue`."),
    concurrency: int | None = typer.Option(None, min=0, help="As in `issue`."),
    model: list[str] = typer.Option([], help='All patterns it is to have; "" alone: every model.'),
    weight: int | None = typer.Option(None, min=1, help="As in `issue`."),
    as_json: bool = output.JSON,
) -> None:
    """Change a key's name, bounds or weight; what is left out stays.

    Example: tidegate keys change key_1f2e3d4c5b6a --weight 3
    """
    wanted = {
        "name": name,
        "requests_per_minute": requests_per_minute,
        "concurrency": concurrency,
        "models": ([] if model == [""] else model) if model else None,
        "weight": weight,
    }
    body = {field: value for field, value in wanted.items() if value is not None}
    if not body:
        raise typer.BadParameter("expected something to change: --weight, --name, …")
    answer = api.patch(f"/api/keys/{api.path_segment(key_id)}", body)
    text = f"{answer['id']} ({answer['name']}) is changed"
    output.print_answer(answer, text, as_json=as_json)


@app.command("revoke")
def revoke_key(
    key_id: str = _KEY,
    *,
    as_json: bool = output.JSON,
) -> None:
    """Revoke a key; every gateway refuses it within a second.

    Example: tidegate keys revoke key_1f2e3d4c5b6a
    """
    answer = api.delete(f"/api/keys/{api.path_segment(key_id)}")
    text = f"{answer['id']} ({answer['name']}) is revoked"
    output.print_answer(answer, text, as_json=as_json)


@app.command("rotate")
def rotate_key(
    key_id: str = _KEY,
    *,
    grace: str = typer.Option("0s", help='How long the old text still opens: "1h"; at most "7d".'),
    as_json: bool = output.JSON,
) -> None:
    """Give a key a new text and print it; the old one opens nothing any more, or not for long.

    Example: tidegate keys rotate key_1f2e3d4c5b6a --grace 1h
    """
    try:
        grace_s = float(parse_seconds(grace))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--grace") from None
    answer = api.post(f"/api/keys/{api.path_segment(key_id)}/rotate", {"grace_s": grace_s})
    _show_text(answer, as_json=as_json)


def _show_text(issued: dict[str, Any], *, as_json: bool) -> None:
    """Print the text alone, so that `KEY=$(tidegate keys issue …)` works."""
    if as_json:
        output.print_json(issued)
        return
    output.print_text(issued["key"])
    output.print_note(f"{issued['id']} ({issued['name']}, {issued['scope']}): shown this once")

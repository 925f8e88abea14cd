"""`tidegate requests`: clients' calls, one line each."""

from typing import Any

import typer

from runtime.texts import count_phrase
from tidegate.console import api, listing, output
from tidegate.console.listing import ListedColumn, ListOptions, Record


def _answer_text(request: Record) -> str:
    """Write what a client was given: the status, and the code of an error."""
    return f"{request['status'] or '-'} {request.get('code') or ''}".rstrip()


def _latency_text(request: Record) -> str:
    """Write after how long a server had answered."""
    return f"{request['latency_ms']:.0f} ms"


# What one looks for stands first: the others give way where a terminal is narrow.
_COLUMNS = (
    ListedColumn("request_id"),
    ListedColumn("status", text=_answer_text),
    ListedColumn("server", lambda request: request.get("server_id")),
    ListedColumn("after", lambda request: request.get("latency_ms"), _latency_text, right=True),
    listing.moment_column("at", "at"),
    ListedColumn("service_type"),
    ListedColumn("key_name", short=True),
    ListedColumn("outcome"),
    ListedColumn("waited_ms"),
    ListedColumn("attempts"),
    ListedColumn("model", short=True),
    ListedColumn("code"),
)


def requests(
    *,
    key: str = typer.Option("", help="Only of the key of this id."),
    service_type: str = typer.Option("", help="Only of this service type."),
    server: str = typer.Option("", help="Only those that this server had last."),
    session: str = typer.Option("", help="Only those that this session had last."),
    outcome: str = typer.Option("", help="settled, released, unknown, open, refused and so on."),
    code: str = typer.Option(
        "", help="Only those answered this error code; none: no error; any: those that failed."
    ),
    model: str = typer.Option("", help="Only of this model."),
    since: str = typer.Option("", help="From this moment on, such as 2026-01-31T12:00:00Z."),
    until: str = typer.Option("", help="Before this moment."),
    ended_since: str = typer.Option("", help="That came to an end after this moment."),
    search: str = typer.Option("", "--search", help="Part of an id, a model or a message."),
    limit: int = typer.Option(50, min=1, max=1000, help="At most so many."),
    cursor: str = typer.Option("", help="Where the page before said that the next one begins."),
    offset: int = listing.OFFSET,
    wide: bool = listing.WIDE,
    columns: str = listing.COLUMNS,
    sort: str = listing.SORT,
    where: list[str] = listing.WHERE,
    with_count: bool = typer.Option(
        False, "--count", help="Also say how many fit in all, and what of them is only counted."
    ),
    as_json: bool = output.JSON,
) -> None:
    """List clients' calls, the latest first; `explain` tells the whole of one.

    What is filtered by an option of its own is looked for among all; --where is for what came.

    Example: tidegate requests --code upstream_error
    """
    wanted = {
        "key": key,
        "service_type": service_type,
        "server": server,
        "session": session,
        "outcome": outcome,
        "code": code,
        "model": model,
        "since": since,
        "until": until,
        "ended_since": ended_since,
        "q": search,
        "cursor": cursor,
    }
    given: dict[str, Any] = {name: value for name, value in wanted.items() if value}
    if offset:
        given["offset"] = offset
    if with_count:
        given["count"] = "true"
    typed = {name: f"--{name.replace('_', '-')}" for name in wanted} | {"q": "--search"}
    typed["offset"] = "--offset"
    with api.options_for(**typed):
        answer: dict[str, Any] = api.get("/api/requests", limit=limit, **given)
    options = ListOptions(wide, columns, sort, where)
    rows = listing.listed_rows(_COLUMNS, answer["data"], options)
    if as_json:
        output.print_json({**answer, "data": rows})
        return
    listing.print_list(_COLUMNS, rows, options, "no such request")
    if count := answer.get("count"):
        _print_count(count)
    if answer["next"]:
        output.print_note(f"there are more: --cursor {answer['next']}")
    output.note_freshness(answer)


def _print_count(count: dict[str, Any]) -> None:
    """Say how many there are in all, and what of them has no row."""
    output.print_prose(f"\n{count_phrase(count['calls'], 'call')} in all")
    for kind in count["counted"]:
        whose = kind["key_name"] or kind["key_id"]
        output.print_prose(f"only counted: {kind['calls']} {kind['code']} of {whose}")

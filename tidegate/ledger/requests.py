"""`tidegate requests`: clients' calls, one line each."""

from typing import Any

import typer

from tidegate.console import api, output

_COLUMNS = (
    "at",
    "request_id",
    "status",
    "outcome",
    "code",
    "service_type",
    "server_id",
    "key_name",
    "latency_ms",
    "waited_ms",
    "attempts",
    "model",
)


def requests(
    *,
    key: str = typer.Option("", help="Only of the key of this id."),
    service_type: str = typer.Option("", help="Only of this service type."),
    server: str = typer.Option("", help="Only those that this server had last."),
    session: str = typer.Option("", help="Only those that this session had last."),
    outcome: str = typer.Option("", help="settled, released, unknown, open, refused and so on."),
    code: str = typer.Option("", help="Only those answered this error code; none: no error."),
    model: str = typer.Option("", help="Only of this model."),
    since: str = typer.Option("", help="From this moment on, such as 2026-01-31T12:00:00Z."),
    until: str = typer.Option("", help="Before this moment."),
    search: str = typer.Option("", "--search", help="Part of an id, a model or a message."),
    limit: int = typer.Option(50, min=1, max=1000, help="At most so many."),
    cursor: str = typer.Option("", help="Where the page before said that the next one begins."),
    as_json: bool = output.JSON,
) -> None:
    """List clients' calls, the latest first; `explain` tells the whole of one.

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
        "q": search,
        "cursor": cursor,
    }
    given = {name: value for name, value in wanted.items() if value}
    answer: dict[str, Any] = api.get("/api/requests", limit=limit, **given)
    if as_json:
        output.print_json(answer)
        return
    output.print_records(_COLUMNS, answer["data"], "no such request")
    if answer["next"]:
        output.print_note(f"there are more: --cursor {answer['next']}")
    output.note_freshness(answer)

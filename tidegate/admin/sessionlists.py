"""Sessions as an operator looks for them and sees them: filters, page after page; one changed."""

from collections.abc import Iterator
from typing import Any

import typer

from tidegate.console import api, output

PAGE = 1000
COLUMNS = (
    "session_id",
    "status",
    "remaining",
    "open_leases",
    "reason",
    "used",
    "reserved",
    "quota_day",
    "region",
    "account",
    "tier",
    "cooling_s",
    "stale",
    "origin",
)
SESSION = typer.Argument(help="Id of the session, as `list` shows it.")
STATUS = typer.Option(
    "",
    help="Only of these, with commas between them: active, cooling, suspect, draining, disabled,"
    " retired.",
)
SERVICE_TYPE = typer.Option(
    "", "--type", help="Only with a daily limit above 0 for this service type."
)
TEXT = typer.Option(
    "",
    "--find",
    "-q",
    help="Only with this in id, region, origin, reason, account or tier, in any letter case.",
)
SORT = typer.Option(
    "added",
    help="added, id, status, region, last_used, open_leases, remaining or used (of --type, else of"
    " all together); `-` before it: the last one first. Those that retired come last.",
)


def filter_query(status: str = "", service_type: str = "", text: str = "") -> dict[str, Any]:
    """Write a filter as the API's parameters: what is not said is left out."""
    given = {"status": status, "service_type": service_type, "q": text}
    return {name: value for name, value in given.items() if value}


def session_pages(query: dict[str, Any], limit: int, cursor: str = "") -> Iterator[dict[str, Any]]:
    """Read page after page, up to so many sessions. Raises `CommandError`."""
    while limit > 0:
        behind = {"cursor": cursor} if cursor else {}
        page = api.get("/api/sessions", limit=min(limit, PAGE), **query, **behind)
        yield page
        limit -= len(page["data"])
        cursor = page.get("next", "")
        if not cursor:
            return


def list_of_sessions(query: dict[str, Any], limit: int, cursor: str = "") -> dict[str, Any]:
    """Put the pages together: figures and sequence are those of the last. Raises `CommandError`."""
    pages = list(session_pages(query, limit, cursor))
    data = [session for page in pages for session in page["data"]]
    return {**pages[-1], "data": data}


def change_session(session_id: str, body: dict[str, Any], *, as_json: bool) -> None:
    """Change one, and show it as it is then. Raises `CommandError`."""
    answer = api.patch(f"/api/sessions/{api.path_segment(session_id)}", body)
    if as_json:
        output.print_json(answer)
    else:
        output.print_records(COLUMNS, [answer])

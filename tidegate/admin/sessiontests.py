"""Sessions tested, and their points collected: one after another, and told in a table."""

from collections.abc import Sequence
from typing import Any

from tidegate.console import api, output
from tidegate.console.errors import CommandError

TESTED = (
    "session_id",
    "judged",
    "status",
    "server",
    "dialect",
    "asked",
    "points",
    "used_up",
    "message",
)
RECEIVED = ("session_id", "received", "server", "dialect", "asked", "before", "after", "message")
FINE = frozenset({"alive", "unknown"})
_POINTS = {
    "giftCredit": "gift",
    "purchaseCredit": "purchase",
    "vipCredit": "vip",
    "totalCredit": "total",
}
_TIMEOUT_S = 90.0
"""Two questions of half a minute each, and what is between them."""
ResultRow = dict[str, Any]


def ask_for_each(what: str, session_ids: Sequence[str], server: str) -> list[ResultRow]:
    """Ask for each, one after another; one that is refused keeps none of the others from it."""
    rows = []
    for session_id in session_ids:
        query = f"?server={api.path_segment(server)}" if server else ""
        try:
            path = f"/api/sessions/{api.path_segment(session_id)}/{what}{query}"
            row = api.post(path, timeout_s=_TIMEOUT_S)
        except CommandError as error:
            row = {"session_id": session_id, "judged": "not asked", "error": str(error)}
        rows.append(row)
    return rows


def show_rows(rows: Sequence[ResultRow], columns: Sequence[str], *, as_json: bool) -> None:
    """Show what came of it."""
    if as_json:
        output.print_json({"data": rows})
    else:
        output.print_table(columns, [[_row_cell(row, name) for name in columns] for row in rows])


def _row_cell(row: ResultRow, name: str) -> Any:
    if name == "server":
        return row.get("server_id")
    if name == "message":
        return row.get("error") or row.get("message")
    if name == "asked":
        return ", ".join(row.get("asked", []))
    value = row.get(name)
    if isinstance(value, dict):
        points = {short: value.get(key) for key, short in _POINTS.items()}
        return " ".join(
            f"{short} {units:g}" for short, units in points.items() if units is not None
        )
    return value

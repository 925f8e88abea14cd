"""Sessions as the table of a list has them: what each has left of every service type, and why not.

Of a service type stand the units left and the limit, `9/10`; `--sort image` sorts by what is left.
In brackets are those that nobody is granted now; of one that has retired there are none.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from tidegate.console.listing import ListedColumn, moment_column

RETIRED = "retired"
_NOT_COUNTED = frozenset({"draining", "suspect", "disabled"})


def session_columns(sessions: Iterable[Mapping[str, Any]]) -> list[ListedColumn]:
    """Choose the columns for these sessions: one for each service type that any of them has."""
    types = dict.fromkeys(name for session in sessions for name in session.get("limits", ()))
    return [
        ListedColumn("session_id"),
        ListedColumn("label"),
        ListedColumn("status"),
        *(
            ListedColumn(name, partial(_units_left, name), partial(_left_text, name), right=True)
            for name in types
        ),
        ListedColumn("open", lambda session: session.get("open_leases") or None),
        ListedColumn("reason", short=True),
        moment_column("last_used", "last_used_at"),
        ListedColumn("credential_end"),
        ListedColumn("region"),
        ListedColumn("reserved", lambda session: _some(session.get("reserved", {}))),
        ListedColumn("used", lambda session: _some(session.get("used", {}))),
        ListedColumn("quota_day"),
        ListedColumn("account", lambda session: session.get("account")),
        ListedColumn("tier", lambda session: session.get("tier")),
        ListedColumn("cooling_s", lambda session: session.get("cooling_s") or None),
        ListedColumn("doubts", lambda session: session.get("doubts") or None),
        ListedColumn("stale", text=lambda session: "yes" if session.get("stale") else ""),
        ListedColumn("origin"),
        moment_column("created", "created_at"),
        moment_column("checked", "checked_at"),
    ]


def is_retired(session: Mapping[str, Any]) -> bool:
    """Whether it stands at the end of a list."""
    return bool(session.get("status") == RETIRED)


def is_uncounted(session: Mapping[str, Any]) -> bool:
    """Whether what it has left is in no sum, for nobody is granted it now."""
    return session.get("status") in _NOT_COUNTED


def _units_left(name: str, session: Mapping[str, Any]) -> int | None:
    limit = session.get("limits", {}).get(name)
    return (
        None
        if limit is None or is_retired(session)
        else int(session.get("remaining", {}).get(name, 0))
    )


def _left_text(name: str, session: Mapping[str, Any]) -> str:
    left = _units_left(name, session)
    if left is None:
        return ""
    text = f"{left}/{session['limits'][name]}"
    return f"({text})" if is_uncounted(session) else text


def _some(units: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in units.items() if count}

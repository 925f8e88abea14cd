"""The list of sessions by page: filtered, sorted, those that retired last.

The pool looks at a bounded number of sessions at a time, so that it goes on granting; here the
looks are put together. What a page shows is asked for at once, when it is known which sessions
those are, so its figures are true at one sequence of the log. A session that changes between two
pages may be on both of them, or on none.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from contracts.base import ServiceType
from contracts.pool import (
    FindSessions,
    FoundSession,
    PoolStatus,
    PoolStatusReply,
    SessionFilter,
    SessionStatus,
    SessionView,
)
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import cursor_text, one_of, parse_cursor

_SHOWN_AT_ONCE = 1000
"""Sessions that one answer of the pool shows."""
_TEXT_MAX = 200
_RETIRED = str(SessionStatus.RETIRED)

OfStatus = Annotated[
    str,
    QueryParameter(
        name="status",
        description="Only of these, with commas between them: active, cooling, suspect, draining,"
        " disabled, retired.",
    ),
]
OfServiceType = Annotated[
    str,
    QueryParameter(
        name="service_type", description="Only with a daily limit above 0 for this service type."
    ),
]
WithLabel = Annotated[
    str, QueryParameter(name="label", description="Only with exactly this label.")
]
WithText = Annotated[
    str,
    QueryParameter(
        name="q",
        description="Only with this in id, label, region, origin or reason, in any letter case.",
    ),
]
Sort = Annotated[
    str,
    QueryParameter(
        description="added, id, status, label, region, last_used, open_leases, remaining or used"
        " (of service_type, else of all together); `-` before it: the last one first. Those that"
        " retired come behind all others."
    ),
]


class SessionQuery(NamedTuple):
    """Which sessions, in which order."""

    wanted: SessionFilter
    sort: str
    """As it was given: with `-` before it, the last one first."""


class _PlaceInList(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended."""

    retired: bool
    key: str | float
    place: int


class SessionPage(NamedTuple):
    """Sessions in order; `next` is empty where nothing comes behind them."""

    status: PoolStatusReply
    """The pool's figures, and the sessions as they are at its sequence."""
    next: str


def session_filter(
    doors: NamedDependency[Doors],
    statuses: OfStatus = "",
    service_type: OfServiceType = "",
    label: WithLabel = "",
    text: WithText = "",
) -> SessionFilter:
    """Read which sessions are wanted. Raises `GatewayError` (invalid_request)."""
    names = [name.strip() for name in statuses.split(",")] if statuses else []
    services = doors.settings().services
    if service_type and service_type not in services:
        expected = ", ".join(services)
        message = f"service_type: expected one of {expected}, got {service_type!r}"
        raise GatewayError("invalid_request", message, "service_type")
    if len(text) > _TEXT_MAX:
        message = f"q: expected at most {_TEXT_MAX} characters, got {len(text)}"
        raise GatewayError("invalid_request", message, "q")
    return SessionFilter(
        statuses=[one_of("status", name, SessionStatus) for name in names],
        service_type=ServiceType(service_type),
        label=label,
        text=text,
    )


FILTER = {"wanted": Provide(session_filter, sync_to_thread=False)}
"""The same parameters wherever sessions are looked for, or changed, by what they are."""


async def page_of_sessions(
    doors: Doors, query: SessionQuery, limit: int, cursor: str = ""
) -> SessionPage:
    """Find the page behind `cursor`, and what there is to show of it. Raises `GatewayError`."""
    of = _digest(query)
    behind = parse_cursor(of, cursor, _PlaceInList)
    entries: list[FoundSession] = []
    end: _PlaceInList | None = None
    for retired in _parts(query, behind):
        begin = behind if behind is not None and behind.retired is retired else None
        some = await _first_of_part(doors, query, begin, limit - len(entries), retired=retired)
        entries += some
        if some:
            end = _PlaceInList(retired, some[-1].key, some[-1].place)
        if len(entries) == limit:
            break
    full = len(entries) == limit and end is not None
    return SessionPage(await _show(doors, entries), cursor_text(of, end) if full else "")


def _parts(query: SessionQuery, behind: _PlaceInList | None) -> list[bool]:
    """Tell which parts of the list have something, from where a page begins: retired ones last."""
    statuses = set(query.wanted.statuses)
    parts = [
        retired
        for retired, has_any in (
            (False, not statuses or bool(statuses - {_RETIRED})),
            (True, not statuses or _RETIRED in statuses),
        )
        if has_any
    ]
    return parts if behind is None else [part for part in parts if part >= behind.retired]


async def _first_of_part(
    doors: Doors, query: SessionQuery, begin: _PlaceInList | None, limit: int, *, retired: bool
) -> list[FoundSession]:
    """Look through a part of the list until it is certain which are its first so many."""
    descending, sort = query.sort.startswith("-"), query.sort.removeprefix("-")
    in_order = sort == "added"
    entries: list[FoundSession] = []
    start: int | None = None
    if begin is not None and in_order:
        start = begin.place if descending else begin.place + 1
        if descending and not start:
            return []
    while True:
        asked = FindSessions(
            wanted=query.wanted,
            retired=retired,
            sort=sort,
            descending=descending,
            start=start,
            beyond=None if begin is None or in_order else (begin.key, begin.place),
            limit=limit - len(entries) if in_order else limit,
        )
        look = await doors.find_sessions(asked)
        entries += look.items
        if not in_order:
            entries.sort(key=lambda one: (one.key, one.place), reverse=descending)
            del entries[limit:]
        if look.next is None or (in_order and len(entries) >= limit):
            return entries
        start = look.next


async def _show(doors: Doors, entries: Sequence[FoundSession]) -> PoolStatusReply:
    """Ask for what is to be seen of them, and the pool's figures, at one sequence.

    More than a thousand are asked for in parts: the sequence is the first part's.
    """
    first: PoolStatusReply | None = None
    views: list[SessionView] = []
    for begin in range(0, len(entries), _SHOWN_AT_ONCE):
        some = [entry.session_id for entry in entries[begin : begin + _SHOWN_AT_ONCE]]
        status = await doors.pool_status(PoolStatus(among=some, limit=len(some)))
        views += status.sessions
        first = first or status
    status = first or await doors.pool_status(PoolStatus())
    return msgspec.structs.replace(status, sessions=views)


def _digest(query: SessionQuery) -> str:
    """Name a list by its filter and order."""
    return hashlib.sha256(msgspec.json.encode(query)).hexdigest()[:12]

"""The list of sessions by page: filtered, sorted, those that retired last.

A page begins behind another by its cursor, or anywhere by `offset`: for that the whole list is put
in order once, and kept for whoever scrolls through it. What a page shows is asked for at once, when
it is known which sessions those are, so its figures are true at one sequence of the log. A session
that changes between two pages by cursor may be on both of them, or on none.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from contracts.base import ServiceType, SessionId
from contracts.pool import (
    FoundSession,
    PoolStatus,
    PoolStatusReply,
    SessionFilter,
    SessionStatus,
    SessionView,
)
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.admin.sessions.looking import (
    ListPlace,
    SessionQuery,
    first_of_part,
    parts_of,
    place_of,
    query_digest,
    whole_list,
)
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import cursor_text, one_of, parse_cursor

_SHOWN_AT_ONCE = 1000
"""Sessions that one answer of the pool shows."""
_NAMED_MAX = 200
_TEXT_MAX = 200

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


Offset = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        description="So many of the list's first are passed over, instead of a cursor. The whole"
        " list is put in order for it; `order` of the answer names that, and keeps it.",
    ),
]
Order = Annotated[
    str,
    QueryParameter(
        description="With `offset`: `order` of an answer before, with the same filter and order."
        " Where it is kept no more, a minute after it was last used, there is a new one."
    ),
]
Named = Annotated[
    str,
    QueryParameter(
        description=f"Only these, by id, with commas between them, {_NAMED_MAX} at most; nothing"
        " else may be wanted then."
    ),
]


class SessionPage(NamedTuple):
    """Sessions in order; `next` is empty where nothing comes behind them."""

    status: PoolStatusReply
    """The pool's figures, and the sessions as they are at its sequence."""
    next: str
    fitting: int | None = None
    """How many fit; None where not all were looked at."""
    order: str = ""


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
    of = query_digest(query)
    behind = parse_cursor(of, cursor, ListPlace)
    entries: list[FoundSession] = []
    end: ListPlace | None = None
    for retired in parts_of(query, behind):
        begin = behind if behind is not None and behind.retired is retired else None
        some = await first_of_part(doors, query, begin, limit - len(entries), retired=retired)
        entries += some
        if some:
            end = place_of(some[-1], retired=retired)
        if len(entries) == limit:
            break
    full = len(entries) == limit and end is not None
    status = await _show(doors, [entry.session_id for entry in entries])
    return SessionPage(status, cursor_text(of, end) if full else "")


async def page_of_order(
    doors: Doors, query: SessionQuery, limit: int, offset: int, name: str = ""
) -> SessionPage:
    """Find the page behind the first `offset` of the whole list. Raises `GatewayError`."""
    of = query_digest(query)
    order = doors.session_orders.answer_named(name)
    if order is None or order.of != of:
        order = await whole_list(doors, query)
        name = doors.session_orders.keep_answer(order)
    end = offset + limit
    entries = order.entries[offset:end]
    behind = ""
    if entries and end < len(order.entries):
        behind = cursor_text(of, place_of(entries[-1], retired=end > order.standing))
    status = await _show(doors, [entry.session_id for entry in entries])
    return SessionPage(status, behind, len(order.entries), name)


async def named_sessions(doors: Doors, text: str) -> SessionPage:
    """Show those that are named, in the order of their names. Raises `GatewayError`."""
    ids = [SessionId(name.strip()) for name in text.split(",")]
    if len(ids) > _NAMED_MAX:
        message = f"ids: expected at most {_NAMED_MAX} ids, got {len(ids)}"
        raise GatewayError("invalid_request", message, "ids")
    return SessionPage(await _show(doors, ids), "")


async def _show(doors: Doors, ids: Sequence[SessionId]) -> PoolStatusReply:
    """Ask for what is to be seen of them, and the pool's figures, at one sequence.

    More than a thousand are asked for in parts: the sequence is the first part's.
    """
    first: PoolStatusReply | None = None
    views: list[SessionView] = []
    for begin in range(0, len(ids), _SHOWN_AT_ONCE):
        some = list(ids[begin : begin + _SHOWN_AT_ONCE])
        status = await doors.pool_status(PoolStatus(among=some, limit=len(some)))
        views += status.sessions
        first = first or status
    status = first or await doors.pool_status(PoolStatus())
    return msgspec.structs.replace(status, sessions=views)

"""Sessions listed by page, and shown alone."""

from collections.abc import Sequence

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from contracts.base import ServiceType, SessionId
from contracts.pool import (
    PoolStatus,
    PoolStatusReply,
    SessionFilter,
    SessionStatus,
    SessionView,
)
from runtime.texts import as_quoted
from services.gateway.accounts.endings import credential_ends
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.admin.sessions.looking import SessionQuery
from services.gateway.routes.admin.sessions.paging import (
    FILTER,
    Named,
    Offset,
    Order,
    Sort,
    named_sessions,
    page_of_order,
    page_of_sessions,
)
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import Cursor, Limit


class ShownSession(SessionView, frozen=True, kw_only=True):
    """A session as operators see it."""

    credential_end: str = ""
    """The last four characters of its credential, where it has eight; shown nowhere else."""


class OneSession(ShownSession, frozen=True, kw_only=True):
    """A session as the pool's fold has it at `sequence`."""

    sequence: int


class SessionList(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions as the pool's fold has them at `sequence`, and the pool's figures.

    `next` is the `cursor` of the page behind this one; empty: there is none. With `offset`,
    `fitting` is how many sessions fit, and `order` names the list that this is a page of.
    """

    data: list[ShownSession]
    next: str
    total: int
    active: int
    min_size: int
    max_size: int
    open_leases: int
    remaining: dict[ServiceType, int]
    sequence: int
    fitting: int | None = None
    order: str = ""


@get("/sessions", tags=["sessions"], summary="Sessions by page", dependencies=FILTER)
async def list_sessions(
    doors: NamedDependency[Doors],
    wanted: NamedDependency[SessionFilter],
    sort: Sort = "added",
    limit: Limit = 1000,
    cursor: Cursor = "",
    offset: Offset = None,
    order: Order = "",
    ids: Named = "",
) -> SessionList:
    """List sessions with what each has used, reserved and left today."""
    query = SessionQuery(wanted, sort)
    if trouble := _ambiguity(query, cursor, offset, order, ids):
        raise GatewayError("invalid_request", trouble, trouble.partition(":")[0])
    if ids:
        page = await named_sessions(doors, ids)
    elif offset is not None:
        page = await page_of_order(doors, query, limit, offset, order)
    else:
        page = await page_of_sessions(doors, query, limit, cursor)
    status = page.status
    return SessionList(
        data=await with_credential_ends(doors, status.sessions),
        next=page.next,
        total=status.sessions_total,
        active=status.sessions_active,
        min_size=status.min_size,
        max_size=status.max_size,
        open_leases=status.open_leases,
        remaining=status.remaining,
        sequence=status.sequence,
        fitting=page.fitting,
        order=page.order,
    )


def _ambiguity(
    query: SessionQuery, cursor: str, offset: int | None, order: str, ids: str
) -> str | None:
    """Say which parameter stands beside one that it does not go with."""
    if ids and (query != SessionQuery(SessionFilter(), "added") or cursor or offset is not None):
        return "ids: expected nothing else that says which sessions, or where a page begins"
    if cursor and offset is not None:
        return "offset: expected no cursor beside it: either says where the page begins"
    if order and offset is None:
        return "order: expected offset beside it: the list that it names is for that"
    return None


@get("/sessions/{session_id:str}", tags=["sessions"], summary="One session")
async def one_session(doors: NamedDependency[Doors], session_id: FromPath[str]) -> OneSession:
    """Show one session."""
    return await shown_session(doors, session_id)


async def shown_session(doors: Doors, session_id: str) -> OneSession:
    """Fetch a session as operators see it. Raises `GatewayError` (not_found)."""
    status = await _status_of(doors, session_id)
    (shown,) = await with_credential_ends(doors, status.sessions)
    return OneSession(**msgspec.structs.asdict(shown), sequence=status.sequence)


async def with_credential_ends(doors: Doors, views: Sequence[SessionView]) -> list[ShownSession]:
    """Put the end of its credential to each, where it can be read."""
    ids = [view.session_id for view in views if view.status is not SessionStatus.RETIRED]
    ends = await credential_ends(doors.client, doors.sealer, ids)
    return [
        ShownSession(**msgspec.structs.asdict(view), credential_end=ends.get(view.session_id, ""))
        for view in views
    ]


async def session_of(doors: Doors, session_id: str) -> SessionView:
    """Fetch a session. Raises `GatewayError` (not_found)."""
    return (await _status_of(doors, session_id)).sessions[0]


async def _status_of(doors: Doors, session_id: str) -> PoolStatusReply:
    """Ask the pool of one session. Raises `GatewayError` (not_found)."""
    status = await doors.pool_status(PoolStatus(session_id=SessionId(session_id)))
    if not status.sessions:
        raise GatewayError("not_found", f"there is no session {as_quoted(session_id)}")
    return status

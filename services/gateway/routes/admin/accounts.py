"""The account behind a session: whether it lives, and its points collected."""

from typing import Annotated

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from contracts.base import SessionId
from contracts.pool import ChangeSession, SessionStatus
from services.gateway.accounts.inquiry import PointsReceived, SessionTested
from services.gateway.clients.keys import Key
from services.gateway.routes.admin.sessions import session_of
from services.gateway.routes.doors import Doors

ServerName = Annotated[
    str, QueryParameter(description="Id of the server to ask; by default one that can tell most.")
]


@post(
    "/sessions/{session_id:str}/test",
    status_code=200,
    tags=["sessions"],
    summary="Ask whether a session's account lives",
)
async def ask_account(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    session_id: FromPath[str],
    server: ServerName = "",
) -> SessionTested:
    """Ask a backend whether the account lives, and for its points.

    Whatever it says, the session is neither suspected nor disabled. Where it has no points left, it
    is granted no more until its reset.
    """
    session = await session_of(doors, session_id)
    tested = await doors.inquiry.test_session(session, server)
    nothing_left = tested.points is not None and tested.points.none_left
    if tested.judged != "alive" or not nothing_left or session.status is SessionStatus.RETIRED:
        return tested
    used_up = ChangeSession(session_id=SessionId(session_id), used_up=True, by=admin.key_id)
    await doors.pool_admin(used_up)
    return msgspec.structs.replace(tested, used_up=True)


@post(
    "/sessions/{session_id:str}/receive",
    status_code=200,
    tags=["sessions"],
    summary="Collect the points of the day",
)
async def receive_points(
    doors: NamedDependency[Doors], session_id: FromPath[str], server: ServerName = ""
) -> PointsReceived:
    """Have a backend that speaks `jimeng` collect the account's free points of the day.

    It does so only where the account has none left. A session that was found used up before stays
    so until its reset.
    """
    return await doors.inquiry.receive_points(await session_of(doors, session_id), server)

"""The account behind a session: whether it lives, and its points collected."""

from typing import Annotated

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from contracts.base import ServerId, SessionId
from contracts.pool import ChangeSession, CheckRecorded, RecordCheck, SessionStatus
from services.gateway.accounts.inquiry import PointsReceived, SessionTested
from services.gateway.clients.keys import Key
from services.gateway.routes.admin.sessions.listing import session_of
from services.gateway.routes.doors import Doors

ServerName = Annotated[
    str, QueryParameter(description="Id of the server to ask; by default one that can tell most.")
]


@post(
    "/sessions/{session_id:str}/test",
    status_code=200,
    tags=["sessions"],
    summary="Check whether a session's account lives",
)
async def ask_account(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    session_id: FromPath[str],
    server: ServerName = "",
) -> SessionTested:
    """Check a session now: ask a backend whether its account lives, and for its points.

    What it says of the login is journalled, and suspects the session or clears it; nothing disables
    it. Where the account has no points left, the session is granted no more until its reset.
    """
    session = await session_of(doors, session_id)
    tested = await doors.inquiry.test_session(session, server)
    if not tested.asked:
        return msgspec.structs.replace(tested, status=session.status)
    await doors.pool_admin(RecordCheck(recorded=_as_recorded(tested, admin)))
    nothing_left = tested.points is not None and tested.points.none_left
    alive = tested.judged == "alive" and session.status is not SessionStatus.RETIRED
    if used_up := alive and nothing_left:
        command = ChangeSession(session_id=SessionId(session_id), used_up=True, by=admin.key_id)
        await doors.pool_admin(command)
    now = await session_of(doors, session_id)
    return msgspec.structs.replace(tested, used_up=used_up, status=now.status)


def _as_recorded(tested: SessionTested, admin: Key) -> CheckRecorded:
    """Tell the pool what was asked and answered; of points it is told apart."""
    return CheckRecorded(
        session_id=SessionId(tested.session_id),
        judged=tested.judged,
        server_id=ServerId(tested.server_id),
        dialect=tested.dialect,
        asked=tested.asked,
        message=tested.message,
        by=admin.key_id,
    )


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

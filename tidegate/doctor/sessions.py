"""The pool's sessions, asked for some at a time: it grants nothing while it answers."""

from collections.abc import Collection
from itertools import islice

import msgspec
from nats.aio.client import Client

from contracts import subjects
from contracts.base import Failed, SessionId
from contracts.pool import (
    FindSessions,
    PoolStatus,
    PoolStatusReply,
    SessionsFound,
    SessionStatus,
    SessionView,
)
from contracts.pool.lists import LOOKED_MAX
from runtime.nats.connection import ask_command

_TIMEOUT_S = 2.0
_SHOWN_AT_ONCE = 1000
_pool = msgspec.json.Decoder(PoolStatusReply | SessionsFound | Failed)


async def sessions_to_serve(client: Client) -> list[SessionId]:
    """Ask for every session that has not retired. Raises `UnansweredError`."""
    sessions: list[SessionId] = []
    start: int | None = 0
    while start is not None:
        asked = FindSessions(start=start, limit=LOOKED_MAX)
        reply = await ask_command(client, subjects.pool_status(), asked, _pool, _TIMEOUT_S)
        if not isinstance(reply, SessionsFound):
            break
        sessions += [entry.session_id for entry in reply.items]
        start = reply.next
    return sessions


async def sessions_shown(client: Client, among: Collection[SessionId]) -> list[SessionView]:
    """Ask for those of these that have not retired. Raises `UnansweredError`."""
    views: list[SessionView] = []
    names = iter(among)
    while some := list(islice(names, _SHOWN_AT_ONCE)):
        asked = PoolStatus(among=some, limit=len(some))
        reply = await ask_command(client, subjects.pool_status(), asked, _pool, _TIMEOUT_S)
        views += reply.sessions if isinstance(reply, PoolStatusReply) else []
    return [view for view in views if view.status is not SessionStatus.RETIRED]

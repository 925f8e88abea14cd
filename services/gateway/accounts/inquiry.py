"""Whether the account of a session lives, what points it has, and the points of the day collected.

What is said of a login is for the pool to judge by: it may suspect the session, or clear it.
"""

import msgspec

from contracts.balancer import PLAIN, NoServer, Selected
from contracts.pool import CheckRecorded, CheckSession, SessionStatus, SessionView
from services.gateway.accounts.caller import AccountCall, Caller, call_about
from services.gateway.clients.request import new_request_id
from services.gateway.dialects.credentials import dialects_saying, secrets_of
from services.gateway.domain.answers.accounts import (
    ASKED,
    CHECK,
    COLLECTING,
    POINTS,
    RECEIVE,
    WITH_POINTS,
    AccountAnswer,
    Points,
    Standing,
    combine_said,
    read_said,
)
from services.gateway.domain.errors import GatewayError

_GROUPS = (WITH_POINTS, ("drraw",), (PLAIN,))
"""Who is asked rather than whom: those that tell points know most, of `plain` nothing is known."""
_CHECKING = (("jimeng", "drraw"), ("jimeng-free-all", "jimeng-free"), (PLAIN,))
"""The same for the pool's checks, which ask for no points."""
_NOTHING_KNOWN = "of a server that speaks plain nothing is known to ask"


class SessionTested(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of which server about a session's account, and what it says."""

    session_id: str
    server_id: str
    dialect: str
    asked: list[str]
    """Methods and paths, in order; never what went with them."""
    judged: Standing
    message: str = ""
    """What the backend said, its credential concealed."""
    points: Points | None = None
    used_up: bool = False
    """Nothing is left: the session is granted no more until its reset."""
    status: SessionStatus | None = None
    """What the session is now: a test may suspect it, or end a suspicion."""


class PointsReceived(msgspec.Struct, frozen=True, kw_only=True):
    """What came of collecting the free points of the day."""

    session_id: str
    server_id: str
    dialect: str
    asked: list[str]
    received: bool
    """Whether the backend collected any: it tries only where there are none left."""
    message: str = ""
    before: Points | None = None
    after: Points | None = None


class Inquiry:
    """Asks backends about accounts."""

    def __init__(self, caller: Caller) -> None:
        """Ask by this caller."""
        self._caller = caller

    async def test_session(self, session: SessionView, server_id: str = "") -> SessionTested:
        """Ask whether the account of a session lives. Raises `GatewayError`."""
        authorization = await self._caller.authorization(session.session_id, session.region)
        server = await self._server_for(session.region, authorization, server_id)
        paths = ASKED.get(server.dialect, ())
        answers = []
        for path in paths:
            answers.append(await self._ask_server(server, path, authorization))
            if answers[-1].standing == "dead":
                break
        result = combine_said(answers) if answers else AccountAnswer(message=_NOTHING_KNOWN)
        return SessionTested(
            session_id=session.session_id,
            server_id=server.server_id,
            dialect=server.dialect,
            asked=[f"POST {path}" for path in paths[: len(answers)]],
            judged=result.standing,
            message=result.message,
            points=result.points,
        )

    async def check_session(self, asked: CheckSession) -> CheckRecorded:
        """Ask for the pool whether an account lives, and no more. Raises `GatewayError`."""
        authorization = await self._caller.authorization(asked.session_id, asked.region)
        server = await self._server_for(asked.region, authorization, "", _CHECKING)
        answer = await self._ask_server(server, CHECK, authorization)
        return CheckRecorded(
            session_id=asked.session_id,
            judged=answer.standing,
            server_id=server.server_id,
            dialect=server.dialect,
            asked=[f"POST {CHECK}"],
            message=answer.message,
            by="pool",
        )

    async def receive_points(self, session: SessionView, server_id: str = "") -> PointsReceived:
        """Collect the points of the day, where there are none left. Raises `GatewayError`."""
        if not any(server.dialect in COLLECTING for server in self._caller.servers()):
            message = "no server speaks jimeng, and no other dialect can collect points"
            raise GatewayError("invalid_request", message)
        authorization = await self._caller.authorization(session.session_id, session.region)
        server = await self._server_for(session.region, authorization, server_id, (COLLECTING,))
        asked = [POINTS]
        before = after = await self._ask_server(server, POINTS, authorization)
        if before.points is not None:
            asked.append(RECEIVE)
            after = await self._ask_server(server, RECEIVE, authorization)
        return PointsReceived(
            session_id=session.session_id,
            server_id=server.server_id,
            dialect=server.dialect,
            asked=[f"POST {path}" for path in asked],
            received=after.received,
            message=after.message,
            before=before.points,
            after=after.points,
        )

    async def _server_for(
        self,
        region: str,
        authorization: bytes,
        server_id: str,
        groups: tuple[tuple[str, ...], ...] = _GROUPS,
    ) -> Selected:
        """Choose whom to ask, of the first group that has one, or take the one that is named.

        One that is named may speak anything, unless there is but one group. Raises `GatewayError`.
        """
        if server_id:
            required = groups[0] if len(groups) == 1 else ()
            return _check_able(self._caller.server_named(server_id), authorization, required)
        reason = "no server can be told this session's credential"
        for group in groups:
            call = call_about(new_request_id(), POINTS, authorization)
            call.dialects = dialects_saying(group, authorization)
            call.region = region
            if call.dialects:
                choice = await self._caller.choose_server(call)
                if not isinstance(choice, NoServer):
                    return choice
                reason = choice.reason
        raise GatewayError("no_backend", reason)

    async def _ask_server(self, server: Selected, path: str, authorization: bytes) -> AccountAnswer:
        """Ask one thing; a server that does not answer has said nothing."""
        call: AccountCall = call_about(new_request_id(), path, authorization)
        call.only = server
        try:
            whole = await self._caller.send_call(call)
        except GatewayError as error:
            return AccountAnswer(message=error.message)
        answer = whole.answer
        encoding = answer.header_text(b"content-encoding").strip().lower()
        tables = self._caller.settings.failure_tables()
        return read_said(
            path, answer.status, encoding, whole.body, tables, secrets_of(authorization)
        )


def _check_able(server: Selected, authorization: bytes, required: tuple[str, ...]) -> Selected:
    """Let a server that was named pass, if it can be asked this. Raises `GatewayError`."""
    if required and server.dialect not in required:
        expected = ", ".join(required)
        message = f"server: expected one that speaks {expected}, got {server.server_id}, which"
        raise GatewayError("invalid_request", f"{message} speaks {server.dialect}", "server")
    if not dialects_saying([server.dialect], authorization):
        message = f"server: {server.server_id} speaks {server.dialect}, which cannot say the"
        raise GatewayError("invalid_request", f"{message} session's proxy or region", "server")
    return server

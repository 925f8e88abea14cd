"""`/token/*`: calls of admins that need no lease, passed on or asked for a session of the pool."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus

from msgspec.structs import replace

from contracts.balancer import DIALECTS
from contracts.pool import SessionView
from services.gateway.accounts.caller import AccountCall, Caller, call_about, conceal_secrets
from services.gateway.clients.answers import Client
from services.gateway.clients.headers import own_headers, upstream_headers
from services.gateway.clients.keys import Key
from services.gateway.clients.request import Request
from services.gateway.clients.spool import Spool
from services.gateway.clients.uploads import Bounds, Receive, Upload
from services.gateway.dialects.credentials import dialects_able, dialects_saying, secrets_of
from services.gateway.domain.answers.accounts import CHECK, POINTS
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.heads import Headers, headers_passing
from services.gateway.domain.summary import Summary
from services.gateway.transport.question import BYTES_MAX, WholeAnswer

PASSED_THROUGH = frozenset({("POST", CHECK), ("POST", POINTS)})
_SESSION = "session"
_WITHOUT_POINTS = frozenset({"drraw"})
"""Dialects that have no `/token/points`."""


class NamedSession(NamedTuple):
    """The session that a query names."""

    session_id: str
    rest: bytes
    """The query without it, as it came."""


class PassedAnswer(NamedTuple):
    """What of a server's answer the client gets, before our own headers."""

    status: int
    headers: Headers
    body: bytes


class Passthrough:
    """Passes a call on to any server, without a lease.

    With `?session=ID` it is asked for that session: its credential goes to a server that can be
    told it, and comes back concealed; nothing of the client's goes along.
    """

    def __init__(
        self, caller: Caller, known: Callable[[str], Awaitable[SessionView]], spool: Spool
    ) -> None:
        """Hold the parts; `known` finds a session, or raises `GatewayError` (not_found)."""
        self._spool = spool
        self._caller = caller
        self._known = known

    async def serve_call(
        self,
        request: Request,
        key: Key,
        receive: Receive,
        client: Client,
        rate: Mapping[str, str],
        key_of: Callable[[Request], Key],
    ) -> None:
        """Answer the call that `key` opened; `key_of` looks again once the body is there.

        Raises `GatewayError`.
        """
        _refuse_others(request, key)
        bounds = Bounds(BYTES_MAX, BYTES_MAX, self._spool)
        upload = Upload(receive, request.content_length, bounds)
        await upload.fill_memory()
        _refuse_others(request, key_of(request))
        named = session_named(request.query)
        if named is None:
            whole = await self._send_free_call(client, _call_as_came(request, upload.head))
            answer = whole.answer
            passing = headers_passing(answer.headers, self._caller.passed)
            passed = PassedAnswer(answer.status, passing, whole.body)
        else:
            passed = await self._send_session_call(request, client, named)
        kept = [pair for pair in passed.headers if pair[0] != b"content-length"]
        own = own_headers(request, rate, client.summary())
        headers = [*kept, *own, _length_header(passed.body)]
        await client.answer_whole(passed.status, headers, passed.body)

    async def _send_free_call(self, client: Client, call: AccountCall) -> WholeAnswer:
        """Send it, and have headers and the log line say by whom it was answered."""
        try:
            return await self._caller.send_call(call)
        finally:
            summary = Summary(attempts_made=call.attempts)
            if (asked := call.asked) is not None:
                summary = replace(summary, server_id=asked.server_id, server_region=asked.region)
            client.summary = lambda: summary

    async def _send_session_call(
        self, request: Request, client: Client, named: NamedSession
    ) -> PassedAnswer:
        """Ask for a session of the pool, and conceal its credential in the answer."""
        view = await self._known(named.session_id)
        authorization = await self._caller.authorization(view.session_id, view.region)
        call = call_about(request.request_id, request.path, authorization, named.rest)
        call.region = view.region
        if request.path == CHECK:
            call.dialects = dialects_able([], authorization)
        else:
            having = [dialect for dialect in DIALECTS if dialect not in _WITHOUT_POINTS]
            call.dialects = dialects_saying(having, authorization)
        whole = await self._send_free_call(client, call)
        answer, concealed = whole.answer, conceal_secrets(whole, authorization)
        headers = headers_passing(answer.headers, self._caller.passed, secrets_of(authorization))
        headers = [pair for pair in headers if pair[0] != b"content-encoding"]
        headers.append((b"x-session-id", view.session_id.encode()))
        return PassedAnswer(answer.status, headers, concealed)


def _refuse_others(request: Request, key: Key) -> None:
    if not key.is_admin:
        raise GatewayError("model_not_allowed", f"{request.path}: expected an admin key")


def session_named(query: bytes) -> NamedSession | None:
    """Take `session` out of a query; None when it names none.

    Raises `GatewayError` where it is empty or there are several.
    """
    pairs = query.split(b"&") if query else []
    named = [pair for pair in pairs if _parameter_name(pair) == _SESSION]
    if not named:
        return None
    name = unquote_plus(named[0].partition(b"=")[2].decode("latin-1"))
    if len(named) > 1 or not name:
        message = "session: expected the id of one session, as GET /api/sessions lists them"
        raise GatewayError("invalid_request", message, _SESSION)
    rest = b"&".join(pair for pair in pairs if _parameter_name(pair) != _SESSION)
    return NamedSession(name, rest)


def _parameter_name(pair: bytes) -> str:
    return unquote_plus(pair.partition(b"=")[0].decode("latin-1"))


def _call_as_came(request: Request, sent: bytes) -> AccountCall:
    return AccountCall(
        request_id=request.request_id,
        target=request.target_bytes,
        headers=lambda host: upstream_headers(request, host, None, len(sent)),
        body=sent,
    )


def _length_header(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()

"""One paid call at one server, because an operator wants to see what it does with it.

It goes the way that clients' calls go, with a lease of its own and one attempt, so that it is in
the log and in every figure; only the server is fixed, even if it is drained, down or ejected.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec

from contracts.balancer import Server
from contracts.base import ServerId, ServiceType
from contracts.pool import Outcome, UsageRecorded
from runtime.settings import service_type_objection
from runtime.texts import as_quoted
from services.gateway.clients.answers import Client
from services.gateway.clients.keys import Key
from services.gateway.clients.request import Request, RoutedRequest
from services.gateway.clients.spool import Spool
from services.gateway.clients.uploads import Bounds, Upload
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.paths import PathRules
from services.gateway.relay.interpreter import Interpreter, Wording
from services.gateway.relay.journey import Journey
from services.gateway.relay.relay import Relay
from services.gateway.relay.upstream.parts import ClientSide
from services.gateway.settings import Settings

_PATHS = ("/v1/images/generations", "/v1/videos/generations")
"""Asked for the service types that they are of; for another, a path that its configuration has."""


class TrialCall(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the server."""

    server_id: ServerId
    service_type: str
    prompt: str
    model: str
    path: str = ""
    """Empty: one that is of the service type."""


class ServerTested(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one paid call at one server, and what it cost."""

    request_id: str
    """By which `explain` tells the rest."""
    server_id: str
    session_id: str
    service_type: str
    path: str
    status: int
    """Of the server's answer; 0: there was none."""
    headers: dict[str, str]
    """Of a success, as its client gets them."""
    verdict: str
    why: str
    """What a client would have been told of a failure, or what the server's was."""
    outcome: str
    """How the lease ended: `settled`, `released` or `unknown`."""
    units: int
    """What it cost for certain."""
    units_held: int
    """Of an unknown outcome: they stay used until the lease is reconciled."""
    lease_id: str
    bytes_out: int
    lease_ms: float
    first_byte_ms: float
    total_ms: float


class ServerTrial:
    """Makes paid calls at servers that are named."""

    def __init__(
        self,
        relay: Relay,
        interpreter: Interpreter,
        servers: Callable[[], tuple[Server, ...]],
        settings: Callable[[], Settings],
        spool: Spool,
    ) -> None:
        """Go through `relay`, as clients' calls do; `servers` and `settings` are those of now."""
        self._servers = servers
        self._relay = relay
        self._interpreter = interpreter
        self._settings = settings
        self._spool = spool

    def refuse_stranger(self, server_id: ServerId) -> None:
        """Raise `GatewayError` where there is no such server."""
        if all(server.server_id != server_id for server in self._servers()):
            raise GatewayError("not_found", f"there is no server {as_quoted(server_id)}")

    async def test_server(self, call: TrialCall, key: Key) -> ServerTested:
        """Make one call. Raises `GatewayError` where none was made: no session, no such server."""
        self.refuse_stranger(call.server_id)
        settings = self._settings()
        if objection := service_type_objection([call.service_type], settings.services):
            raise GatewayError("invalid_request", f"service_type: {objection}", "service_type")
        body = json.dumps({"model": call.model, "prompt": call.prompt, "n": 1}).encode()
        per_item = settings.services[call.service_type].units == "n"
        path = _path_for(call, PathRules(settings.services))
        routed = _request_of(call, path, len(body), key, per_item=per_item)
        section = settings.gateway
        bounds = Bounds(section.max_body, section.json_max, self._spool)
        upload = Upload(_body_once(body), len(body), bounds)
        try:
            await upload.fill_memory()
            wording = Wording(routed.request, upload)
            await self._interpreter.find_dialects(routed.service_type, wording)
            return await self._make_call(routed, upload, wording)
        finally:
            upload.close()

    async def _make_call(
        self, routed: RoutedRequest, upload: Upload, wording: Wording
    ) -> ServerTested:
        """Carry the call through; an error after an attempt is told, not raised."""
        heard = _Heard()
        client = Client(heard.hear_message, heard.note_cut)
        side = ClientSide(routed, upload, wording, client, list)
        journey = Journey(self._relay, side, _never_objects)
        client.summary = journey.summary
        error: GatewayError | None = None
        try:
            await journey.run_course()
        except GatewayError as refused:
            error = refused
        ended = journey.stage.trail.ended
        if ended is None or not ended.attempts:
            raise error or GatewayError("no_backend", "no call was made")
        return _tested(routed, ended, heard, error)


class _Heard:
    """What a client would have heard; of a body its length alone."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.was_cut = False

    async def hear_message(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.headers = {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in message["headers"]
            }

    def note_cut(self) -> None:
        self.was_cut = True


def _tested(
    routed: RoutedRequest, ended: UsageRecorded, heard: _Heard, error: GatewayError | None
) -> ServerTested:
    """Say what came of it, by what the log is told."""
    attempt = ended.attempts[-1]
    cut = "the answer was cut" if ended.cut or heard.was_cut else ""
    why = [error.message if error else ended.error_message, attempt.meaning, attempt.failure, cut]
    return ServerTested(
        request_id=ended.request_id,
        server_id=attempt.server_id,
        session_id=ended.session_id,
        service_type=ended.service_type,
        path=routed.request.path,
        status=attempt.status,
        headers=heard.headers,
        verdict=ended.verdict,
        why="; ".join(dict.fromkeys(filter(None, why))),
        outcome=ended.outcome,
        units=ended.units,
        units_held=routed.units if ended.outcome is Outcome.UNKNOWN else 0,
        lease_id=ended.lease_id,
        bytes_out=ended.bytes_out,
        lease_ms=ended.lease_ms,
        first_byte_ms=attempt.first_byte_ms,
        total_ms=ended.total_ms,
    )


def _path_for(call: TrialCall, path_rules: PathRules) -> str:
    """Find a path that is of the service type. Raises `GatewayError` for another, or for none."""
    settings_paths = path_rules.paths_of(call.service_type)
    candidates = [call.path] if call.path else [*_PATHS, *settings_paths]
    for path in candidates:
        if path.startswith("/") and path_rules.route_request(path, call.model) == call.service_type:
            return path
    expected = f"expected a path that is of {call.service_type} with this model, such as one of"
    message = f"path: {expected} {', '.join(settings_paths) or '(none is configured)'}"
    raise GatewayError("invalid_request", message, "path")


def _request_of(
    call: TrialCall, path: str, length: int, key: Key, *, per_item: bool
) -> RoutedRequest:
    """Make the request as if a client had sent it."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % length)]
    scope = {"method": "POST", "path": path, "query_string": b"", "headers": headers}
    return RoutedRequest(
        request=Request(scope),
        key=key,
        model=call.model,
        service_type=ServiceType(call.service_type),
        units=1,
        per_item=per_item,
        only=call.server_id,
    )


def _body_once(body: bytes) -> Callable[[], Any]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _never_objects(_: RoutedRequest) -> None:
    """Whoever asked was let in a moment ago."""

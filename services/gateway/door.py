"""The front door: generation paths to the relay, everything else to the operator's routes.

Generation requests do not pass through a web framework: which path is of which service type is
configuration, and bytes go through as they are.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from contracts.base import KeyId, ServiceType
from runtime.geography.regions import region_named
from runtime.process.logs import Log
from runtime.texts import as_quoted
from services.gateway.accounts.passthrough import PASSED_THROUGH, Passthrough
from services.gateway.clients.answers import Client, Send, break_off_error, log_request
from services.gateway.clients.browsers import GUARDED, preflight_headers
from services.gateway.clients.deciding import read_decision
from services.gateway.clients.headers import own_headers
from services.gateway.clients.keys import BOUNDLESS, Key, open_key
from services.gateway.clients.limits import Admitted, KeyLimits, Throttled
from services.gateway.clients.origin import trusted_proxies
from services.gateway.clients.request import AFFINITY, MAX_WAIT, Request, RoutedRequest
from services.gateway.clients.spool import Spool
from services.gateway.clients.uploads import Bounds, ClientGoneError, Receive, Upload
from services.gateway.domain import model_named, units_of, wait_s_of
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.heads import Headers
from services.gateway.domain.paths import (
    KEPT_BYTES_MAX,
    PathRules,
    ambiguous_path,
    below_base,
    is_ambiguous,
    is_ours,
    key_in,
    key_in_url,
)
from services.gateway.domain.summary import Summary
from services.gateway.metrics import Metrics
from services.gateway.relay.interpreter import Interpreter, Wording
from services.gateway.relay.journey import serve_request
from services.gateway.relay.models import PATH as MODELS_PATH
from services.gateway.relay.models import ModelList
from services.gateway.relay.relay import Relay
from services.gateway.relay.upstream.parts import ClientSide
from services.gateway.relay.usages import Outbox
from services.gateway.settings import Settings

_MODEL = f"{MODELS_PATH}/"
_NOBODY = KeyId("")  # whose request it is until a key has opened it
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


class Door:
    """The ASGI application of a gateway."""

    def __init__(
        self,
        relay: Relay,
        passthrough: Passthrough,
        models: ModelList,
        interpreter: Interpreter,
        outbox: Outbox,
        operator: AsgiApp,
        find_key: Callable[[str], Key | None],
        *,
        settings: Settings,
        spool: Spool,
        metrics: Metrics,
        log: Log,
    ) -> None:
        """Hold the rooms behind the door."""
        self._spool = spool
        self.apply_settings(settings)
        self._relay = relay
        self._passthrough = passthrough
        self._models = models
        self._interpreter = interpreter
        self._outbox = outbox
        self._operator = operator
        self._find_key = find_key
        self._limits = KeyLimits()
        self._metrics = metrics
        self._log = log

    def apply_settings(self, settings: Settings) -> None:
        """Take up a changed configuration."""
        self.settings = settings
        self._path_rules = PathRules(settings.services)
        names = map(ServiceType, settings.services)
        self._summaries = {name: partial(Summary, service_type=name) for name in names}
        """What is known of a request that is routed, and no more."""
        own, self._region = settings.gateway, region_named(settings.gateway.client_region)
        self._proxies = trusted_proxies(own.trusted_proxies)
        self._bounds = Bounds(own.max_body, own.json_max, self._spool)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Lead a request to its room."""
        if scope["type"] != "http":
            await self._operator(scope, receive, send)
            return
        if base := self.settings.gateway.base_path:
            scope |= below_base(scope["path"], scope["raw_path"], base)
        method, path = scope["method"], scope["path"]
        if method == "OPTIONS":
            headers = preflight_headers(path, scope["headers"], self.settings.gateway.cors_origins)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        elif scope["query_string"] and (leak := key_in(scope["query_string"])) is not None:
            await self._answer_refusal(scope, send, key_in_url(leak))
        elif is_ambiguous(scope["raw_path"], slashes=path.startswith(_MODEL)):
            if is_ours(path):  # whoever is signed in has no key that could be looked at here
                await self._answer_refusal(scope, send, ambiguous_path())
            else:
                await self._answer_request(scope, receive, send, _refuse_path)
        elif path == MODELS_PATH or path.startswith(_MODEL):
            await self._answer_request(scope, receive, send, self._list_models)
        elif (method, path) in PASSED_THROUGH:
            await self._answer_request(scope, receive, send, self._pass_through)
        elif self._path_rules.rule_of(path).types:
            await self._answer_request(scope, receive, send, self._generate)
        else:
            await self._operator(scope, receive, send)

    async def _answer_request(
        self,
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
        room: "Callable[[Request, Key, Receive, Client, Mapping[str, str]], Awaitable[None]]",
    ) -> None:
        """Admit a request, let `room` answer it, and see to its end, however that comes."""
        request = Request(scope, self._proxies, self._region)
        # Taken out: a scope that holds what holds the scope is left to the garbage collector.
        connection = scope.pop("tidegate.connection", None)
        hang_up = connection.hang_up if connection else _do_nothing
        client = Client(send, hang_up, scope.pop("tidegate.whole", None))
        rate: dict[str, str] = {}
        error: GatewayError | None = None
        key: Key | None = None
        admitted: Admitted | Throttled | None = None
        gone = partial(_cancel_task, client, asyncio.current_task())
        if connection is not None:
            connection.on_gone = gone
        try:
            key = self._open_key(request)
            if connection is not None:
                connection.note_opened()
            admitted = self._limits.admit_request(key, time.monotonic())
            if isinstance(admitted, Throttled):
                raise _rate_limit_error(key, admitted)  # noqa: TRY301 (answered below)
            rate = admitted.as_headers()
            await room(request, key, receive, client, rate)
        except (GatewayError, ClientGoneError, asyncio.CancelledError) as broken:
            error = break_off_error(broken, gone=client.gone)
            client.gone = error is None
        except Exception as fault:  # noqa: BLE001 (a fault is an answer too, and is logged)
            self._log.exception("fault", request_id=request.request_id)
            error = break_off_error(fault, gone=client.gone)
        finally:
            _watch_unheard(connection, gone)
            if key is not None and isinstance(admitted, Admitted):
                self._limits.leave_request(key)
        key_id = _NOBODY if key is None else key.key_id
        try:
            if error is not None:
                self._count_untraced(key_id, client.summary(), error)
                await client.answer_error(error, [*_own_headers(request, rate, client), *GUARDED])
            log_request(self._log, self._metrics, request, key_id, client, error)
        finally:
            _part_with(error)

    async def _answer_refusal(self, scope: dict[str, Any], send: Send, error: GatewayError) -> None:
        """Refuse what is not looked at any further."""
        request = Request(scope, self._proxies, self._region)
        client = Client(send, _do_nothing)
        await client.answer_error(error, [*own_headers(request, None), *GUARDED])
        log_request(self._log, self._metrics, request, _NOBODY, client, error)

    def _count_untraced(self, key_id: KeyId, summary: Summary, error: GatewayError) -> None:
        """Have the log told how many calls of a known key were answered so and left no trace."""
        if not summary.traced and key_id:
            self._outbox.count_refusal(key_id, summary.service_type, error)

    def _open_key(self, request: Request) -> Key:
        """Authenticate: `Bearer <key>` or the bare key. Raises `GatewayError`."""
        key = open_key(request.authorization, self._find_key)
        if key.scope in BOUNDLESS:
            raise GatewayError("model_not_allowed", f"scope {key.scope}: expected a client key")
        return key

    async def _generate(
        self, request: Request, key: Key, receive: Receive, client: Client, rate: Mapping[str, str]
    ) -> None:
        """Take the routing part of the body, find the service type, and relay."""
        if request.method != "POST":
            message = f"{request.path[:KEPT_BYTES_MAX]}: expected POST"
            raise GatewayError("method_not_allowed", message, extra={"allow": "POST"})
        upload = Upload(receive, request.content_length, self._bounds)
        try:
            routed = await self._route_request(request, key, upload, client)
            wording = Wording(request, upload)
            await self._interpreter.find_dialects(routed.service_type, wording)
            headers = partial(_own_headers, request, rate, client)
            side = ClientSide(routed, upload, wording, client, headers)
            await serve_request(self._relay, side, self._recheck_key)
        finally:
            upload.close()

    async def _route_request(
        self, request: Request, key: Key, upload: Upload, client: Client
    ) -> RoutedRequest:
        """Find what the body asks for. Raises `GatewayError`, before any lease."""
        own, wants = self.settings.gateway, request.wishes
        wait_s = wait_s_of(wants.get(MAX_WAIT, ""), own.max_wait, own.max_wait_max)
        await upload.fill_memory()
        model = ""
        n: int | None = None
        if self._path_rules.rule_of(request.path, keep=True).body_decides or key.bounds.models:
            said = await read_decision(request, upload)
            model, n = said.model or "", said.n
        elif not request.is_compressed:
            model = model_named(upload.head, request.content_type, complete=upload.complete)
        service_type = self._path_rules.route_request(request.path, model)
        if service_type is None:  # it was taken away while the body came
            raise GatewayError("not_found", f"no service type has the path {request.path} any more")
        client.summary = self._summaries[service_type]
        _check_model(key, model)
        per_item = self.settings.services[service_type].units == "n"
        return RoutedRequest(
            request=request,
            key=key,
            model=model,
            service_type=service_type,
            units=units_of(n) if per_item else 1,
            per_item=per_item,
            wait_s=wait_s,
            affinity=wants.get(AFFINITY, ""),
        )

    async def _list_models(
        self, request: Request, _: Key, __: Receive, client: Client, rate: Mapping[str, str]
    ) -> None:
        await self._models.serve(request, client, rate)

    async def _pass_through(
        self, request: Request, key: Key, receive: Receive, client: Client, rate: Mapping[str, str]
    ) -> None:
        await self._passthrough.serve_call(request, key, receive, client, rate, self._open_key)

    def _recheck_key(self, routed: RoutedRequest) -> None:
        """Check whether the key still may: it is revoked or changed while a body comes."""
        _check_model(self._open_key(routed.request), routed.model)


def _rate_limit_error(key: Key, throttled: Throttled) -> GatewayError:
    message = f"the key {key.name!r} is over its rate or concurrency"
    wait_s, extra = throttled.retry_after_s, throttled.as_headers()
    return GatewayError("rate_limit_exceeded", message, retry_after_s=wait_s, extra=extra)


def _check_model(key: Key, model: str) -> None:
    if not key.allows_model(model):
        message = f"the key may not use the model {as_quoted(model)}"
        raise GatewayError("model_not_allowed", message, "model")


async def _refuse_path(*_: Any) -> None:
    """Refuse what two readers may take for two paths."""
    raise ambiguous_path()


def _cancel_task(client: Client, task: "asyncio.Task[Any] | None") -> None:
    """The client's connection was lost: stop whatever is done for it."""
    client.gone = True
    if task is not None:
        task.cancel()


def _own_headers(request: Request, rate: Mapping[str, str], client: Client) -> Headers:
    return own_headers(request, rate, client.summary())


def _watch_unheard(connection: Any, gone: Callable[[], None]) -> None:
    """Hear no more of the connection; the next request may hear for itself already."""
    if connection is not None and connection.on_gone is gone:
        connection.on_gone = None


def _part_with(error: GatewayError | None) -> None:
    """Part an error from the frames that it came through: they hold it, and all of the request."""
    if error is not None:
        error.__traceback__ = error.__context__ = None


def _do_nothing() -> None:
    """Nothing is to be hung up."""

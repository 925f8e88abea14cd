"""The Litestar application of the operator's doors."""

import time
from typing import Any

from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope, Message, Receive, Send

from runtime.hosts import host_of, is_familiar
from services.gateway.clients.browsers import (
    ANY_HOST,
    GUARDED,
    cross_origin_headers,
    origin_of,
    preflight_headers,
)
from services.gateway.clients.headers import NO_STORE
from services.gateway.clients.request import new_request_id
from services.gateway.dashboard.files import page_files
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.paths import routed_path
from services.gateway.routes import health, pages, refusals, schema
from services.gateway.routes.admin import (
    accounts,
    configuration,
    doctor,
    keys,
    leases,
    queue,
    secrets,
    servers,
    signing,
    strategies,
)
from services.gateway.routes.admin.sessions import adding, bulk, changing, listing
from services.gateway.routes.doors import Doors
from services.gateway.routes.figures import lists, original, reports, sql, statistics
from services.gateway.routes.guard import (
    BODY_BYTES_MAX,
    PARAMETERS,
    SECURITY,
    WHOLE,
    body_bytes_max,
    known_parameters_only,
    operators_only,
    the_admin,
)
from services.gateway.routes.ledger import audits, events, explain, requests, stream
from services.gateway.routes.overview import answer
from services.gateway.routes.parameters import take_whole_body

_COMPRESSED_BYTES_MIN = 1024
_AS_THEY_ARE = "^/(api/(stats/export|events/stream)|ui/.*)?$"
"""Files keep the length by which a client knows that it has the whole; events wait for nobody; the
dashboard's files are compressed already."""

_OK = 200
_PATH_MAX = 256
_WHOLES = (int, int | None)
"""No path of ours is longer; frameworks remember the paths and URLs that they are asked for."""
_WATCHED = frozenset({"/ping", "/livez", "/readyz", "/metrics"})
_FILES = "/ui/"
"""Asked every few seconds by whoever watches: only a failure is worth a line."""


class OperatorApp(Litestar):
    """Litestar, with preflights, HEAD, the headers of every answer, and one log line each."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        """Know msgspec alone: Litestar would load pydantic for models that no door has (ADR 8)."""
        return [*plugins, MsgspecDIPlugin()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            origins = self.state.doors.settings().gateway.cors_origins
            headers = preflight_headers(scope["path"], scope["headers"], origins)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer one request of an operator, count it and log it."""
        doors: Doors = self.state.doors
        started = time.perf_counter()
        request_id = new_request_id()
        method = scope["method"]
        path = routed_path(scope["path"])
        bodiless = method == "HEAD"
        origins = doors.settings().gateway.cors_origins
        ours = [*cross_origin_headers(path, origin_of(scope["headers"]), origins), *GUARDED]
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message["headers"])
                if not any(name.lower() == NO_STORE[0] for name, _ in headers):
                    headers.append(NO_STORE)
                own = [*headers, *ours, (b"x-request-id", request_id.encode())]
                message = {**message, "headers": own}
            elif bodiless and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        refused = _host_refusal(scope, doors)
        if refused is None and (bytes_max := body_bytes_max(scope, doors)):
            try:  # the guards come after it: a key may be revoked while a body is under way
                receive = await take_whole_body(receive, bytes_max)
            except GatewayError as error:
                refused = error
        if refused is not None:
            body = refused.as_body()
            length = (b"content-length", str(len(body)).encode())
            head = [*refused.extra_headers(), length]
            await note_status(
                {"type": "http.response.start", "status": refused.http_status, "headers": head}
            )
            await note_status({"type": "http.response.body", "body": body, "more_body": False})
        else:
            if bodiless:
                scope = {**scope, "method": "GET"}
            await super().__call__(scope, receive, note_status)
        if status == _OK and (path in _WATCHED or path.startswith(_FILES)):
            return
        doors.logger.info(
            "request",
            request_id=request_id,
            method=method,
            path=path[:_PATH_MAX],
            status=status,
            ms=round((time.perf_counter() - started) * 1000, 2),
        )


def _host_refusal(scope: HTTPScope, doors: Doors) -> GatewayError | None:
    """Refuse what is no path of ours, and a host that is none of ours where no key vouches."""
    path, headers = routed_path(scope["path"]), scope["headers"]
    if len(path) > _PATH_MAX:
        return GatewayError(
            "not_found", f"there is no path as long as that: {len(path)} characters"
        )
    if path in ANY_HOST or any(name == b"authorization" for name, _ in headers):
        return None
    hosts = {name.lower() for name in doors.settings().gateway.hosts}
    host = host_of(headers)
    if is_familiar(host, hosts):
        return None
    message = (
        f"Host: {host[:_PATH_MAX]!r} is none of this gateway's; expected a key, an address,"
        " localhost, or a name that gateway.hosts lists"
    )
    return GatewayError("host_not_allowed", message)


_ADMINISTRATION = (
    original.load_balancer,
    original.session_usage,
    original.session_stats,
    original.daily,
    original.summary,
    answer.overview,
    keys.list_keys,
    keys.issue_key,
    keys.change_key,
    keys.revoke_key,
    keys.rotate_key,
    listing.list_sessions,
    listing.one_session,
    adding.add_sessions,
    changing.change_session,
    changing.retire_session,
    bulk.change_fitting,
    bulk.retire_fitting,
    accounts.ask_account,
    accounts.receive_points,
    leases.list_leases,
    leases.reconcile_lease,
    queue.list_waits,
    queue.drop_waits,
    servers.list_servers,
    lists.server_history,
    lists.limits_by_day,
    servers.add_server,
    servers.change_server,
    servers.remove_server,
    servers.drain_server,
    servers.undrain_server,
    servers.probe_servers,
    servers.test_server,
    strategies.show_strategy,
    strategies.set_strategy,
    strategies.pin_strategy,
    strategies.unpin_strategy,
    configuration.configuration,
    configuration.accept,
    secrets.describe_secrets,
    secrets.rotate_master_key,
    doctor.rehearse_calls,
    signing.make_link,
    sql.sql,
    explain.explain,
    requests.list_requests,
    statistics.query,
    statistics.export,
    statistics.words,
    reports.report,
    audits.show_audits,
    audits.record_audit,
    audits.record_backup,
    events.page,
    stream.stream,
)
"""What stands under `/api`, for admin keys alone."""


def operator_app(doors: Doors) -> Litestar:
    """Make the application; it holds no state but its doors."""

    async def the_doors() -> Doors:
        return doors

    page_files()  # read and compressed now, not while calls are under way

    api = Router(
        "/api",
        route_handlers=[*_ADMINISTRATION],
        guards=[operators_only, known_parameters_only],
        dependencies={"admin": the_admin},
        security=[{SECURITY: []}],
    )
    open_doors = [health.ping, health.livez, health.readyz, health.metrics, health.whole]
    own_guards = [signing.sign_in, signing.show_sign_in, signing.sign_out]
    app = OperatorApp(
        route_handlers=[api, *open_doors, *own_guards, pages.page, pages.page_file],
        dependencies={"doors": the_doors},
        state=State({"doors": doors}),
        exception_handlers=refusals.error_handlers(doors.logger),
        compression_config=CompressionConfig(
            "gzip", minimum_size=_COMPRESSED_BYTES_MIN, exclude=[_AS_THEY_ARE]
        ),
        openapi_config=schema.openapi_config(),
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
    )
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, model in route.route_handler_map.values():
                names = {parameter.field_alias for parameter in model.expected_query_params}
                handler.opt.setdefault(PARAMETERS, names)
                typed = handler.parsed_fn_signature.parameters.items()
                handler.opt[WHOLE] = {name for name, field in typed if field.annotation in _WHOLES}
    return app

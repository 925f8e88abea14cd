"""Who may come in: operators under `/api`, viewers to read there; for metrics, who watches.

By a key of their own, or by the cookie of a sign-in, which stands for one.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import MultiDict
from litestar.handlers import BaseRouteHandler
from litestar.types import HTTPScope

from runtime.texts import as_quoted
from services.gateway.clients.keys import Key, KeyScope, open_key, presented_key
from services.gateway.clients.origin import Proxies
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.paths import routed_path
from services.gateway.routes import signins
from services.gateway.routes.doors import Doors
from services.gateway.signing.browser import cookie_value

PARAMETERS = "parameters"
"""What `opt` calls the query parameters that a handler knows; None: it looks itself."""
WHOLE = "whole"
"""What `opt` calls those of them that are whole numbers."""
SECURITY = "admin key"
"""What the description calls the way in that these guards watch."""
SIGN_IN = "sign_in"
"""Where a connection's state has the sign-in that it was opened by, if it was by one."""
STILL_OPENS = "still_opens"
"""Where it has a function that says whether what opened it still would."""
SIGN_IN_PATH = "/api/sign-in"
SIGN_IN_BYTES_MAX = 10_000
"""Of a body that comes before anybody is known."""
BODY_BYTES_MAX = 10_000_000
_READS = frozenset({"GET", "HEAD"})
_WHOLE_NUMBER = re.compile("-?[0-9]{1,19}")
LET_THROUGH = frozenset({"_", "t"})
"""By which clients of the original keep caches away."""
_FROM_ELSEWHERE = (
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "forwarded",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "via",
    "origin",
    "sec-fetch-site",
)
"""Headers of a request that a proxy, or a page of another origin, sends through loopback."""


def open_operators_key(connection: ASGIConnection[Any, Any, Any, Any]) -> Key:
    """Find the key that is presented, or that the cookie stands for; remember whose it is.

    Its connection is a known one's. Raises `GatewayError`.
    """
    doors: Doors = connection.app.state.doors
    asked = signins.asked_of(doors, cast("dict[str, Any]", connection.scope))
    if signins.has_cookie(asked):
        key, token = signins.open_cookie(doors, asked)
        text = cookie_value(asked.raw_headers, asked.cookie_name)
        connection.state[SIGN_IN] = token
        connection.state[STILL_OPENS] = lambda: signins.read_sign_in(doors, text) is not None
    else:
        presented = connection.headers.get("authorization", "")
        key = open_key(presented, doors.key_log.find_key)
        text = presented_key(presented)
        connection.state[STILL_OPENS] = lambda: doors.key_log.find_key(text) is not None
    connection.state.key = key
    wire: Any = connection.scope.get("tidegate.connection")
    if wire is not None:
        wire.note_opened()
    return key


def operators_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let admin keys pass, and viewers where nothing is changed (Litestar's guard)."""
    key = open_operators_key(connection)
    method = str(cast("dict[str, Any]", connection.scope)["method"])
    if key.scope is KeyScope.VIEWER and method not in _READS:
        message = f"a viewer key only reads: {method} wants an admin key"
        raise GatewayError("read_only_key", message)
    _refuse_others(key)


def readers_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let admin and viewer keys pass (a guard)."""
    _refuse_others(open_operators_key(connection))


def _refuse_others(key: Key) -> None:
    if key.scope not in signins.SIGNS_IN:
        raise GatewayError("model_not_allowed", f"expected an admin key, got a {key.scope} key")


def body_bytes_max(scope: HTTPScope, doors: Doors) -> int:
    """Tell how much of a body is taken: nothing of whom no operator's key or sign-in vouches for.

    But for who wants to sign in, of whom little is.
    """
    if scope["method"] in {"GET", "HEAD"}:
        return 0
    for name, value in scope["headers"]:
        if name == b"authorization":
            key = doors.key_log.find_key(presented_key(value.decode("latin-1")))
            return BODY_BYTES_MAX if key is not None and key.is_admin else 0
    if routed_path(scope["path"]) == SIGN_IN_PATH:
        return SIGN_IN_BYTES_MAX
    asked = signins.asked_of(doors, cast("dict[str, Any]", scope))
    opened = signins.read_sign_in(doors, cookie_value(asked.raw_headers, asked.cookie_name))
    return BODY_BYTES_MAX if opened is not None and opened[0].is_admin else 0


def known_parameters_only(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Refuse a query parameter that would be ignored in silence, or is there twice (a guard).

    And a number that is written otherwise than in digits: `1e3` would be read as one.
    """
    for name in handler.opt.get(WHOLE, ()):
        text = connection.query_params.get(name)
        if text is not None and _WHOLE_NUMBER.fullmatch(text) is None:
            message = f"{name}: expected a whole number, got {as_quoted(text)}"
            raise GatewayError("invalid_request", message, name)
    names = handler.opt.get(PARAMETERS)
    if names is None:
        return
    for name in connection.query_params:
        if name not in names and name not in LET_THROUGH:
            raise unknown_parameter(name, names)
    refuse_repeated(connection.query_params)


def refuse_repeated(given: MultiDict[str], lists: Iterable[str] = ()) -> None:
    """Refuse a parameter that is there twice, of which one would be ignored, but for `lists`.

    Raises `GatewayError`.
    """
    for name in given:
        if name not in LET_THROUGH and name not in lists and len(given.getall(name)) > 1:
            message = f"{name[:100]}: expected it once, got it several times"
            raise GatewayError("invalid_request", message, name[:100])


def unknown_parameter(name: str, names: Iterable[str]) -> GatewayError:
    """Word that there is no such parameter, and which there are."""
    there = ", ".join(sorted(names)) or "none"
    message = f"{name[:100]}: there is no such parameter; there are: {there}"
    return GatewayError("invalid_request", message, name[:100])


def watchers(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let operators' and metrics keys pass, and without a key whom `metrics_allow` names.

    A proxy on such a machine, or a browser that another site made ask, is somebody else.
    """
    doors: Doors = connection.app.state.doors
    asked = signins.asked_of(doors, cast("dict[str, Any]", connection.scope))
    if "authorization" in connection.headers or signins.has_cookie(asked):
        if open_operators_key(connection).scope is KeyScope.CLIENT:
            message = "expected an operator's or a metrics key, got a client key"
            raise GatewayError("model_not_allowed", message)
        return
    allowed = _trusted_networks(tuple(doors.settings().gateway.metrics_allow))
    client = connection.client
    near = client is not None and allowed.is_trusted(client.host)
    if not near or any(name in connection.headers for name in _FROM_ELSEWHERE):
        open_operators_key(connection)


@lru_cache(maxsize=4)
def _trusted_networks(addresses: tuple[str, ...]) -> Proxies:
    return Proxies(addresses)


async def the_admin(request: Request[Any, Any, Any]) -> Key:
    """Provide the key that the guard let pass (Litestar's dependency `admin`)."""
    key: Key = request.state.key
    return key

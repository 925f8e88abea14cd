"""Every exception of the operator's doors, in the one shape that clients know."""

import re
from typing import Any

from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.types import ExceptionHandlersMap

from runtime.eventlog import LogUnavailableError
from services.gateway.domain.errors import GatewayError

_TOO_LARGE = 413
_NAMED = re.compile(r"Object (contains unknown|missing required) field `([^`]*)`")
_SERVER_FAULT = 500
_UNVERSIONED = ("/images/", "/videos/", "/chat/", "/models")
"""How paths begin that SDKs ask for, behind a base address that somebody gave without `/v1`."""
AnyRequest = Request[Any, Any, Any]


def error_response(error: GatewayError) -> Response[bytes]:
    """Make the answer of an error."""
    headers = {name.decode(): value.decode("latin-1") for name, value in error.extra_headers()}
    return Response(
        error.as_body(),
        status_code=error.http_status,
        media_type=headers.pop("content-type"),
        headers=headers,
    )


def error_handlers(app_logger: Any) -> ExceptionHandlersMap:
    """Map each kind of exception to its answer; the unforeseen are logged, never shown."""

    def unforeseen(request: AnyRequest, error: Exception) -> Response[bytes]:
        app_logger.error("internal_error", path=request.scope["path"], exc_info=error)
        return error_response(
            GatewayError("internal_error", "the gateway failed; its log says why")
        )

    def http(request: AnyRequest, error: HTTPException) -> Response[bytes]:
        if error.status_code >= _SERVER_FAULT:
            return unforeseen(request, error)
        return error_response(_error_for(request, error))

    return {
        GatewayError: _answer_refused,
        LogUnavailableError: _answer_unavailable,
        HTTPException: http,
        Exception: unforeseen,
    }


def _answer_refused(_: AnyRequest, error: GatewayError) -> Response[bytes]:
    return error_response(error)


def _answer_unavailable(_: AnyRequest, error: LogUnavailableError) -> Response[bytes]:
    return error_response(GatewayError("ledger_unavailable", f"the event log: {error}"))


def _error_for(request: AnyRequest, error: HTTPException) -> GatewayError:
    if isinstance(error, MethodNotAllowedException):
        message = f"{request.scope['path']} does not know the method {request.method}"
        return GatewayError("method_not_allowed", message, extra=dict(error.headers or {}))
    if isinstance(error, NotFoundException):
        return GatewayError("not_found", _unknown_path_message(request.scope["path"]))
    if error.status_code == _TOO_LARGE:
        return GatewayError("request_too_large", error.detail)
    if isinstance(error, ValidationException):
        return _invalid_error(error)
    return GatewayError("invalid_request", error.detail, status=error.status_code)


def _unknown_path_message(path: str) -> str:
    """Say that there is no such path, and what a client's base address lacks where it is that."""
    advice = "; the base address of a client ends in /v1" if path.startswith(_UNVERSIONED) else ""
    return f"there is no path {path}{advice}"


def _invalid_error(error: ValidationException) -> GatewayError:
    """Name the field that is wrong and what was expected of it.

    msgspec says where (`… - at `$.data[0].region``), or names what is missing or too much.
    """
    what, _, where = str(error.__cause__ or error.detail).partition(" - at `$.")
    place = where.rstrip("`")
    if place.split(".")[0].split("[")[0] == "data":
        place = place.removeprefix("data").removeprefix(".")
    named = _NAMED.fullmatch(what)
    if named is not None and named[2] == "data":
        return GatewayError("invalid_request", "body: expected JSON")
    if named is not None:
        place = f"{place}.{named[2]}" if place else named[2]
        what = (
            "there is no such field" if named[1] == "contains unknown" else "expected, is missing"
        )
    what = what[:1].lower() + what[1:]
    return GatewayError("invalid_request", f"{place or 'body'}: {what}", place or None)

"""Parameters that a type alone does not explain: a wrong one is refused with what was expected."""

import base64
from collections import deque
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec
from litestar.params import QueryParameter
from litestar.types import Receive

from contracts.base import day_of
from runtime.texts import as_quoted
from services.gateway.domain.errors import GatewayError

_json_decoder = msgspec.json.Decoder(msgspec.Raw)
"""Looks whether a body is JSON, and makes nothing of it: 10 MB of `[]` take most of a second."""
_Choice = TypeVar("_Choice", bound=StrEnum)
_Place = TypeVar("_Place")

Limit = Annotated[int, QueryParameter(ge=1, le=10_000, description="At most so many.")]
Cursor = Annotated[
    str, QueryParameter(description="`next` of the page before, with the same filter and order.")
]


class _PageEnd(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended."""

    of: str
    """Which list it is: in another one the place would mean nothing."""
    place: msgspec.Raw


def parse_day(name: str, text: str | None) -> date:
    """Read a quota day. Raises `GatewayError` (invalid_request)."""
    parsed = None if text is None else day_of(text)
    if parsed is not None:
        return parsed
    got = "none" if text is None else as_quoted(text)
    message = f"{name}: expected a date such as 2026-01-31, got {got}"
    raise GatewayError("invalid_request", message, name)


def within_bounds(name: str, number: int, least: int, most: int) -> int:
    """Let a number through that is neither too small nor too great. Raises `GatewayError`."""
    if least <= number <= most:
        return number
    message = f"{name}: expected a number from {least} to {most}, got {number}"
    raise GatewayError("invalid_request", message, name)


def one_of(name: str, text: str, among: type[_Choice]) -> _Choice:
    """Read one word of a few. Raises `GatewayError` (invalid_request)."""
    try:
        return among(text)
    except ValueError:
        message = f"{name}: expected one of {', '.join(among)}, got {as_quoted(text)}"
        raise GatewayError("invalid_request", message, name) from None


def cursor_text(of: str, place: object) -> str:
    """Name the place where a page of a list ended, so that the next one begins behind it."""
    end = _PageEnd(of, msgspec.Raw(msgspec.json.encode(place)))
    return base64.urlsafe_b64encode(msgspec.json.encode(end)).decode().rstrip("=")


def parse_cursor(of: str, text: str, kind: type[_Place]) -> _Place | None:
    """Read where the page before ended; None: this is the first. Raises `GatewayError`."""
    if not text:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_", validate=True)
        end = msgspec.json.decode(decoded, type=_PageEnd)
        if end.of == of:
            return msgspec.json.decode(end.place, type=kind)
    except (ValueError, msgspec.MsgspecError):
        pass
    expected = "`next` of the page before, with the same filter and order"
    message = f"cursor: expected {expected}, got {as_quoted(text)}"
    raise GatewayError("invalid_request", message, "cursor")


async def take_whole_body(receive: Receive, bytes_max: int) -> Receive:
    """Take a body of at most so many bytes, and give it again.

    Raises `GatewayError` for one that never comes, and for what the framework's reader dies of.
    """
    kept: deque[Any] = deque()
    size, more = 0, True
    while more and size <= bytes_max:
        message: Any = await receive()
        kept.append(message)
        more = message["type"] == "http.request" and message.get("more_body", False)
        size += len(message.get("body", b""))
    body = b"".join(message.get("body", b"") for message in kept)
    try:
        if body and not more:
            body.decode()
            _json_decoder.decode(body)
    except (UnicodeDecodeError, RecursionError) as error:
        raise GatewayError("invalid_request", f"the body is not valid JSON: {error}") from None
    except msgspec.DecodeError:
        pass  # the framework words it

    async def receive_again() -> Any:
        return kept.popleft() if kept else await receive()

    return receive_again

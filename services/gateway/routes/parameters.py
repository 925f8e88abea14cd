"""Parameters that a type alone does not explain: a wrong one is refused with what was expected."""

from datetime import date
from enum import StrEnum
from typing import TypeVar

from contracts.base import day_of
from runtime.texts import as_quoted
from services.gateway.domain.errors import GatewayError

_Choice = TypeVar("_Choice", bound=StrEnum)


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

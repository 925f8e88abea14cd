"""Which service type a request is of: by its path, and on shared paths by its model."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

import msgspec

from contracts.base import ServiceType
from runtime.settings import ServiceTypeSection
from services.gateway.domain.errors import GatewayError


class Peek(msgspec.Struct, frozen=True):
    """The fields that route; everything else in a body is the backend's business."""

    model: str | None = None
    n: int | None = None
    stream: bool | None = None


N_MAX = 10_000
"""Items that one call may ask for, where items are units."""
_SHOWN_MAX = 40
_json = msgspec.json.Decoder(Peek)
_NOTHING = Peek()
_FIELD = re.compile(
    rb'\r\ncontent-disposition:[^\r\n]{0,64}?\bname="?(model|n|stream)"?[ \t]*'
    rb"(?:;[^\r\n]{0,256})?\r\n(?:[^\r\n]{1,256}\r\n){0,4}\r\n([^\r\n]{0,256})\r\n--",
    re.IGNORECASE,
)
"""A form field that routes. Every repeat is bounded: bodies come from strangers."""
_MEMBER = re.compile(
    rb'"(?:(model)"\s{0,9}:\s{0,9}"([^"\\]{0,200})"|(n)"\s{0,9}:\s{0,9}(\d{1,9})\b'
    rb'|(stream)"\s{0,9}:\s{0,9}(true)\b)'
)
"""The same in the first part of a JSON body too long to be read whole."""


def peek(body: bytes, content_type: str, *, complete: bool) -> Peek:
    """Read the routing fields from a body, or from its first part when it is longer.

    Raises `GatewayError` (invalid_request) for a complete JSON body that is none, and for
    fields of the wrong type.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _peek_multipart(body)
    if kind and kind != "application/json" and not kind.endswith("+json"):
        return _NOTHING
    if not complete:
        return _peek_long(body)
    try:
        return _json.decode(body)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        param = where.rstrip("`") or None
        raise GatewayError("invalid_request", f"{param or 'body'}: {what}", param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"the body is not valid JSON: {error}"
        raise GatewayError("invalid_request", message) from None


def _peek_long(body: bytes) -> Peek:
    """Look for the routing fields in the first part of a JSON body; the first of each counts."""
    found: dict[bytes, bytes] = {}
    for match in _MEMBER.finditer(body):
        name, value = (group for group in match.groups() if group is not None)
        found.setdefault(name, value)
    return Peek(
        model=found[b"model"].decode("utf-8", "replace") if b"model" in found else None,
        n=int(found[b"n"]) if b"n" in found else None,
        stream=b"stream" in found or None,
    )


def _peek_multipart(body: bytes) -> Peek:
    found: dict[str, str] = {}
    for match in _FIELD.finditer(body):
        found.setdefault(match[1].decode().lower(), match[2].decode("utf-8", "replace"))
    n = found.get("n")
    if n is not None and not (n.isascii() and n.strip().isdecimal()):
        raise _wrong_n(n)
    return Peek(
        model=found.get("model"),
        n=None if n is None else int(n),
        stream=found.get("stream", "").lower() == "true" or None,
    )


def units_of(n: int | None) -> int:
    """Count the units of a call for `n` items, by default one. Raises `GatewayError`.

    More than a session has in a day is for the pool to refuse.
    """
    if n is None:
        return 1
    if not 1 <= n <= N_MAX:
        raise _wrong_n(str(n))
    return n


def _wrong_n(got: str) -> GatewayError:
    shown = got if len(got) <= _SHOWN_MAX else f"{got[:_SHOWN_MAX]}…"
    message = f"n: expected a whole number from 1 to {N_MAX:,}, got {shown!r}"
    return GatewayError("invalid_request", message, "n")


def route(
    path: str, model: str | None, services: Mapping[str, ServiceTypeSection]
) -> ServiceType | None:
    """Find the service type of a POST to `path`; None when no type lists it.

    Highest priority among the types with a matching substring, then the longest substring;
    among types that match equally, the first whose `models` fit, then the first without any.
    """
    best: tuple[int, int] = (0, 0)
    found: list[str] = []
    for name, section in services.items():
        longest = max((len(part) for part in section.paths if part in path), default=0)
        if not longest:
            continue
        rank = (section.priority, longest)
        if not found or rank > best:
            best, found = rank, [name]
        elif rank == best:
            found.append(name)
    if len(found) > 1:
        found = _by_model(found, model or "", services)
    return ServiceType(found[0]) if found else None


def _by_model(
    names: list[str], model: str, services: Mapping[str, ServiceTypeSection]
) -> list[str]:
    lower = model.lower()
    fitting = [
        name
        for name in names
        if any(fnmatchcase(lower, pattern.lower()) for pattern in services[name].models)
    ]
    return fitting or [name for name in names if not services[name].models] or names

"""Which service type a request is of: by its path, and on shared paths by its model."""

import mmap
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

import msgspec

from contracts.base import ServiceType
from runtime.settings import ServiceTypeSection
from runtime.texts import as_quoted
from services.gateway.domain.errors import GatewayError


class Peek(msgspec.Struct, frozen=True):
    """The fields that route; everything else in a body is the backend's business."""

    model: str | None = None
    n: int | None = None
    stream: bool | None = None


_SURROGATE = re.compile(r"[\ud800-\udfff]")
MODEL_MAX = 256
"""Characters of a model's name: no model has a longer one, and whoever looks at it takes longer."""
N_MAX = 10_000
"""Items that one call may ask for, where items are units."""
_DIGITS_MAX = 12
_SHOWN_MAX = 40
_peek_decoder = msgspec.json.Decoder(Peek)
_FIELD = re.compile(
    rb'\r\ncontent-disposition:[^\r\n]{0,64}?\bname="?model"?[ \t]*'
    rb"(?:;[^\r\n]{0,256})?\r\n(?:[^\r\n]{1,256}\r\n){0,4}\r\n([^\r\n]{0,256})\r\n--",
    re.IGNORECASE,
)
"""A form's field that names the model. Every repeat is bounded: bodies come from strangers."""
_MEMBER = re.compile(rb'"model"\s{0,9}:\s{0,9}"([^"\\]{0,200})"')
"""The same in the first part of a JSON body too long to be read whole."""


def model_named(body: bytes, content_type: str, *, complete: bool) -> str:
    """Look for the model in a body, or in its first part, for the record: nothing depends on it.

    Raises `GatewayError` (invalid_request) for a complete JSON body that is none, and for
    fields of the wrong type.
    """
    kind = content_type.partition(";")[0].strip().lower()
    match: re.Match[bytes] | None = None
    if kind == "multipart/form-data":
        match = _FIELD.search(body)
    elif kind and kind != "application/json" and not kind.endswith("+json"):
        return ""
    elif complete:
        return read_json(body).model or ""
    else:
        match = _MEMBER.search(body)
    return match[1].decode("utf-8", "replace") if match else ""


def check_model(model: object) -> None:
    """Raises `GatewayError` for a text that is longer than any model's name, or no text at all."""
    if isinstance(model, str) and len(model) > MODEL_MAX:
        got = f"expected at most {MODEL_MAX} characters, got {len(model):,}"
        raise GatewayError("invalid_request", f"model: {got}", "model")
    # JSON can spell half a character, and UTF-8, in which it is logged and sent on, cannot.
    if isinstance(model, str) and not model.isascii() and _SURROGATE.search(model):
        got = "expected Unicode text, got half a character of it"
        raise GatewayError("invalid_request", f"model: {got}", "model")


def read_json(body: bytes | mmap.mmap) -> Peek:
    """Read what routes of a JSON body. Raises `GatewayError` for what is none."""
    try:
        peek = _peek_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise type_error(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The last one is of brackets within brackets, of which a stranger may send any number.
        message = f"the body is not valid JSON: {error}"
        raise GatewayError("invalid_request", message) from None
    if peek.model is not None:
        check_model(peek.model)
    return peek


def type_error(error: msgspec.ValidationError) -> GatewayError:
    """Word a member of another type than expected, by its name."""
    what, _, where = str(error).partition(" - at `$.")
    param = where.rstrip("`") or None
    return GatewayError("invalid_request", f"{param or 'body'}: {what}", param)


def body_decides(
    types: tuple[ServiceType, ...], services: Mapping[str, ServiceTypeSection]
) -> bool:
    """Whether a body says of which of these types it is, or how many units it costs."""
    return any(services[name].units == "n" for name in types) or (
        len(types) > 1 and any(services[name].models for name in types)
    )


def units_of(n: int | None) -> int:
    """Count the units of a call for `n` items, by default one. Raises `GatewayError`.

    More than a session has in a day is for the pool to refuse.
    """
    if n is None:
        return 1
    if not 1 <= n <= N_MAX:
        raise n_error(str(n))
    return n


def wait_s_of(said: str, default_s: float, longest_s: float) -> float:
    """Read `X-Max-Wait-Ms`: for how many seconds a call may wait for a session.

    Raises `GatewayError`.
    """
    if not said:
        return default_s
    longest_ms = int(longest_s * 1000)
    if not (said.isascii() and said.isdigit() and len(said) <= _DIGITS_MAX) or (
        int(said) > longest_ms
    ):
        message = (
            f"X-Max-Wait-Ms: expected milliseconds from 0 to {longest_ms:,}"
            f" (gateway.max_wait_max), got {as_quoted(said, _SHOWN_MAX)}"
        )
        raise GatewayError("invalid_request", message, "x-max-wait-ms")
    return int(said) / 1000


def n_error(got: str) -> GatewayError:
    """Word a number of items that is none, or is out of bounds."""
    message = f"n: expected a whole number from 1 to {N_MAX:,}, got {as_quoted(got, _SHOWN_MAX)}"
    return GatewayError("invalid_request", message, "n")


def types_listing(path: str, services: Mapping[str, ServiceTypeSection]) -> tuple[ServiceType, ...]:
    """Find the service types that list a path best, all of them equally.

    The highest priority among those with a matching substring, then the longest substring.
    """
    best: tuple[int, int] = (0, 0)
    types: list[ServiceType] = []
    for name, section in services.items():
        longest = max((len(part) for part in section.paths if part in path), default=0)
        if not longest:
            continue
        rank = (section.priority, longest)
        # Equals are kept together: the model says later which of them it is.
        if not types or rank > best:
            best, types = rank, [ServiceType(name)]
        elif rank == best:
            types.append(ServiceType(name))
    return tuple(types)


def types_fitting(
    types: tuple[ServiceType, ...], model: str, services: Mapping[str, ServiceTypeSection]
) -> tuple[ServiceType, ...]:
    """Keep those whose `models` fit; if none do, those without any; or else all."""
    lower = model.lower()
    fitting = [
        name
        for name in types
        if any(fnmatchcase(lower, pattern.lower()) for pattern in services[name].models)
    ]
    return tuple(fitting or [name for name in types if not services[name].models]) or types

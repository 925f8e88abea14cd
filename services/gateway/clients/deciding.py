"""What a body says where it decides: the service type, the units, whether a key may use its model.

There, and only there, it is read to its end, and what cannot be read for sure is refused: whatever
a server reads of it, this is the same. One look finds that `model`, `n` and `stream` occur at most
once each, and that no name is spelled in escapes; then the quick reader's answer is the only one.
Anything else is read slowly, member by member, and what stands twice, in whatever case, is refused.
"""

import json
import re
from functools import partial
from typing import Any

import msgspec

from services.gateway.clients import reading
from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Content, Upload
from services.gateway.domain import Peek, check_model, n_error, read_json, type_error
from services.gateway.domain.errors import GatewayError

_NAMES = re.compile(rb'"(model|n|stream)"', re.IGNORECASE)
_LONGEST = len(b'"stream"')
_PLAIN = frozenset({b"model", b"n", b"stream"})
_MADE_OF_IT = re.compile(r"[\[\0]")
"""Behind it, readers see a list, a member, or nothing: `model[0]` is a `model` to them."""
_DIGITS = re.compile(r"\s{0,9}[0-9]{1,19}\s{0,9}", re.ASCII)
"""A form's `n`: more are no number of anything, and of blanks `int` knows these."""
_FIELD_MAX = len("stream")
_TRUE = "true"
_ESCAPED = b"\\u00"
"""How a name of ASCII letters begins to be spelled otherwise."""


async def read_decision(request: Request, upload: Upload) -> Peek:
    """Take the whole body and read what routes. Raises `GatewayError`, before any lease."""
    kind = reading.kind_of(request)
    json_max = upload.bounds.json_max
    if kind == reading.JSON and max(upload.length or 0, upload.taken) > json_max:
        raise reading.body_too_large(json_max)
    content = await upload.take_whole()
    if kind != reading.JSON:
        return await upload.run_apart(partial(_peek_form, content, kind, request.content_type))
    if len(content) > json_max:
        raise reading.body_too_large(json_max)
    peek = await upload.run_apart(partial(_peek_plain, content))
    if peek is not None:
        return peek
    return await upload.bounds.spool.run_apart(partial(_peek_by_member, content))


def _peek_plain(content: Content) -> Peek | None:
    """Read a body in which every name that routes stands once at most, as it is always spelled."""
    return read_json(content) if _is_plain(content) else None


def _is_plain(content: Content) -> bool:
    named: set[bytes] = set()
    for piece in reading.pieces_of(content, _LONGEST - 1):
        if piece.find(_ESCAPED) >= 0:
            return False
        for match in _NAMES.finditer(piece):
            name = match[1]
            if match.start() >= reading.PIECE_BYTES:
                break  # the next piece begins with it
            if name in named or name not in _PLAIN:
                return False
            named.add(name)
    return True


def _peek_by_member(content: Content) -> Peek:
    """Read a JSON object whose routing names need a second look; a duplicate is refused."""
    reading.check_items(content)
    try:
        text = content[:].decode()
        members = json.loads(text, object_pairs_hook=_Members, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise reading.wrong_body(f"the body is not valid JSON: {error}") from None
    if not isinstance(members, _Members):
        raise reading.wrong_body("body: expected a JSON object")
    return _peek_members(members)


def _peek_members(members: "_Members") -> Peek:
    fields: dict[str, Any] = {}
    for name, value in members.pairs:
        lower = name.lower() if len(name) <= _FIELD_MAX else ""
        if lower in Peek.__struct_fields__:
            if lower in fields:
                raise GatewayError("invalid_request", f"{lower}: expected it once", lower)
            fields[lower] = value
    check_model(fields.get("model"))
    try:
        return msgspec.convert(fields, Peek)
    except msgspec.ValidationError as error:
        raise type_error(error) from None


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


class _Members:
    """An object as it is written: every member, in order."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _peek_form(content: Content, kind: str, content_type: str) -> Peek:
    return _peek_texts(reading.texts_of(content, kind, content_type))


def _peek_texts(fields: dict[str, Any]) -> Peek:
    """Read what routes from a form's texts; a name that stands twice is refused."""
    texts: dict[str, str] = {}
    for name, value in fields.items():
        lower = _MADE_OF_IT.split(name, maxsplit=1)[0].strip().lower()
        if lower in Peek.__struct_fields__:
            if lower in texts or lower != name.lower() or not isinstance(value, str):
                raise GatewayError("invalid_request", f"{lower}: expected it once", lower)
            texts[lower] = value
    check_model(texts.get("model"))
    n, stream = texts.get("n"), texts.get("stream", "")
    if n is not None and _DIGITS.fullmatch(n) is None:
        raise n_error(n)
    return Peek(
        model=texts.get("model"),
        n=None if n is None else int(n),
        stream=(len(stream) == len(_TRUE) and stream.lower() == _TRUE) or None,
    )

"""An upstream's body, read: its encoding taken off, its JSON object, the code and the message.

Nothing is decided here, and nothing is ever raised: backends write what they like.
"""

import codecs
import json
import re
from typing import Any

import msgspec

from services.gateway.dialects.credentials import cut_begun_secret
from services.gateway.domain.answers.expanding import (
    PLAIN_ENCODINGS,
    Expansion,
    UnexpandableError,
    is_readable,
)

JUDGED_BYTES_MAX = 64 * 1024
"""Of longer bodies only this much is read, and of that an envelope at its very start."""
NOT_ASKED_FOR = "an answer in an encoding that was not asked for"
_CODE = re.compile(r"-?[0-9]{1,18}")
_CODE_LIMIT = 10**18
_NUMBER_OF_A_KIND = re.compile(r"[-+.\s]*\d")
_ENVELOPE = re.compile(
    rb'(?:\xef\xbb\xbf)?\s{0,100}\{\s{0,100}"code"\s{0,9}:\s{0,9}"?(-?[0-9]{1,18})"?\s{0,9},'
    rb'\s{0,100}"(?:message|msg|errmsg)"\s{0,9}:\s{0,9}"'
    rb'((?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){0,1000})(")?'
)
_RESULT = re.compile(rb'"(?:url|b64_json)"\s{0,9}:\s{0,9}"[^"]')


class Said(msgspec.Struct, frozen=True):
    """What is read of a JSON object; whatever it says may be of any type."""

    code: Any = None
    message: Any = None
    msg: Any = None
    errmsg: Any = None
    error: Any = None
    data: Any = None
    choices: Any = None


class Unreadable(msgspec.Struct, frozen=True):
    """Why a body is none that can be read, as the log tells it."""

    reason: str


_decoder = msgspec.json.Decoder(Said)


def read_envelope(encoding: str, body: bytes, *, by_url: bool = False) -> Said | Unreadable | None:
    """Decode a body: its object, None for what is not read, or why it is none.

    `by_url`: what is JSON, but no object, is a reason too.
    """
    plain = expand_body(encoding, body)
    if not isinstance(plain, bytes):
        return plain
    try:
        return _decoder.decode(plain)
    except msgspec.ValidationError:
        if plain.lstrip()[:1] == b"{":  # a number that it finds too great
            return _read_leniently(plain)
        return Unreadable("an answer that is no JSON object") if by_url else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(plain)


def _read_leniently(body: bytes) -> Said | Unreadable:
    """Read what Node writes and the strict reader refuses, such as half of an emoji."""
    try:
        document = json.loads(body.decode("utf-8", "replace"), parse_int=_whole_number)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Unreadable("an answer that is not valid JSON")
    return Said(**{name: document.get(name) for name in Said.__struct_fields__})


def _whole_number(digits: str) -> int | str:
    """Read a number; one of thousands of digits, which Python refuses to read, stays text."""
    return int(digits) if _CODE.fullmatch(digits) else digits


def envelope_of(encoding: str, begun: bytes, secrets: tuple[bytes, ...] = ()) -> bytes | None:
    """Find the code and message at the start of a body too long to be read; None: it has none.

    A message may repeat a picture that the client gave, whole. Where it is cut, nothing is left of
    a secret that begins there: nobody who looks for the whole of it would find it.
    """
    match = _ENVELOPE.match(_expand_begun(encoding, begun))
    if match is None:
        return None
    code, said, end = match.groups()
    message = json.loads(f'"{said.decode("utf-8", "replace")}"', strict=False)
    if end is None:
        message = cut_begun_secret(message, secrets)
    return json.dumps({"code": int(code), "message": message}).encode()


def tells_results(encoding: str, begun: bytes) -> bool:
    """Whether the start of an answer too long to be read has a result: an address, or bytes."""
    return _RESULT.search(_expand_begun(encoding, begun)) is not None


def _expand_begun(encoding: str, begun: bytes) -> bytes:
    """Take the encoding off the start of a body; empty when it cannot be."""
    if encoding in PLAIN_ENCODINGS or not is_readable(encoding):
        return begun
    try:
        return _expand_within(Expansion(encoding), begun, JUDGED_BYTES_MAX)[:JUDGED_BYTES_MAX]
    except UnexpandableError:
        return b""


def _expand_within(expansion: Expansion, body: bytes, bytes_max: int) -> bytes:
    """Take an encoding off, until it is more than so many bytes."""
    pieces: list[bytes] = []
    size = 0
    for piece in expansion.expand_chunk(body):
        pieces.append(piece)
        size += len(piece)
        if size > bytes_max:
            break  # a few kilobytes can become gigabytes
    return b"".join(pieces)


def expand_body(
    encoding: str, body: bytes, bytes_max: int = JUDGED_BYTES_MAX
) -> bytes | Unreadable | None:
    """Take an encoding off, and a byte order mark, which JSON readers may ignore (RFC 8259 §8.1).

    Returns the body, None when it becomes over `bytes_max`, or why it is none: whoever answers in
    an encoding that nobody asked for, and that cannot be read here, may have said anything.
    """
    if encoding in PLAIN_ENCODINGS:
        return body.removeprefix(codecs.BOM_UTF8)
    if not is_readable(encoding):
        return Unreadable(NOT_ASKED_FOR)
    expansion = Expansion(encoding)
    try:
        plain = _expand_within(expansion, body, bytes_max)
        if len(plain) > bytes_max:
            return None
        expansion.finish()
    except UnexpandableError:
        return Unreadable("an answer that does not decompress")
    return plain.removeprefix(codecs.BOM_UTF8)


def code_of(said: Said) -> int | None:
    """Read a code that says something: 0, absence and what is longer than any code say nothing."""
    value = said.code
    written = isinstance(value, str) and _CODE.fullmatch(value.strip())
    if written or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    # `true` is no code, though Python takes it for a whole number.
    return value if type(value) is int and 0 < abs(value) < _CODE_LIMIT else None


def unreadable_code(said: Said) -> bool:
    """Tell whether there is a number in the code's place that is none anybody could have meant.

    To be asked of one in which `code_of` finds nothing.
    Such as `--5`, `1e400`, or one of thousands of digits: a failure nobody knows. A word may be a
    success's own (`"SUCCESS"`), and an object is no code.
    """
    value = said.code
    if isinstance(value, str):
        return _NUMBER_OF_A_KIND.match(value) is not None and value.strip("-+. 0") != ""
    return type(value) in {int, float} and value != 0


def message_of(said: Said) -> str:
    """Find the message, in any of the places where backends put it; empty when there is none."""
    nested = said.error.get("message") if isinstance(said.error, dict) else said.error
    for value in (said.message, said.msg, said.errmsg, nested):
        if isinstance(value, str) and value:
            return value.encode("utf-8", "replace").decode()  # half an emoji cannot be logged
    return ""

"""A client's whole body as what it asks: the members of a JSON object, or the fields of a form.

Only read where a server's dialect has to know (`dialects`). A form is read by `multipart`, strictly
and by its boundary; its files stay in the body, named by where they are.
"""

import re
from binascii import a2b_qp
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Content, Upload
from services.gateway.dialects.forms import MENDED_BYTES_MAX, mend_surrogates
from services.gateway.dialects.words import Asked, Fields, File, Span
from services.gateway.domain import check_model
from services.gateway.domain.errors import GatewayError

JSON = "application/json"
FORM = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
_TEXT_BYTES_MAX = 1_000_000
_PARTS_MAX = 200
_CHUNK_BYTES = 256 * 1024
PIECE_BYTES = 1_000_000
"""So much of a body is looked at in one go: nothing else runs meanwhile, whatever the thread."""
_COMMAS_MAX = 100_000
"""More items than so many are no generation's, and take a second and a gigabyte to read."""
_FIELDS_MAX = 200
_FIELD_NAME_MAX = 200
_LONE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
"""It stands for itself to one reader, and for the next the whole text stays as it was sent."""
_CHARSET = re.compile(r';\s*charset\s*=\s*"?(?!utf-?8\b|us-ascii\b)', re.IGNORECASE)
_DISPOSITION = re.compile(
    r'form-data\s*;\s*name=(?:"(?:[^"\\]|\\.)*"|[^\s";,]+)'
    r'(?:\s*;\s*filename\*?=(?:"(?:[^"\\]|\\.)*"|[^\s";]*)){0,2}\s*',
    re.IGNORECASE,
)
"""One name, then a file's: whatever else stands there, readers differ about."""
_AS_IT_IS = frozenset({"", "7bit", "8bit", "binary"})
_UNSUPPORTED = 415

_json_decoder = msgspec.json.Decoder(dict[str, Any])


async def read_asked(request: Request, upload: Upload) -> Asked:
    """Take the whole body and read it. Raises `GatewayError` for what cannot be read."""
    kind = kind_of(request)
    content = await upload.take_whole()
    return await upload.run_apart(
        partial(_parse_asked, request, content, kind, upload.bounds.json_max)
    )


def _parse_asked(request: Request, content: Content, kind: str, json_max: int) -> Asked:
    """Read a whole body, and check what any may say. Raises `GatewayError`."""
    asked = _read_fields(request, content, kind, json_max)
    check_model(asked.fields.get("model"))
    return asked


def _read_fields(request: Request, content: Content, kind: str, json_max: int) -> Asked:
    """Read the fields of a whole body, and a form's files. Raises `GatewayError`."""
    if kind == FORM:
        fields, files = _read_form(content, request.content_type)
        check_names(fields)
        return Asked(request.path, request.request_id, fields, files, is_form=True)
    if kind == URLENCODED:
        fields = _read_urlencoded(content)
        check_names(fields)
        return Asked(request.path, request.request_id, fields, is_form=True)
    if len(content) > json_max:
        raise body_too_large(json_max)
    check_items(content)
    try:
        fields = _json_decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise wrong_body(f"the body is no JSON object: {error}") from None
    check_names(fields)
    alike = not any(map(mend_surrogates, pieces_of(content, MENDED_BYTES_MAX - 1)))
    return Asked(request.path, request.request_id, fields, read_alike=alike)


def check_names(fields: Fields) -> None:
    """Raises `GatewayError` for more fields, or longer names, than any generation has."""
    if len(fields) > _FIELDS_MAX:
        raise wrong_body(f"body: expected at most {_FIELDS_MAX} fields, got {len(fields)}")
    for name in fields:
        if len(name) > _FIELD_NAME_MAX:
            raise wrong_body(
                f"{name[:40]}…: expected names of at most {_FIELD_NAME_MAX} characters"
            )


def kind_of(request: Request) -> str:
    """Find out how a body has to be read: JSON (which it is where nothing is said) or a form.

    Raises `GatewayError` for any other, and for a body in an encoding or of two kinds.
    """
    names = [name for name, _ in request.headers]
    if names.count(b"content-type") > 1:
        raise wrong_body("Content-Type: expected it once")
    if b"content-encoding" in names:
        raise _unsupported_type("Content-Encoding: expected none, for the body has to be read here")
    kind = request.content_type.partition(";")[0].strip().lower()
    if kind and kind not in {JSON, FORM, URLENCODED} and not kind.endswith("+json"):
        raise _unsupported_type(f"Content-Type: expected JSON or a form, got {kind[:100]}")
    if _CHARSET.search(request.content_type):
        raise _unsupported_type("Content-Type: expected the charset utf-8, or none")
    return kind if kind in {FORM, URLENCODED} else JSON


def texts_of(content: Content, kind: str, content_type: str) -> Fields:
    """Read the texts of a form; files have none. Raises `GatewayError`."""
    if kind == URLENCODED:
        return _read_urlencoded(content)
    fields, files = _read_form(content, content_type)
    for file in files:  # under its name stands no text; whoever takes it for one reads another
        fields[file.name.removesuffix("[]")] = []
    return fields


def pieces_of(content: Content, overlap: int = 0) -> Iterator[bytes]:
    """Take a body apart; each piece has so many bytes of the next one at its end."""
    for start in range(0, len(content), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES + overlap]


def check_items(content: Content) -> None:
    """Raises `GatewayError` for JSON of more items than any generation has."""
    if sum(piece.count(b",") for piece in pieces_of(content)) > _COMMAS_MAX:
        raise wrong_body(f"the JSON body holds more than {_COMMAS_MAX:,} commas: expected fields")


def _read_urlencoded(content: Content) -> Fields:
    """Read what a form of texts alone is sent as (by httpx, where there are no files)."""
    if len(content) > _TEXT_BYTES_MAX:
        raise wrong_body(f"the form's texts are longer than {_TEXT_BYTES_MAX:,} bytes")
    raw = bytes(content)
    for sign, escape, stands in ((";", "%3B", b";" in raw), ("%", "%25", _LONE.search(raw))):
        if stands:  # older readers take a semicolon for `&`
            message = f"expected `{escape}` for `{sign}` in the texts of a form"
            raise wrong_body(f"the body is no form that all read alike: {message}")
    if raw.count(b"&") >= _PARTS_MAX:
        raise wrong_body(f"the body is no form: it has more than {_PARTS_MAX} fields")
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            raise wrong_body(f"the body is no form: {error}") from None
    fields: Fields = {}
    for pair in filter(None, raw.split(b"&")):
        name, _, value = pair.partition(b"=")
        _put_field(fields, _unescape(name), _unescape(value))
    return fields


def _unescape(raw: bytes) -> str:
    """Take the escapes off, none of them broken, in one go of C however many there are.

    Those of quoted-printable (RFC 2045 §6.7) are the same but for the sign.
    """
    raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        raw = a2b_qp(raw.replace(b"=", b"%3D").replace(b"%", b"="))
    return raw.decode("utf-8", "replace")


def _put_field(fields: Fields, named: str, text: str) -> None:
    """Add a text; a name that stands twice is a list."""
    name = named.removesuffix("[]")
    before = fields.get(name)
    if before is None:
        fields[name] = text
    else:
        fields[name] = [*before, text] if isinstance(before, list) else [before, text]


def _read_form(content: Content, content_type: str) -> tuple[Fields, tuple[File, ...]]:
    """Read the texts and files of a form that all readers read alike."""
    boundary = _boundary_of(content_type)
    fields: Fields = {}
    files = []
    texts = 0
    for segment, span in _form_parts(content, boundary):
        disposition = segment.header("Content-Disposition", "")
        encoding = segment.header("Content-Transfer-Encoding", "")
        names = [name.lower() for name, _ in segment.headerlist]
        if len(names) > len(set(names)):
            raise wrong_body(f"the body is no form that all read alike: part {segment.name[:40]!r}")
        if not _DISPOSITION.fullmatch(disposition) or encoding.lower() not in _AS_IT_IS:
            raise wrong_body(f"the body is no form that all read alike: part {segment.name[:40]!r}")
        if segment.filename is not None:
            kind = segment.content_type or ""
            files.append(File(segment.name, segment.filename, kind, span))
            continue
        texts += span.length
        if texts > _TEXT_BYTES_MAX:
            raise wrong_body(f"the form's texts are longer than {_TEXT_BYTES_MAX:,} bytes")
        text = bytes(content[span.start : span.start + span.length]).decode("utf-8", "replace")
        _put_field(fields, segment.name, text)
    return fields, tuple(files)


def _boundary_of(content_type: str) -> bytes:
    if content_type.lower().count("boundary") > 1:
        raise wrong_body("Content-Type: expected one boundary, for readers differ which one counts")
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "boundary" and value.strip('"'):
            return value.strip('"').encode("latin-1")
    raise wrong_body("Content-Type: expected a boundary")


def _form_parts(content: Content, boundary: bytes) -> Iterator[tuple[MultipartSegment, Span]]:
    """Walk the parts; where each one's content is follows from how long `multipart` found it."""
    if bytes(content[: len(boundary) + 2]) != b"--" + boundary:
        raise wrong_body("the body is no form: it does not begin with its boundary")
    parser = PushMultipartParser(boundary, max_segment_count=_PARTS_MAX, strict=True)
    try:
        with parser:
            place, segment = len(boundary) + 4, None  # behind `--boundary` and its line break
            for start in range(0, len(content), _CHUNK_BYTES):
                for event in parser.parse(bytes(content[start : start + _CHUNK_BYTES])):
                    if isinstance(event, MultipartSegment):
                        segment = event
                        place = content.find(b"\r\n\r\n", place) + 4
                    elif event is None and segment is not None:
                        yield segment, Span(place, segment.size)
                        place += segment.size + len(boundary) + 6
                if parser.closed:
                    break
        if content[place : place + 3] not in (b"", b"\r\n"):
            raise wrong_body("the body is no form: there is more behind its end")
    except MultipartError as error:
        raise wrong_body(f"the body is no form: {error}") from None


def wrong_body(message: str) -> GatewayError:
    """Word what is wrong with a body."""
    return GatewayError("invalid_request", message)


def body_too_large(bytes_max: int) -> GatewayError:
    """Word a JSON body over its limit."""
    message = f"the JSON body is larger than {bytes_max:,} bytes"
    return GatewayError("request_too_large", message)


def _unsupported_type(message: str) -> GatewayError:
    return GatewayError("invalid_request", message, status=_UNSUPPORTED)

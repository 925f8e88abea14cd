"""A client's whole body as what it asks: the members of a JSON object, or the fields of a form.

Only read where a server's dialect has to know (`dialects`). A form is read by `multipart`, strictly
and by its boundary; its files stay in the body, named by where they are.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Content, Upload
from services.gateway.dialects.words import Asked, Fields, File, Span
from services.gateway.domain.errors import GatewayError

_URLENCODED = "application/x-www-form-urlencoded"
_JSON_BYTES_MAX = 32_000_000
_TEXT_BYTES_MAX = 1_000_000
_PARTS_MAX = 200
_CHUNK_BYTES = 256 * 1024
_COMMAS_MAX = 100_000
"""More items than so many are no generation's, and take a second and a gigabyte to read."""

_json = msgspec.json.Decoder(dict[str, Any])


async def asked_of(request: Request, upload: Upload) -> Asked:
    """Take the whole body and read it. Raises `GatewayError` for what cannot be read."""
    kind = request.content_type.partition(";")[0].strip().lower()
    is_form = kind in {"multipart/form-data", _URLENCODED}
    if not is_form and kind and kind != "application/json" and not kind.endswith("+json"):
        raise _wrong(f"Content-Type: expected JSON or a form, got {kind}")
    if any(name == b"content-encoding" for name, _ in request.headers):
        raise _wrong("Content-Encoding: expected none, for the servers here need the body read")
    content = await upload.whole()
    if is_form:
        texts = kind == _URLENCODED
        fields, files = (
            (_urlencoded(content), ()) if texts else _form(content, request.content_type)
        )
        return Asked(request.path, request.request_id, fields, files, is_form=True)
    if len(content) > _JSON_BYTES_MAX:
        message = f"the JSON body is larger than {_JSON_BYTES_MAX:,} bytes"
        raise GatewayError("request_too_large", message)
    if content[:].count(b",") > _COMMAS_MAX:
        raise _wrong(f"the JSON body holds more than {_COMMAS_MAX:,} commas: expected fields")
    try:
        return Asked(request.path, request.request_id, _json.decode(content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(f"the body is no JSON object: {error}") from None


def _urlencoded(content: Content) -> Fields:
    """Read what a form of texts alone is sent as (by httpx, where there are no files)."""
    if len(content) > _TEXT_BYTES_MAX:
        raise _wrong(f"the form's texts are longer than {_TEXT_BYTES_MAX:,} bytes")
    try:
        text = bytes(content).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_PARTS_MAX)
    except ValueError as error:
        raise _wrong(f"the body is no form: {error}") from None
    fields: Fields = {}
    for name, value in pairs:
        _put(fields, name, value)
    return fields


def _put(fields: Fields, named: str, text: str) -> None:
    """Add a text; a name that stands twice is a list."""
    name = named.removesuffix("[]")
    before = fields.get(name)
    if before is None:
        fields[name] = text
    else:
        fields[name] = [*before, text] if isinstance(before, list) else [before, text]


def _form(content: Content, content_type: str) -> tuple[Fields, tuple[File, ...]]:
    boundary = _boundary(content_type)
    fields: Fields = {}
    files = []
    texts = 0
    for segment, span in _parts(content, boundary):
        if segment.filename is not None:
            kind = segment.content_type or ""
            files.append(File(segment.name, segment.filename, kind, span))
            continue
        texts += span.length
        if texts > _TEXT_BYTES_MAX:
            raise _wrong(f"the form's texts are longer than {_TEXT_BYTES_MAX:,} bytes")
        text = bytes(content[span.start : span.start + span.length]).decode("utf-8", "replace")
        _put(fields, segment.name, text)
    return fields, tuple(files)


def _boundary(content_type: str) -> bytes:
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "boundary" and value.strip('"'):
            return value.strip('"').encode("latin-1")
    raise _wrong("Content-Type: expected a boundary")


def _parts(content: Content, boundary: bytes) -> Iterator[tuple[MultipartSegment, Span]]:
    """Walk the parts; where each one's content is follows from how long `multipart` found it."""
    if bytes(content[: len(boundary) + 2]) != b"--" + boundary:
        raise _wrong("the body is no form: it does not begin with its boundary")
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
    except MultipartError as error:
        raise _wrong(f"the body is no form: {error}") from None


def _wrong(message: str) -> GatewayError:
    return GatewayError("invalid_request", message)

"""The whole body, read where a dialect has to know it: in memory, or in a file of its own."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.gateway.clients.reading import PIECE_BYTES, read_asked
from services.gateway.clients.request import Request
from services.gateway.clients.spool import Spool
from services.gateway.clients.uploads import KEPT_BYTES_MAX, Bounds, Upload
from services.gateway.dialects.forms import encode_json
from services.gateway.dialects.words import Asked
from services.gateway.domain.errors import GatewayError
from tests.waiting import settle

pytestmark = pytest.mark.anyio

SPOOL = Spool(Path(tempfile.gettempdir()), "", 1_000_000_000)


def sent(body: bytes, content_type: str, **headers: str) -> tuple[Request, Upload]:
    """A request whose body comes in pieces of 100 KB."""
    pieces = [body[start : start + 100_000] for start in range(0, len(body), 100_000)] or [b""]
    waiting: Iterator[bytes] = iter(pieces)
    left = len(pieces)

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(waiting), "more_body": left > 0}

    named = {"content-type": content_type, **headers}
    scope = {
        "method": "POST",
        "path": "/v1/images/edits",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
    return Request(scope), Upload(receive, None, Bounds(100_000_000, 32_000_000, SPOOL))


def form(parts: list[tuple[str, Any]], data: dict[str, Any] | None = None) -> tuple[bytes, str]:
    """A form as a client of the trade writes it."""
    made = httpx.Request("POST", "http://t", data=data or {}, files=parts)
    return made.read(), made.headers["content-type"]


async def read_request(body: bytes, content_type: str, **headers: str) -> tuple[Asked, Upload]:
    request, upload = sent(body, content_type, **headers)
    await upload.fill_memory()
    try:
        return await read_asked(request, upload), upload
    except GatewayError:
        upload.close()
        raise


async def whole_body(body: bytes | AsyncIterator[bytes]) -> bytes:
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body])


@pytest.mark.parametrize("length", [10, 3_000_000])
async def test_json_is_read_and_can_be_sent_as_often_as_one_likes(length: int) -> None:
    body = json.dumps({"prompt": "p", "images": ["x" * length], "n": 2}).encode()

    asked, upload = await read_request(body, "application/json; charset=utf-8")

    assert asked.fields["n"] == 2
    assert (asked.files, asked.is_form) == ((), False)
    assert upload.is_replayable
    assert await whole_body(upload.as_body()) == await whole_body(upload.as_body()) == body
    assert upload.taken == len(body)
    upload.close()


async def test_a_body_of_which_only_the_end_is_outstanding_can_be_sent_again() -> None:
    body, ended = b"x" * KEPT_BYTES_MAX, asyncio.Event()

    async def receive() -> dict[str, Any]:
        if upload.taken < len(body):
            return {"type": "http.request", "body": body, "more_body": True}
        await ended.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    upload = Upload(receive, None, Bounds(100_000_000, 32_000_000, SPOOL))
    await upload.fill_memory()
    first = asyncio.ensure_future(whole_body(upload.as_body()))
    await settle()

    assert upload.is_replayable

    first.cancel()
    ended.set()
    assert await whole_body(upload.as_body()) == await whole_body(upload.as_body()) == body


@pytest.mark.parametrize("length", [5, 2_500_000])
async def test_files_of_a_form_are_found_where_they_are(length: int) -> None:
    picture, mask = b"\r\n--" + b"p" * length, b"\x00mask\r\n\r\n"
    body, kind = form(
        [
            ("image[]", ("a.png", picture, "image/png")),
            ("image[]", ("b.png", b"", "image/png")),
            ("mask", ("m.png", mask, "image/png")),
        ],
        {"prompt": "a gate", "n": "2", "tags[]": ["x", "y"]},
    )

    asked, upload = await read_request(body, kind)

    assert asked.fields == {"prompt": "a gate", "n": "2", "tags": ["x", "y"]}
    assert [(file.name, file.filename, file.content_type) for file in asked.files] == [
        ("image[]", "a.png", "image/png"),
        ("image[]", "b.png", "image/png"),
        ("mask", "m.png", "image/png"),
    ]
    contents = [await whole_body(upload.as_body((file.content,))) for file in asked.files]
    assert contents == [picture, b"", mask]
    assert await whole_body(upload.as_body((b"head", asked.files[2].content))) == b"head" + mask
    upload.close()


async def test_form_of_texts_alone_is_read_as_any_other() -> None:
    body, kind = form([], {"prompt": "a gate & more", "n": "2", "tags[]": ["x", "y"], "note": ""})

    assert kind == "application/x-www-form-urlencoded"

    asked, _ = await read_request(body, kind)

    assert asked.fields == {"prompt": "a gate & more", "n": "2", "tags": ["x", "y"], "note": ""}
    assert (asked.files, asked.is_form) == ((), True)


GOOD = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\np\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "expected"),
    [
        (b"{", "application/json", {}, "JSON"),
        (b"[1]", "application/json", {}, "JSON"),
        (b"\xff", "application/json", {}, "JSON"),
        (b"a=1&" * 201, "application/x-www-form-urlencoded", {}, "form"),
        (b"a=" + b"x" * 1_000_001, "application/x-www-form-urlencoded", {}, "longer than"),
        (b"a=\xff", "application/x-www-form-urlencoded", {}, "form"),
        (b"{}", "text/plain", {}, "Content-Type"),
        (b"x", "application/json", {"content-encoding": "gzip"}, "Content-Encoding"),
        (GOOD, "multipart/form-data", {}, "boundary"),
        (GOOD, "multipart/form-data; boundary=c", {}, "no form"),
        (GOOD[:-8], "multipart/form-data; boundary=b", {}, "no form"),
        (b"preamble\r\n" + GOOD, "multipart/form-data; boundary=b", {}, "no form"),
        (b"", "multipart/form-data; boundary=b", {}, "no form"),
        (
            b"--b\r\nContent-Disposition: form-data\r\n\r\np\r\n--b--\r\n",
            "multipart/form-data; boundary=b",
            {},
            "no form",
        ),
    ],
)
async def test_what_cannot_be_read_for_sure_is_refused(
    body: bytes, content_type: str, headers: dict[str, str], expected: str
) -> None:
    with pytest.raises(GatewayError) as refused:
        await read_request(body, content_type, **headers)

    assert refused.value.code == "invalid_request"
    assert expected in refused.value.message


async def test_json_without_end_and_forms_of_texts_without_end_are_refused() -> None:
    long = json.dumps({"prompt": "x" * 33_000_000}).encode()

    with pytest.raises(GatewayError) as refused:
        await read_request(long, "application/json")
    assert refused.value.code == "request_too_large"

    body, kind = form([("image", ("a.png", b"p"))], {"prompt": "x" * 1_100_000})
    with pytest.raises(GatewayError):
        await read_request(body, kind)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; xboundary=A; boundary=B",
        'multipart/form-data; x="boundary=A"; boundary=B',
        "multipart/form-data; boundary=A; boundary=B",
    ],
)
async def test_boundary_that_readers_differ_about_is_refused(content_type: str) -> None:
    with pytest.raises(GatewayError, match="one boundary"):
        await read_request(b"--B\r\n", content_type)


async def test_more_fields_and_longer_names_than_any_generation_has_are_refused() -> None:
    many = json.dumps({f"f{number}": 1 for number in range(201)}).encode()
    long = json.dumps({"aB" * 1_000_000: 1}).encode()

    with pytest.raises(GatewayError, match="at most 200 fields"):
        await read_request(many, "application/json")
    with pytest.raises(GatewayError, match="names of at most 200"):
        await read_request(long, "application/json")


@pytest.mark.parametrize(
    ("text", "alike"), [("a\ufeff", False), ("a\u2003b", False), ("a\u00a0", False), ("é…", True)]
)
async def test_what_some_backends_would_take_out_of_a_body_is_noted(
    text: str,
    alike: bool,  # noqa: FBT001
) -> None:
    body = json.dumps({"prompt": text}, ensure_ascii=False).encode()

    found, _ = await read_request(body, "application/json")

    assert found.read_alike is alike


@pytest.mark.parametrize("mark", ["\u00a0", "\u2003", "\ufeff"])
@pytest.mark.parametrize("at", range(PIECE_BYTES - 5, PIECE_BYTES + 3))
async def test_what_some_backends_would_take_out_is_noted_and_escaped_at_any_place(
    at: int, mark: str
) -> None:
    head = '{"prompt":"'
    prompt = "x" * (at - len(head)) + mark + "积" * 400_000
    body = f'{head}{prompt}"}}'.encode()

    found, upload = await read_request(body, "application/json")
    upload.close()

    assert not found.read_alike
    escaped = f"{prompt.partition(mark)[0]}\\u{ord(mark):04x}{prompt.partition(mark)[2]}"
    assert encode_json(found.fields) == f'{head}{escaped}"}}'.encode()


async def test_nobody_waits_for_the_reading_of_a_long_body() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    meanwhile = asyncio.create_task(others())
    _, upload = await read_request(
        json.dumps({"prompt": "x" * 2_000_000}).encode(), "application/json"
    )
    upload.close()

    assert turns > 0

    meanwhile.cancel()

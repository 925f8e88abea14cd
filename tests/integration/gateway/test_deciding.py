"""Where the body decides, whatever reads it reads the same, or it is refused before any lease."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.clients import deciding
from services.gateway.clients.deciding import read_decision
from services.gateway.clients.reading import PIECE_BYTES, texts_of
from services.gateway.clients.request import Request
from services.gateway.clients.spool import Spool
from services.gateway.clients.uploads import Bounds, Upload
from services.gateway.domain import Peek
from services.gateway.domain.errors import GatewayError

pytestmark = pytest.mark.anyio

JSON = "application/json"
FORM = "multipart/form-data; boundary=b"
TEXTS = "application/x-www-form-urlencoded"
SPOOL = Spool(Path(tempfile.gettempdir()), "", 1_000_000_000)


async def peeked(
    body: bytes, *kinds: str, spool: Spool = SPOOL, json_max: int = 32_000_000, **headers: str
) -> Peek:
    """What a request says, whose body comes in pieces of 100 KB."""
    pieces = [body[start : start + 100_000] for start in range(0, len(body), 100_000)] or [b""]
    waiting: Iterator[bytes] = iter(pieces)
    left = len(pieces)

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(waiting), "more_body": left > 0}

    named = [(b"content-type", kind.encode()) for kind in kinds]
    named += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": named,
    }
    upload = Upload(receive, None, Bounds(100_000_000, json_max, spool))
    await upload.fill_memory()
    try:
        return await read_decision(Request(scope), upload)
    finally:
        upload.close()


def part(head: str, text: str = "a-video") -> bytes:
    return f"--b\r\n{head}\r\n\r\n{text}\r\n".encode()


def field_named(name: str) -> str:
    return f'Content-Disposition: form-data; name="{name}"'


END = b"--b--\r\n"
EDGES = range(PIECE_BYTES - 12, PIECE_BYTES + 3)
LONG = b"x" * 1_200_000


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (b'{"model":"m","n":2,"stream":true}', "m"),
        (b'{"messages":[{"content":"' + LONG + b'"}],"model":"m","n":2,"stream":true}', "m"),
        (b'{"x":{"model":"other"},"model":"m","n":2,"stream":true}', "m"),
        (b'{"mod\\u0065l":"m","n":2,"stream":true}', "m"),
        (b'{"Model":"m","N":2,"STREAM":true}', "m"),
        (b'{"prompt":"say \\"model\\": \\u00e9","model":"m","n":2,"stream":true}', "m"),
        (b'{"model":"\\u006d","n":2,"stream":true}', "m"),
        (b'{"prompt":"a\\nb \\u4e2d","model":"m","n":2,"stream":true}', "m"),
        (b'{"n":2,"stream":true}', None),
        (b'{"x":{"model":"other"},"n":2,"stream":true}', None),
    ],
)
async def test_json_says_what_any_reader_finds_in_it(body: bytes, model: str | None) -> None:
    assert await peeked(body, JSON) == Peek(model, 2, True)
    assert json.loads(body) is not None


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a-picture","model":"a-video"}',
        b'{"model":"a-picture","Model":"a-video"}',
        b'{"model":"a-picture","mod\\u0065l":"a-video"}',
        b'{"n":1,"N":9}',
        b'{"stream":false,"stream":true}',
        b'{"model":NaN,"Model":1}',
        b'{"model":5}',
        b'{"Model":5}',
        b'{"n":1.5}',
        b'["model"]',
        b"5",
        b"",
        b'{"model":"m"',
        b'\xef\xbb\xbf{"model":"m"}',
        '{"model":"m"}'.encode("utf-16"),
        b'{"model":"m","Model":' + b"[" * 100_000,
        b'{"model":"m","Model":[' + b"1," * 100_001 + b"1]}",
    ],
)
async def test_json_that_is_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(GatewayError) as refused:
        await peeked(body, JSON)

    assert refused.value.code == "invalid_request"
    assert refused.value.http_status == 400


@pytest.mark.parametrize(
    ("kinds", "headers", "status"),
    [
        (("text/plain",), {}, 415),
        (("application/octet-stream",), {}, 415),
        (("application/json; charset=utf-16",), {}, 415),
        ((f"{TEXTS}; charset=utf-16",), {}, 415),
        ((f"{FORM}; charset=utf-16",), {}, 415),
        ((JSON,), {"content_encoding": "gzip"}, 415),
        ((JSON,), {"content_encoding": "identity"}, 415),
        ((JSON, "text/plain"), {}, 400),
        ((JSON, FORM), {}, 400),
    ],
)
async def test_body_of_another_kind_or_encoding_is_refused(
    kinds: tuple[str, ...], headers: dict[str, str], status: int
) -> None:
    with pytest.raises(GatewayError) as refused:
        await peeked(b'{"model":"m"}', *kinds, **headers)

    assert refused.value.http_status == status


@pytest.mark.parametrize("kind", [JSON, "application/json; charset=UTF-8", "application/x+json"])
async def test_json_is_json_by_other_names(kind: str) -> None:
    assert (await peeked(b'{"model":"m"}', kind)).model == "m"
    assert (await peeked(b'{"model":"m"}')).model == "m"


@pytest.mark.parametrize(
    "body",
    [
        part(field_named("model")) + END,
        part('Content-Disposition: form-data; name="prompt"', "x")
        + part(field_named("model"))
        + END,
        part('content-disposition:form-data;name="model"') + END,
        part("Content-Disposition: form-data; name=model") + END,
        part(field_named("model") + "\r\nContent-Type: text/plain; charset=utf-8") + END,
        part(field_named("prompt"), 'Content-Disposition: form-data; name="model"\r\n\r\nb')
        + part(field_named("model"))
        + END,
        part('Content-Disposition: form-data; name="image"; filename="a.png"', "x" * 1_200_000)
        + part(field_named("model"))
        + END,
        part(field_named("MODEL")) + END,
    ],
)
async def test_form_says_its_model_wherever_it_stands(body: bytes) -> None:
    assert (await peeked(body, FORM)).model == "a-video"


@pytest.mark.parametrize(
    "body",
    [
        part(field_named("model"), "a") + part(field_named("model")) + END,
        part(field_named("model"), "a") + part(field_named("Model")) + END,
        part(field_named("model"), "a") + part(field_named("model[]")) + END,
        part('Content-Disposition: form-data; name="x"; name="model"') + END,
        part('Content-Disposition: form-data;\r\n name="model"') + END,
        part('Content-Disposition: form-data; name="mo\r\n del"') + END,
        part(field_named("model") + "\r\nContent-Transfer-Encoding: base64", "YQ==") + END,
        part('Content-Disposition: form-data; name="model"; filename="m.txt"') + END,
        part('Content-Disposition: form-data; filename="m"') + END,
        part("X-Long: " + "x" * 5000 + "\r\n" + field_named("model")) + END,
        part(field_named("prompt"), "x") + END + part(field_named("model")) + END,
        b"preamble\r\n" + part(field_named("model")) + END,
        part(field_named("model")),
        part(field_named("n"), "many") + END,
        part(field_named("n"), "9" * 30) + END,
        # A part with a filename is a text to readers that go by its Content-Type.
        part(field_named("model") + "\r\nContent-Type: text/plain", "a")
        + part(field_named("model") + '; filename="x"')
        + END,
        part(field_named("model") + '; filename="x"') + part(field_named("model"), "a") + END,
        part(field_named("model[]") + '; filename="x"') + part(field_named("model"), "a") + END,
        part(field_named("model[0]")) + END,
        part(field_named(" Model ")) + END,
        part(
            field_named("model")
            + "\r\nContent-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64"
        )
        + END,
    ],
)
async def test_form_that_is_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(GatewayError) as refused:
        await peeked(body, FORM)

    assert refused.value.http_status == 400


@pytest.mark.parametrize(
    "n", ["many", "٣", "1e3", "+1", " ", "0x10", "-1", "9" * 4000, "3\x1f", "\x1c3", "3\x85", "3 4"]
)
async def test_items_of_a_form_are_written_in_plain_digits(n: str) -> None:
    with pytest.raises(GatewayError, match="n: expected a whole number from 1 to 10,000") as told:
        await peeked(part(field_named("n"), n) + END, FORM)

    assert told.value.param == "n"
    assert len(told.value.message) < 120


async def test_texts_as_httpx_sends_them_say_it_too() -> None:
    assert await peeked(b"model=m&n=2&stream=true", TEXTS) == Peek("m", 2, True)
    with pytest.raises(GatewayError, match="once"):
        await peeked(b"model=m&model=v", TEXTS)
    with pytest.raises(GatewayError, match="once"):
        await peeked(b"model=m&mod%65l=v", TEXTS)
    for body in (b"model%5B0%5D=v", b"model%00=v"):
        with pytest.raises(GatewayError):
            await peeked(body, TEXTS)
    assert (await peeked(b"prompt=a%3Bmodel=v&n=+2%0a", TEXTS)) == Peek(None, 2)


@pytest.mark.parametrize(
    "body",
    [
        b"prompt=x;model=v",
        b"model=a;%6e=9",
        b"model=a&prompt=x;%6E=9",
        b"model=a&prompt=x;+n=9",
        b"model=a&prompt=x;%0an=9",
        b"model=a;%6dodel=v",
        b"model=a;",
        b"x=1;y=2",
    ],
)
async def test_semicolon_that_divides_fields_for_some_is_refused(body: bytes) -> None:
    with pytest.raises(GatewayError, match="expected `%3B` for `;`") as refused:
        await peeked(body, TEXTS)

    assert refused.value.http_status == 400


@pytest.mark.parametrize("body", [b"model=%61%", b"model=%6&n=1", b"x=%zz", b"%"])
async def test_broken_escape_that_each_reads_differently_is_refused(body: bytes) -> None:
    with pytest.raises(GatewayError, match="expected `%25` for `%`"):
        await peeked(body, TEXTS)


ESCAPES = ["%25", "%3d", "%3B", "%0A", "%c4%B0", "%ff"]
PIECES = st.sampled_from([*"=+&\n\r\t _.0aFé", *ESCAPES])


@given(st.lists(PIECES))
def test_escapes_are_taken_off_as_by_the_standard_library(parts: list[str]) -> None:
    body = "".join(parts)
    expected: dict[str, Any] = {}
    for name, text in parse_qsl(body, keep_blank_values=True):
        expected.setdefault(name.removesuffix("[]"), []).append(text)

    fields = texts_of(body.encode(), TEXTS, TEXTS)

    listed = {name: text if isinstance(text, list) else [text] for name, text in fields.items()}
    assert listed == expected


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"model":"%b"}', JSON),
        (b'{"Model":"%b"}', JSON),
        (part(field_named("model"), "%b") + END, FORM),
        (b"model=%b", TEXTS),
    ],
)
async def test_model_that_no_model_is_called_is_refused_before_it_is_looked_at(
    body: bytes, kind: str
) -> None:
    assert (await peeked(body.replace(b"%b", b"m" * 256), kind)).model == "m" * 256
    with pytest.raises(GatewayError, match="model: expected at most 256 characters, got 257") as no:
        await peeked(body.replace(b"%b", b"m" * 257), kind)

    assert (no.value.code, no.value.param) == ("invalid_request", "model")


def calls_of(work: Callable[[], object]) -> int:
    """Count the calls that a piece of work makes, of Python and of C."""
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("text", [b"%41", b"%c4%b0", b"%41a", b"+", b"%3D", b"="])
def test_many_escapes_are_taken_off_in_as_many_calls_as_a_few(text: bytes) -> None:
    few, many = (b"model=a&p=" + text * count for count in (10, 100_000))

    assert calls_of(partial(texts_of, many, TEXTS, TEXTS)) == calls_of(
        partial(texts_of, few, TEXTS, TEXTS)
    )


async def test_long_names_and_flags_are_not_put_into_lower_case() -> None:
    class Long(str):
        __slots__ = ()

        def lower(self) -> str:
            raise AssertionError(len(self))

    many = Long("İ" * 1000)
    texts = deciding._peek_texts({"model": "m", "stream": many})

    assert texts == Peek("m")
    members = deciding._Members([(many, 1), ("N", 2)])
    assert deciding._peek_members(members) == Peek(n=2)


async def test_long_json_is_refused_by_its_length() -> None:
    body = b'{"model":"m","x":"' + LONG + b'"}'

    with pytest.raises(GatewayError) as refused:
        await peeked(body, JSON, json_max=1_100_000)

    assert refused.value.http_status == 413


async def test_full_spool_is_told_and_given_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "made" / "late", "", 1_100_000)
    body = b'{"model":"m","x":"' + LONG + b'"}'

    with pytest.raises(GatewayError) as refused:
        await peeked(body, JSON, spool=spool)

    assert (refused.value.code, refused.value.retry_after_s) == ("pool_saturated", 5)
    assert spool.held == 0
    spool.apply_bounds("", 10_000_000)
    assert (await peeked(body, JSON, spool=spool)).model == "m"
    assert spool.held == 0
    assert list(spool.folder.iterdir()) == []


async def test_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(GatewayError, match="spool"):
        await peeked(
            b'{"x":"' + LONG + b'"}', JSON, spool=Spool(tmp_path, str(tmp_path / "file"), 9)
        )


def rest_at(at: int, rest: bytes) -> bytes:
    """Make a long object whose `rest` begins at this byte."""
    return b'{"p":"' + b"x" * (at - len(b'{"p":"",')) + b'",' + rest


@pytest.mark.parametrize("at", EDGES)
async def test_name_that_lies_between_two_pieces_is_found_and_found_once(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = b'"stream":true,"n":2,"model":"m"}'
    with monkeypatch.context() as quick:
        quick.delattr(deciding, "_peek_by_member")

        assert await peeked(rest_at(at, rest), JSON) == Peek("m", 2, True)

    for twice in (b'"n":1,"n":2}', b'"N":1,"n":2}', b'"model":"a","mod\\u0065l":"b"}'):
        with pytest.raises(GatewayError, match="expected it once"):
            await peeked(rest_at(at, twice), JSON)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"model":"m","x":[' + b'"n",' * 2_000_000 + b"1]}", JSON),
        (b'{"model":"m","x":[' + b'"",' * 2_000_000 + b"1]}", JSON),
        (b'{"model":"m","x":"' + b"\\n" * 2_000_000 + b'"}', JSON),
        (b'{"Model":"m","x":"' + b"x" * 2_000_000 + b'"}', JSON),
        (
            part(field_named("model"))
            + part(f'{field_named("f")}; filename="a"', "x" * 2_000_000)
            + END,
            FORM,
        ),
    ],
    ids=["names", "texts", "escapes", "other case", "form"],
)
async def test_whoever_has_a_short_body_does_not_wait_for_a_long_one(
    body: bytes, kind: str
) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    meanwhile = asyncio.create_task(others())
    with suppress(GatewayError):  # of millions of items
        await peeked(body, kind)

    assert turns > 0

    meanwhile.cancel()

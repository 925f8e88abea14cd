"""What of a server's head reaches a client, and what a client's brings where none belongs."""

import asyncio
import gzip
from pathlib import Path

import pytest
from msgspec.structs import replace
from nats.aio.client import Client

from tests.integration.gateway.bench import IMAGES, at, front, saying
from tests.integration.gateway.upstreams import upstream

pytestmark = pytest.mark.anyio
DONE = b'{"created":1,"data":[{"url":"u"}]}'
ORDERS = (
    "X-Accel-Redirect: /etc/passwd",
    "Clear-Site-Data: *",
    "Refresh: 0; url=http://evil.example",
    "Access-Control-Allow-Credentials: true",
    "Connection: keep-alive, ETag",
    "ETag: hop",
    "X-Seed: 7",
    "Content-Language: en",
)


@pytest.mark.parametrize("path", [IMAGES, "/token/check"])
async def test_front_gets_no_orders_of_a_servers(
    nats_client: Client, nats_url: str, tmp_path: Path, path: str
) -> None:
    named = {"response_headers": ["X-Seed"]}
    async with (
        upstream(saying(200, DONE, *ORDERS)) as server,
        front(nats_client, nats_url, tmp_path, **named) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        key = gate.admin_key if path != IMAGES else gate.key
        first = await gate.ask(path=path, key=key)
        gate.configure()
        second = await gate.ask(path=path, key=key)

    refused = {"x-accel-redirect", "clear-site-data", "refresh", "etag"}
    for answer in (first, second):
        assert answer.status_code == 200
        assert not refused & {*answer.headers}
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["content-language"] == "en"
    assert (first.headers["x-seed"], second.headers.get("x-seed")) == ("7", None)


async def test_event_stream_asks_the_front_not_to_hold_it_back(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    events = saying(200, b"data: [DONE]\n\n", "Content-Type: text/event-stream")
    async with upstream(events) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask()

    assert answer.headers.get_list("x-accel-buffering") == ["no"]


async def test_region_of_an_old_log_becomes_no_header(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with (
        upstream(saying(200, DONE)) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: replace(at(server.url), region="r\r\nX-Evil: 1")
        answer = await gate.ask()

    assert (answer.status_code, answer.content) == (200, DONE)
    assert not {"x-evil", "x-server-region"} & {*answer.headers}
    assert answer.headers["x-server-id"] == "one"


@pytest.mark.parametrize("path", [IMAGES, "/v1/models", "/api/sessions", "/nothing"])
async def test_key_in_an_address_is_refused_wherever_it_is_shown(
    nats_client: Client, nats_url: str, tmp_path: Path, path: str
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        method = "POST" if path == IMAGES else "GET"
        answer = await gate.ask(method, f"{path}?a=1&key={gate.key}")

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_request", "key")
    assert gate.key not in answer.text
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /ping HTTP/1.1\r\nHost: t\r\nbad header\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    ],
)
async def test_browser_reads_what_the_parser_refuses(
    nats_client: Client, nats_url: str, tmp_path: Path, head: bytes, status: int
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        url = gate.http.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(head)
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\naccess-control-allow-origin: *\r\n" in answer
    assert b"\r\naccess-control-expose-headers: " in answer


async def test_preflight_of_a_generation_allows_what_the_sdk_sends(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    sends = {"Access-Control-Request-Headers": "x-stainless-os,authorization"}
    async with front(nats_client, nats_url, tmp_path) as gate:
        answers = [
            await gate.http.options(path, headers=sends) for path in (IMAGES, "/api/stats/daily")
        ]

    for answer in answers:
        assert answer.status_code == 200
        assert "x-stainless-os" in answer.headers["access-control-allow-headers"].split(", ")


async def test_compressed_body_goes_as_it_is_where_nothing_has_to_read_it(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    heads: list[bytes] = []
    packed = gzip.compress(b'{"model":"jimeng-4.0","prompt":"a gate"}')
    said = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with (
        upstream(saying(200, DONE, seen=heads)) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask(content=packed, json=None, headers=said)

    assert answer.status_code == 200
    assert b"content-encoding: gzip" in heads[0].lower()
    assert b"content-length: %d" % len(packed) in heads[0].lower()

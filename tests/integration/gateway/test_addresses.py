"""Servers at an address with a path, and answers with blanks and marks where none belong."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.pool import UsageRecorded, Verdict
from services.balancer.probes import probe_client, probe_failure
from services.gateway.transport.addresses import Addresses
from tests.integration.gateway.bench import at, front, saying
from tests.integration.gateway.upstreams import upstream
from tests.unit.balancer.builders import server

pytestmark = pytest.mark.anyio
GOOD = b'{"data":[{"url":"u","id":"m"}]}'


def test_addresses_are_parsed_with_what_their_paths_begin_with() -> None:
    known = Addresses()

    found = [known.address_of(url) for url in ("http://h:1", "http://h:1/", "https://h/a/b%20c//")]

    assert [one.prefix for one in found] == [b"", b"", b"/a/b%20c"]
    assert [one.host for one in found] == [b"h:1", b"h:1", b"h"]
    assert known.address_of("http://h:1") is found[0]


async def test_path_of_a_servers_address_stands_before_every_path(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    async with (
        upstream(saying(200, GOOD, seen=seen)) as there,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        url = there.url.replace("/v1/images/generations", "/under/here/")
        gate.chosen = lambda _: at(url)
        gate.knows(one=url)
        await gate.ask(path="/v1/images/generations?a=%2F")
        await gate.ask(path="/token/check", key=gate.admin_key)
        await gate.ask("GET", "/v1/models")
        async with probe_client() as client:
            assert await probe_failure(client, server("one", url=url), 20) is None

    assert [head.split(b" ")[1] for head in seen] == [
        b"/under/here/v1/images/generations?a=%2F",
        b"/under/here/token/check",
        b"/under/here/v1/models",
        b"/under/here/ping",
    ]


async def test_blanks_behind_a_header_and_a_mark_before_a_body_change_nothing(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    marked = b"\xef\xbb\xbf" + GOOD
    limited = saying(429, b"{}", "Retry-After: 25 \t")
    async with (
        upstream(saying(200, marked, "Content-Type: application/json \t")) as good,
        upstream(limited) as busy,
        front(nats_client, nats_url, tmp_path, attempts_max=1) as gate,
    ):
        gate.chosen = lambda _: at(good.url)
        gate.knows(one=good.url)
        made = await gate.ask()
        models = await gate.ask("GET", "/v1/models")
        gate.chosen = lambda _: at(busy.url)
        refused = await gate.ask()
        ended = await gate.journalled(UsageRecorded)

    assert (made.status_code, made.content) == (200, marked)
    assert made.headers["content-type"] == "application/json"
    assert [one["id"] for one in models.json()["data"]] == ["m"]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "25")
    assert [one.verdict for one in ended] == [Verdict.SUCCESS, Verdict.RATE_LIMITED]
    assert ended[1].retry_after_s == 25


async def test_odd_path_of_an_operator_is_refused_by_its_form_and_not_for_want_of_a_key(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    """Who is signed in sends no key: were the path refused for that, the page would sign out."""
    async with front(nats_client, nats_url, tmp_path) as gate:
        refused = await gate.http.get("/api/requests/a%2Fb/explain")
        nobody = await gate.http.get("/v1/images/a%2Fb")

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")
    assert refused.json()["error"]["message"].startswith("path: expected no empty")
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (401, "invalid_api_key")

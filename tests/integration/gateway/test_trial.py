"""One paid call at a server that is named: through the relay, with a lease, in the log."""

from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from contracts.balancer import NoServer
from contracts.pool import LeaseGranted, UsageRecorded
from tests.integration.gateway.bench import Front, at, front, saying
from tests.integration.gateway.upstreams import upstream

pytestmark = pytest.mark.anyio
PICTURE = b'{"created":1,"data":[{"url":"http://picture"}]}'
BAD = b'{"code":-2001,"message":"broken","data":null}'


async def try_server(gate: Front, status: int = 200, **body: Any) -> Any:
    answer = await gate.ask(path="/api/servers/one/test", key=gate.admin_key, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_success_shows_head_verdict_and_cost_and_is_in_the_log(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    said = saying(200, PICTURE, "Content-Type: application/json", seen=seen)
    async with upstream(said) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.knows(one=server.url, two="http://127.0.0.1:1")
        gate.chosen = lambda _: at(server.url)

        shown = await try_server(gate, model="jimeng-4.0")

        (usage,) = await gate.journalled(UsageRecorded)
        (granted,) = await gate.journalled(LeaseGranted)

    assert [item.only for item in gate.asked] == ["one"]
    assert seen[0].startswith(b"POST /v1/images/generations ")
    names = ("verdict", "outcome", "units", "status", "server_id", "service_type", "bytes_out")
    assert [shown[name] for name in names] == [
        "success",
        "settled",
        1,
        200,
        "one",
        "image",
        len(PICTURE),
    ]
    assert shown["headers"]["content-type"] == "application/json"
    assert (shown["request_id"], shown["session_id"]) == (usage.request_id, granted.session_id)
    assert usage.model == "jimeng-4.0"


async def test_failure_is_told_with_its_verdict_and_why_and_is_tried_nowhere_else(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with upstream(saying(500, BAD)) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.knows(one=server.url)
        gate.chosen = lambda _: at(server.url)
        failed = await try_server(gate)
        gate.chosen = lambda _: at("http://127.0.0.1:1")
        gone = await try_server(gate)

    assert (failed["verdict"], failed["outcome"], failed["status"]) == (
        "outcome_unknown",
        "unknown",
        500,
    )
    assert failed["why"]
    assert (failed["units"], failed["units_held"], gone["units_held"]) == (0, 1, 0)
    assert failed["lease_id"].startswith(failed["request_id"])
    assert (gone["verdict"], gone["outcome"], gone["units"], gone["status"]) == (
        "unreachable",
        "released",
        0,
        0,
    )
    assert "connect" in gone["why"]
    assert len(gate.asked) == 2


async def test_call_that_was_not_made_is_an_error(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        gate.knows(one="http://127.0.0.1:1")
        gate.chosen = lambda _: NoServer(reason="one: full: 1 of 1 exchanges")
        full = await try_server(gate, 503)
        misspelt = await try_server(gate, 400, service_type="vidoe")
        elsewhere = await try_server(gate, 400, service_type="video", path="/v1/images/generations")
        unknown = [
            await gate.ask(path="/api/servers/none/test", key=gate.admin_key, **given)
            for given in ({"json": {}}, {"json": None}, {"json": {"wait": 2}})
        ]
        bodiless = await gate.ask(path="/api/servers/one/test", key=gate.admin_key, json=None)
        client = await gate.ask(path="/api/servers/one/test", json={})

    assert full["error"]["code"] == "no_backend"
    assert misspelt["error"]["param"] == "service_type"
    assert elsewhere["error"]["param"] == "path"
    assert [answer.status_code for answer in unknown] == [404] * 3
    assert unknown[1].json()["error"]["message"] == "there is no server 'none'"
    assert (bodiless.status_code, client.status_code) == (400, 403)

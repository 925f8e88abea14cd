"""Regions that no server served when asked last: what is asked before the next lease."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.pool import LeaseGranted, SessionRequested
from tests.integration.gateway.bench import Front, at, front, saying
from tests.integration.gateway.upstreams import upstream

pytestmark = pytest.mark.anyio
FULL = NoServer(reason="one: full")


class Balancer:
    """Serves sessions of these regions alone; None: nobody."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.serves: set[str] | None = {"jp"}

    def __call__(self, wanted: SelectServer) -> Selected | NoServer:
        if self.serves is None:
            return FULL
        if not wanted.session_region or wanted.session_region in self.serves:
            return at(self._url)
        return NoServer(reason="one: serves sessions of jp", region=wanted.session_region)


@asynccontextmanager
async def gate_of(
    client: Client, url: str, home: Path, *regions: str
) -> AsyncIterator[tuple[Front, Balancer]]:
    async with (
        upstream(saying(200, b'{"data":[{"url":"u"}]}')) as server,
        front(client, url, home, sessions=0) as gate,
    ):
        balancer = Balancer(server.url)
        gate.chosen = balancer
        for region in regions:
            wanted = {"credential": f"of-{region}", "region": region}
            added = await gate.ask(path="/api/sessions", key=gate.admin_key, json=wanted)
            assert added.status_code == 200, added.text
        yield gate, balancer


def looks(gate: Front) -> list[tuple[str, bool]]:
    """What the balancer was asked: of which region's sessions, and whether only so."""
    return [(item.session_region, item.only_ask) for item in gate.asked]


async def test_the_region_is_asked_about_until_a_server_serves_it_again(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with gate_of(nats_client, nats_url, tmp_path, "us", "jp") as (gate, balancer):
        answers = [await gate.ask(), await gate.ask()]
        balancer.serves = {"us", "jp"}
        answers += [await gate.ask(), await gate.ask()]
        requests = await gate.journalled(SessionRequested)

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [asked.avoid_regions for asked in requests] == [[], ["us"], ["us"], [], []]
    assert looks(gate)[:5] == [
        *(("us", False), ("us", True), ("jp", False)),  # given back, looked again, another
        *(("us", True), ("jp", False)),
    ]
    assert looks(gate)[5] == ("us", True)
    assert [only for _, only in looks(gate)[6:]] == [False, False]


async def test_no_lease_is_asked_for_where_sessions_of_other_regions_have_no_server_either(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with gate_of(nats_client, nats_url, tmp_path, "us", "jp") as (gate, balancer):
        first = await gate.ask()
        balancer.serves = None
        second, third = await gate.ask(), await gate.ask()
        grants = await gate.journalled(LeaseGranted)

    assert first.status_code == 200
    assert {answer.json()["error"]["code"] for answer in (second, third)} == {"no_backend"}
    assert len(grants) == 2

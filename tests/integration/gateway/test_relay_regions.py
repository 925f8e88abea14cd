"""Regions over a real pool, a real balancer and real servers: who goes where, and who gives way."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.base import ServerId, SessionId
from contracts.pool import LeaseCancelled, LeaseGranted, SessionRequested, UsageRecorded
from runtime.quantities import Seconds
from runtime.secrets import session_identity
from services.balancer.settings import BalancerSection, ServerSection, Settings
from tests.integration.balancer.bench import Bench
from tests.integration.gateway.bench import Front, front, saying
from tests.integration.gateway.upstreams import upstream
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
DONE = saying(200, b'{"data":[{"url":"u"}]}', "Content-Type: application/json")
PLACES = {"us": "us-west-2", "jp": "asia-northeast-1"}
HERE = "127.0.0.0/8"


class World:
    """A front, a balancer behind it, and a server in each of two regions."""

    def __init__(self, gate: Front, bench: Bench, urls: dict[str, str]) -> None:
        self.gate = gate
        self._bench = bench
        self._urls = urls

    def configure(self, **serves: list[str]) -> None:
        """Have these servers, each for sessions of these regions (none: of all)."""
        servers = [
            ServerSection(
                server_id=ServerId(name), url=self._urls[name], region=PLACES[name], serves=regions
            )
            for name, regions in serves.items()
        ]
        section = BalancerSection(strategy="geographic", probe_interval=Seconds(0.2))
        self._bench.settings = Settings(balancer=section, servers=servers)

    async def serve(self, **serves: list[str]) -> None:
        """Configure servers, and wait until they are there and well."""
        self.configure(**serves)
        await self._bench.shows(
            lambda status: (
                {view.server.server_id: view.server.serves for view in status.servers} == serves
                and all(view.healthy for view in status.servers)
            )
        )

    async def add_sessions(self, *regions: str) -> list[SessionId]:
        """Add a session of each region, in this order."""
        for region in regions:
            added = await self.gate.ask(
                path="/api/sessions",
                key=self.gate.admin_key,
                json={"credential": f"of-{region}", "region": region},
            )
            assert added.status_code == 200, added.text
        return [session_identity("identity", region, f"of-{region}") for region in regions]

    async def tried(self) -> list[tuple[str, str, str]]:
        """Every attempt: whose session, at which server, and why."""
        return [
            (usage.session_id, attempt.server_id, attempt.why)
            for usage in await self.gate.journalled(UsageRecorded)
            for attempt in usage.attempts
        ]


@asynccontextmanager
async def world(client: Client, url: str, home: Path, **section: object) -> AsyncIterator[World]:
    """No server and no session yet."""
    bench = Bench(client, url, home / "balancer")
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(upstream(DONE)) for name in PLACES}
        urls = {
            name: server.url.removesuffix("/v1/images/generations")
            for name, server in servers.items()
        }
        gate = await stack.enter_async_context(front(client, url, home, sessions=0, **section))
        made = World(gate, bench, urls)
        made.configure(us=["us"], jp=["jp"])
        await stack.enter_async_context(bench.balancer())
        await made.serve(us=["us"], jp=["jp"])
        yield made


async def test_a_session_of_a_region_goes_only_to_a_server_that_serves_it(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with world(nats_client, nats_url, tmp_path, client_region="japan") as there:
        us, jp = await there.add_sessions("us", "jp")

        for _ in range(6):
            assert (await there.gate.ask()).status_code == 200
        tried = await there.tried()

        assert {(session, server) for session, server, _ in tried} == {(us, "us"), (jp, "jp")}
        assert {why for _, server, why in tried if server == "us"} == {
            "client in japan: us-west (7,885 km)"
        }
        assert await there.gate.journalled(LeaseCancelled) == []


async def test_a_lease_that_nobody_serves_is_given_back_and_another_session_asked_for(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with world(nats_client, nats_url, tmp_path) as there:
        await there.serve(jp=["jp"])
        us, jp = await there.add_sessions("us", "jp")

        first, second = await there.gate.ask(), await there.gate.ask()
        requests = await there.gate.journalled(SessionRequested)
        grants = [event.session_id for event in await there.gate.journalled(LeaseGranted)]
        (cancelled,) = await there.gate.journalled(LeaseCancelled)

    assert (first.status_code, second.status_code) == (200, 200)
    assert [(asked.number, asked.avoid_regions) for asked in requests] == [
        (1, []),
        (2, ["us"]),
        (1, ["us"]),
    ]
    assert grants == [us, jp, jp]
    assert (cancelled.number, cancelled.reason) == (1, "not_sent")


async def test_without_a_session_that_is_served_the_client_hears_why_and_the_next_costs_no_lease(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with world(nats_client, nats_url, tmp_path) as there:
        await there.serve(jp=["jp"])
        await there.add_sessions("us")

        answers = [await there.gate.ask() for _ in range(3)]
        grants = await there.gate.journalled(LeaseGranted)
        await there.serve(us=["us"], jp=["jp"])

        async def served() -> bool:
            return (await there.gate.ask()).status_code == 200

        await eventually(served)

    assert {answer.status_code for answer in answers} == {503}
    errors = [answer.json()["error"] for answer in answers]
    assert {error["code"] for error in errors} == {"pool_saturated"}
    assert all(error["message"].endswith("no server serves those of us now") for error in errors)
    assert len(grants) == 1


async def test_a_client_is_where_a_trusted_proxy_says_and_no_strangers_word_is_taken(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    claimed = {"X-Client-Region": "JP"}
    async with world(nats_client, nats_url, tmp_path, client_region="us") as there:
        await there.serve(us=[], jp=[])
        (us,) = await there.add_sessions("us")
        gate = there.gate

        stranger = await gate.ask(headers=claimed)
        gate.configure(trusted_proxies=[HERE], client_region="us")
        proxy = await gate.ask(headers=claimed)
        by_address = await gate.ask(headers={"X-Forwarded-For": "168.126.63.1"})
        tried = await there.tried()

    assert [answer.headers["x-server-id"] for answer in (stranger, proxy, by_address)] == [
        "us",
        "jp",
        "jp",
    ]
    assert [item.client_region for item in gate.asked] == ["us", "japan", "korea"]
    assert tried == [
        (us, "us", "client in us: us-west (0 km)"),
        (us, "jp", "client in japan: asia-northeast (0 km)"),
        (us, "jp", "client in korea: asia-northeast (0 km)"),
    ]
    assert {item.session_region for item in gate.asked} == {"us"}

"""/ping, /readyz, /metrics and /health, with the real services behind the doors or none."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from contracts.balancer import BalancerStatusReply, Health, Server, ServerView, TypeView
from contracts.base import Pong, ServerId, ServiceType, WriterId
from contracts.pool import PoolStatusReply
from runtime.nats import streams
from services.balancer.settings import ServerSection
from services.gateway.routes.health import health_report
from tests.integration.gateway.calls import TYPES
from tests.integration.gateway.doors import Desk, desk, good_server, house, is_well
from tests.integration.gateway.office import office
from tests.moments import NOON
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
POOL_OF_ONE = PoolStatusReply(
    sequence=9,
    epoch=1,
    now=NOON,
    sessions_total=1,
    sessions_active=1,
    min_size=1,
    max_size=1,
    open_leases=0,
    remaining={},
)
ANALYTICS_WELL = Pong(writer=WriterId("analytics"), epoch=0, sequence=9)
STILL = "standing still at log sequence 3 of 9"


async def test_whole_with_every_service_is_well(staffed: Desk) -> None:
    """Everything that `/health` and the balancer's report say where nothing was asked yet."""
    report = (await staffed.http.get("/health")).json()

    assert report["status"] == "ok"
    assert report["services"] == {
        "sessionManager": True,
        "loadBalancer": True,
        "analytics": True,
        "eventLog": True,
    }
    at = [report[part].pop("sequence") for part in ("sessions", "servers")]
    assert report["sessions"] == {"active": 2, "minRequired": 2}
    assert report["servers"] == {
        "total": 1,
        "healthy": 1,
        "totalConnections": 0,
        "ejectedFor": {},
    }
    assert min(at) > 0
    assert report["statistics"].keys() == {"current", "sequence", "reason"}

    balancer = await staffed.ask("GET", "/api/load-balancer")
    assert balancer["strategy"] == "capability_based"
    (server,) = balancer["servers"]
    assert server == {
        "id": "server-1",
        "url": server["url"],
        "region": "asia-east",
        "healthy": True,
        "connections": 0,
        "maxConnections": 200,
        "utilization": 0.0,
        "avgResponseTime": server["avgResponseTime"],
        "successRate": None,
        "capabilities": TYPES,
        "priority": 1,
        "state": "up",
        "reason": "",
    }


async def test_server_that_is_down_degrades_the_whole(staffed: Desk) -> None:
    down = {"id": "down", "url": "http://127.0.0.1:1"}
    await staffed.ask("POST", "/api/servers", 201, json=down)

    report = (await staffed.http.get("/health")).json()

    assert report["status"] == "degraded"
    assert report["servers"]["total"] == 2
    assert report["services"]["loadBalancer"]


async def test_statistics_that_stand_still_are_told(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with office(nats_client, nats_url, tmp_path / "home") as front:

        async def told() -> dict[str, Any]:
            found: dict[str, Any] = (await front.http.get("/health")).json()["statistics"]
            return found

        async def current() -> bool:
            return bool((await told())["current"])

        async def stands() -> bool:
            return not await current()

        await eventually(current)
        before = (await told())["sequence"]
        await nats_client.jetstream().delete_stream("EVT")
        await eventually(stands)
        after = await told()
        await streams.migrate_streams(nats_client, 200_000_000)

    assert before > 0
    assert "cannot be reached" in after["reason"]


async def test_pool_below_its_minimum_is_degraded(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with (
        good_server() as url,
        house(
            nats_url,
            tmp_path / "home",
            [ServerSection(server_id=ServerId("one"), url=url)],
            min_size=0,
        ),
        desk(nats_client, patience_s=10) as made,
    ):

        async def served() -> bool:
            return bool((await made.http.get("/health")).json()["servers"]["healthy"] == 1)

        await eventually(served)

        assert not await is_well(made)

        await made.ask("POST", "/api/sessions", 200, json={"credential": "one"})

        await eventually(lambda: is_well(made))


async def test_log_is_told_by_the_log_where_the_pool_is_silent(
    alone: Desk, nats_client: Client
) -> None:
    before = (await alone.http.get("/health")).json()
    await nats_client.jetstream().delete_stream("EVT")
    after = (await alone.http.get("/health")).json()
    await streams.migrate_streams(nats_client, 200_000_000)

    told = [report["services"] for report in (before, after)]
    assert [(one["sessionManager"], one["eventLog"]) for one in told] == [
        (False, True),
        (False, False),
    ]


async def test_ping_is_the_text_pong(alone: Desk) -> None:
    answer = await alone.http.get("/ping")

    assert answer.text == "pong"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_readiness_tells_its_reason(nats_client: Client) -> None:
    async with desk(nats_client, unready="the pool has no leader") as made:
        answer = await made.http.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["reason"] == "the pool has no leader"


async def test_metrics_are_open_to_this_machine_and_to_nobody_behind_it(alone: Desk) -> None:
    near = await alone.http.get("/metrics")
    proxied = await alone.http.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"})
    foreign_page = await alone.http.get("/metrics", headers={"origin": "https://example.org"})

    assert "tidegate_test_total 1.0" in near.text
    assert near.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert proxied.status_code == foreign_page.status_code == 401


@pytest.mark.parametrize(
    ("ill", "reason"),
    [
        ({"trouble": STILL}, STILL),
        ({}, "analytics does not answer"),
    ],
)
async def test_statistics_that_are_not_current_degrade_the_whole(
    alone: Desk, ill: dict[str, str], reason: str
) -> None:
    one = Server(server_id=ServerId("one"), url="http://one")
    balancer = BalancerStatusReply(
        sequence=9,
        epoch=1,
        now=NOON,
        strategy="capability_based",
        servers=[ServerView(server=one, health=Health.UP, healthy=True)],
    )

    assert health_report(alone.doors, POOL_OF_ONE, balancer, ANALYTICS_WELL).status == "ok"
    told = health_report(
        alone.doors,
        POOL_OF_ONE,
        balancer,
        msgspec.structs.replace(ANALYTICS_WELL, **ill) if ill else None,
    )
    assert (told.status, told.statistics.current) == ("degraded", False)
    assert told.statistics.reason == reason


async def test_an_ejection_of_one_service_type_degrades_the_whole_and_is_counted(
    alone: Desk,
) -> None:
    """Two servers that are well: one is out for films alone, the other comes back from that."""
    out = [TypeView(service_type=ServiceType("video"), state="ejected")]
    back = [TypeView(service_type=ServiceType("video"), state="slow_start")]
    views = [
        ServerView(
            server=Server(server_id=ServerId(name), url=f"http://{name}"),
            health=Health.UP,
            healthy=True,
            service_types=types,
        )
        for name, types in (("one", out), ("two", back))
    ]
    balancer = BalancerStatusReply(
        sequence=9, epoch=1, now=NOON, strategy="adaptive", servers=views
    )

    told = health_report(alone.doors, POOL_OF_ONE, balancer, ANALYTICS_WELL)

    assert (told.status, told.servers.healthy, told.servers.ejected_for) == (
        "degraded",
        2,
        {"video": 1},
    )
    assert msgspec.to_builtins(told)["servers"]["ejectedFor"] == {"video": 1}

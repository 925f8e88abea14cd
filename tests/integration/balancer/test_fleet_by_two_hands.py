"""File and API side by side, in a balancer with a real log and real servers."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from nats.aio.client import Client

from contracts.balancer import (
    DrainServer,
    NoServer,
    PinStrategy,
    PutServer,
    RemoveServer,
    Selected,
    ServersChanged,
    SetStrategy,
    StrategySwitched,
)
from contracts.base import Failed, LeaseId, ServerId, ServiceType, SessionId
from contracts.pool import LeaseExpired
from runtime.settings import ServiceTypeSection
from services.balancer import leader
from services.balancer.settings import RuleSection
from tests.integration.balancer.bench import Bench
from tests.tinyserver import listening
from tests.unit.balancer.builders import AVATAR, IMAGE, server, wanted

pytestmark = pytest.mark.anyio
VIDEO = ServiceType("video")


@pytest.fixture
async def bench(nats_client: Client, nats_url: str, tmp_path: Path) -> Bench:
    return Bench(nats_client, nats_url, tmp_path)


def choose_by(name: str, service_type: str = "") -> SetStrategy:
    return SetStrategy(strategy=name, reason="x", by="key", service_type=ServiceType(service_type))


async def chosen_by(bench: Bench, service_type: ServiceType) -> str:
    (answer,) = await bench.select(wanted("", service_type))
    assert isinstance(answer, Selected), answer
    return answer.strategy


async def test_changes_by_api_outlive_an_edit_of_the_strategy_and_a_restart(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "_LOOK_EVERY_S", 0.02)
    async with listening() as one, listening() as two, listening() as three:
        bench.named(one, two)
        async with bench.balancer():
            await bench.well(2)
            heavier = replace(bench.settings.servers[0].as_server(), weight=7)
            await bench.admin(PutServer(server=heavier, by="key"))
            await bench.admin(RemoveServer(server_id=ServerId("server-2"), by="key"))
            mine = server("mine", url=f"http://127.0.0.1:{three}")
            await bench.admin(PutServer(server=mine, by="key"))

            section = replace(bench.settings.balancer, strategy="round_robin")
            bench.settings = replace(bench.settings, balancer=section)

            await bench.shows(lambda status: status.strategy == "round_robin")
        async with bench.balancer():
            status = await bench.well(2)

    assert [view.server for view in status.servers] == [heavier, mine]


async def test_service_type_is_chosen_for_by_its_own_strategy_the_pin_by_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "_LOOK_EVERY_S", 0.02)
    video = ServiceTypeSection(daily_limit=2, strategy="round_robin")
    async with listening() as port, bench.balancer():
        bench.named(port)
        bench.settings = replace(bench.settings, services={**bench.settings.services, VIDEO: video})
        await bench.well(1)

        assert await bench.admin(choose_by("weighted_round_robin", AVATAR)) == ServersChanged(
            changed=["weighted_round_robin"]
        )

        by = [await chosen_by(bench, one) for one in (IMAGE, VIDEO, AVATAR)]

        assert by == ["least_connections", "round_robin", "weighted_round_robin"]
        own = {"video": "round_robin", "avatar": "weighted_round_robin"}
        assert (await bench.status()).strategies == own

        await bench.admin(PinStrategy(strategy="capability_based", by="key"))
        by = [await chosen_by(bench, one) for one in (IMAGE, VIDEO, AVATAR)]
        assert by == ["capability_based"] * 3
        assert (await bench.status()).pinned == "capability_based"

        await bench.admin(PinStrategy(strategy="", by="key"))
        await bench.admin(choose_by("", AVATAR))
        by = [await chosen_by(bench, one) for one in (VIDEO, AVATAR)]
        assert by == ["round_robin", "least_connections"]


async def test_server_that_is_drained_is_chosen_no_more_and_stays_so_over_a_restart(
    bench: Bench,
) -> None:
    drain = DrainServer(server_id=ServerId("server-1"), by="key")
    async with listening() as port:
        bench.named(port)
        async with bench.balancer():
            await bench.well(1)

            assert await bench.admin(drain) == ServersChanged(changed=["server-1"])
            assert await bench.admin(drain) == ServersChanged(changed=[])
        async with bench.balancer():
            await bench.well(1)
            (refused,) = await bench.select(wanted("r.1"))

            assert isinstance(refused, NoServer)
            assert [one.refused for one in refused.candidates] == ["draining"]

            await bench.admin(replace(drain, undrain=True))

            (answer,) = await bench.select(wanted("r.1"))
            assert isinstance(answer, Selected)


async def test_service_type_that_nobody_configured_is_refused_with_those_there_are(
    bench: Bench,
) -> None:
    async with bench.balancer():
        await bench.status()
        unable = server("one", ("image", "vidoe"))
        refused = [
            await bench.admin(PutServer(server=unable, by="key")),
            await bench.admin(choose_by("round_robin", "vidoe")),
        ]

    expected = "expected service types (avatar, image, video), got 'vidoe'"
    assert refused == [
        Failed(code="bad_request", message=f"{name}: {expected}")
        for name in ("capabilities", "service_type")
    ]


async def test_rule_of_the_file_switches_and_takes_back_and_is_in_the_log(bench: Bench) -> None:
    rule = RuleSection(when="load > 0.5 for 100ms", use="round_robin", service_type="image")
    async with listening() as port, bench.balancer():
        bench.named(port)
        section = replace(bench.settings.balancer, rules=[rule])
        servers = [replace(bench.settings.servers[0], max_sessions=1)]
        bench.settings = replace(bench.settings, balancer=section, servers=servers)
        await bench.shows(lambda status: [one.when for one in status.rules] == [rule.when])
        await bench.well(1)

        await bench.select(wanted("r.1"))
        await bench.shows(lambda status: status.strategies == {IMAGE: "round_robin"})
        await bench.pool_journals(LeaseExpired(lease_id=LeaseId("r.1"), session_id=SessionId("s")))
        await bench.shows(lambda status: not status.strategies)

        switches = [one for one in await bench.journal() if isinstance(one, StrategySwitched)]

    assert switches == [
        StrategySwitched(service_type=IMAGE, strategy="round_robin", rule=rule.when, value=1.0),
        StrategySwitched(service_type=IMAGE, strategy="least_connections", value=0.0),
    ]

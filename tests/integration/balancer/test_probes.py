"""What a probe asks of a real server, and which answers are good."""

import asyncio

import pytest
from msgspec.structs import replace

from contracts.balancer import ProbeServers, Server, ServersProbed
from contracts.base import Failed, ServerId
from runtime.nats import natsserver
from runtime.quantities import Seconds
from services.balancer.domain import Fleet, Member
from services.balancer.measuring import Measuring
from services.balancer.probes import Probes, probe_client, probe_failure
from services.balancer.settings import BalancerSection
from tests.tinyserver import listening
from tests.unit.balancer.builders import server

pytestmark = pytest.mark.anyio


def server_at(port: int, **probed: object) -> Server:
    return replace(server("a", url=f"http://127.0.0.1:{port}/base/"), **probed)


async def test_probe_asks_for_the_servers_own_path() -> None:
    seen: list[bytes] = []
    async with listening(seen=seen) as port, probe_client() as client:
        assert await probe_failure(client, server_at(port, probe_path="/health?deep=1"), 5) is None

    assert seen == [b"GET /base/health?deep=1 HTTP/1.1"]


@pytest.mark.parametrize(
    ("status", "expected", "failure"),
    [
        (204, 0, None),
        (404, 0, "status 404"),
        (401, 401, None),
        (200, 401, "status 200, expected 401"),
    ],
)
async def test_good_status_is_the_servers_own_or_any_of_2xx(
    status: int, expected: int, failure: str | None
) -> None:
    async with listening(lambda: status) as port, probe_client() as client:
        assert await probe_failure(client, server_at(port, probe_status=expected), 5) == failure


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b'{"ready": true}', None),
        (b"x" * 70_000 + b"true", "the body does not hold 'true'"),
        (b'{"ready": false}', "the body does not hold 'true'"),
        (b"", "the body does not hold 'true'"),
    ],
)
async def test_good_body_holds_what_is_expected_within_64_kb(
    body: bytes, failure: str | None
) -> None:
    async with listening(body=body) as port, probe_client() as client:
        assert await probe_failure(client, server_at(port, probe_body="true"), 5) == failure


async def test_servers_are_measured_and_the_fastest_comes_first() -> None:
    gone = server("gone", url=f"http://127.0.0.1:{natsserver.free_port()}")
    section = BalancerSection(probe_timeout=Seconds(5))
    answers = iter([200, 500, 200, 200])
    async with listening() as one, listening(lambda: next(answers)) as two:
        servers = [gone, server_at(one), replace(server_at(two), server_id=ServerId("b"))]
        members = {one.server_id: Member(server=one) for one in servers}
        async with probe_client() as client:
            measuring = Measuring(client, lambda: Fleet(members=members), lambda: section)
            every = await measuring.measure_servers(ProbeServers(probes=4))
            single = await measuring.measure_servers(
                ProbeServers(server_id=ServerId("a"), probes=1)
            )
            refused = [
                await measuring.measure_servers(ProbeServers(server_id=ServerId("c"))),
                await measuring.measure_servers(ProbeServers(probes=101)),
            ]

    assert isinstance(every, ServersProbed)
    by_id = {server.server_id: server for server in every.servers}
    assert [server.place for server in every.servers] == [1, 2, 3]
    assert every.servers[2].server_id == "gone"
    assert (by_id["gone"].lost, by_id["gone"].weight, by_id["gone"].median_ms) == (3, 0, 0.0)
    assert (by_id["b"].lost, by_id["b"].failure) == (1, "status 500")
    a = by_id["a"]
    assert 0 < a.min_ms <= a.median_ms <= a.p95_ms <= a.p99_ms
    assert isinstance(single, ServersProbed)
    assert [(one.probes, one.weight) for one in single.servers] == [(1, 10)]
    assert all(isinstance(one, Failed) for one in refused)


async def test_hundreds_that_hang_have_nobody_called_silent_who_is_well() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    mute = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{mute.sockets[0].getsockname()[1]}"
    told: dict[ServerId, str | None] = {}
    well = ServerId("well")
    heard = asyncio.Event()

    def report(server_id: ServerId, failure: str | None) -> None:
        told.setdefault(server_id, failure)
        if server_id == well:
            heard.set()

    async with mute, listening() as port, probe_client() as client:
        hung = [server(f"hung-{number}", url=url) for number in range(300)]
        named = [*hung, server(well, url=f"http://127.0.0.1:{port}")]
        fleet = Fleet(members={one.server_id: Member(server=one) for one in named})
        probes = Probes(client, lambda: fleet, lambda: 0.5)
        section = BalancerSection(probe_timeout=Seconds(4))
        watching = asyncio.create_task(probes.run(lambda: section, report))
        async with asyncio.timeout(90):
            await heard.wait()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    assert told[well] is None
    assert {failure for name, failure in told.items() if name != well} == {"no answer within 4 s"}

"""The balancer as a process runs it: real NATS, real HTTP servers, real take-overs."""

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import nats
import pytest
from msgspec.structs import replace
from nats.aio.client import Client

from contracts import envelope, subjects
from contracts.balancer import (
    NoServer,
    PutServer,
    RemoveServer,
    Selected,
    SelectServers,
    ServerEjected,
    ServersChanged,
    SetStrategy,
)
from contracts.base import Failed, LeaderElected, LeaseId, Ping, ServerId, SessionId, WriterId
from contracts.pool import LeaseExpired, SessionRecovered
from runtime.eventlog.writer import SubjectWriter
from runtime.nats import natsserver, streams
from runtime.quantities import Seconds
from runtime.settings import SettingsError
from services.balancer import app, leader
from services.balancer.handlers import BalancerDoors
from services.balancer.settings import Settings
from tests.integration.balancer.bench import Bench, fetched, replies
from tests.tinyserver import listening
from tests.unit.balancer.builders import ONE, server, unreachable, wanted

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(nats_client: Client, nats_url: str, tmp_path: Path) -> Bench:
    return Bench(nats_client, nats_url, tmp_path)


async def test_fresh_boot_probes_at_once_and_answers(bench: Bench) -> None:
    async with listening() as one, listening() as two, AsyncExitStack() as stack:
        bench.named(one, two, probe_timeout=Seconds(1))
        await stack.enter_async_context(bench.balancer())
        status = await bench.well(2)

        answers = await bench.select(wanted("r.1"), wanted("s.1"), wanted(""))

        assert [answer.server_id for answer in answers[:2]] == ["server-1", "server-2"]  # type: ignore[union-attr]
        assert [one.connections for one in (await bench.status()).servers] == [1, 1]
        assert (status.strategy, status.epoch) == ("least_connections", 1)


async def test_end_in_the_pools_log_frees_the_server(bench: Bench) -> None:
    async with listening() as port, bench.balancer():
        bench.named(port)
        await bench.well(1)
        await bench.select(wanted("r.1"))

        await bench.pool_journals(LeaseExpired(lease_id=LeaseId("r.1"), session_id=SessionId("s")))

        await bench.shows(lambda status: status.servers[0].connections == 0)


async def test_server_goes_down_and_up_with_its_probes(bench: Bench) -> None:
    answers = 200
    async with listening(lambda: answers) as port, bench.balancer():
        bench.named(port)
        await bench.well(1)
        answers = 503
        status = await bench.well(0)

        assert status.servers[0].reason.endswith("s: probe: status 503")
        (refused,) = await bench.select(wanted("r.1"))
        assert isinstance(refused, NoServer)
        answers = 200
        await bench.well(1)


async def test_server_that_starts_after_the_balancer_is_found(bench: Bench) -> None:
    port = natsserver.free_port()
    bench.named(port)
    async with bench.balancer():
        await bench.well(0)
        async with listening(port=port):
            await bench.well(1)


async def test_three_failed_connections_take_a_server_down_before_its_probes(bench: Bench) -> None:
    async with listening() as one, listening() as two, bench.balancer():
        bench.named(one, two)
        bench.settings = msgspec.structs.replace(
            bench.settings,
            balancer=msgspec.structs.replace(bench.settings.balancer, probe_interval=Seconds(3600)),
        )
        await bench.well(2)

        for number in range(3):
            await bench.select(wanted(f"r{number}.1", failed=unreachable("server-1")))

        # Down, and up again by the probe that this hastened.
        await until_journalled(bench, "could not be made", "answered a probe")
        await bench.well(2)


async def until_journalled(bench: Bench, *reasons: str) -> None:
    """Wait until health changed for these reasons, in this order, one after the other."""
    async with asyncio.timeout(10):
        while True:
            said = [getattr(event, "reason", "") for event in await bench.journal()]
            rest = iter(said)
            if all(any(reason in one for one in rest) for reason in reasons):
                return
            await asyncio.sleep(0.05)


async def test_server_that_called_sessions_invalid_is_ejected_once(bench: Bench) -> None:
    async with listening() as one, listening() as two, bench.balancer():
        bench.named(one, two)
        await bench.well(2)
        blame = [
            SessionRecovered(
                session_id=SessionId(name),
                reason="server_blamed",
                server_id=ServerId("server-1"),
            )
            for name in ("s1", "s2")
        ]

        await bench.pool_journals(*blame)

        status = await bench.well(1)

        assert 0 < status.servers[0].ejected_s <= 30
        (answer,) = await bench.select(wanted("r.1"))
        assert isinstance(answer, Selected)
        assert answer.server_id == "server-2"
        assert sum(isinstance(event, ServerEjected) for event in await bench.journal()) == 1


async def test_standby_takes_over_and_inherits_what_is_open(bench: Bench) -> None:
    async with listening() as one, listening() as two, AsyncExitStack() as stack:
        bench.named(one, two)
        first = await stack.enter_async_context(bench.balancer())
        await bench.well(2)
        await bench.admin(SetStrategy(strategy="round_robin", reason="test", by="key"))
        port = bench.health_port
        await stack.enter_async_context(bench.balancer(port))
        await bench.select(wanted("r.1"))
        async with asyncio.timeout(10):
            while True:
                if '"ok"' in await fetched(port, "/readyz"):
                    break
                await asyncio.sleep(0.02)

        assert "tidegate_balancer_leading 0.0" in await fetched(port, "/metrics")

        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        await bench.select(wanted("s.1"), open_exchanges={ServerId("server-1"): 1})

        status = await bench.status()
        assert (status.epoch, status.strategy) == (2, "round_robin")
        assert sum(one.connections for one in status.servers) == 2
        await bench.journal()


async def test_leader_that_was_deposed_stops_answering(bench: Bench) -> None:
    async with listening() as port, bench.balancer() as task:
        bench.named(port)
        await bench.well(1)
        usurper = SubjectWriter(bench.log, subjects.EVT_BALANCER, WriterId("usurper"))
        async with asyncio.timeout(10):
            while True:
                for stored in await usurper.stored_behind():
                    usurper.note_stored(stored)
                usurper.epoch = usurper.link.epoch + 1
                event = LeaderElected(writer=usurper.writer, epoch=usurper.epoch)
                with suppress(Exception):
                    await usurper.append_events([event], usurper.next_instant(datetime.now(UTC)))
                    break

        pong = await bench.ask(subjects.BALANCER_PING, Ping())
        # Nobody else stands, so the deposed one is elected again, as a new leader.
        while pong.epoch <= usurper.epoch:
            pong = await bench.ask(subjects.BALANCER_PING, Ping())

        assert not task.done()
        assert (await bench.well(1)).epoch == usurper.epoch + 1


async def test_administration_is_journalled_and_answered(bench: Bench) -> None:
    async with listening() as port, bench.balancer():
        bench.named()
        added = await bench.admin(
            PutServer(server=server("new", url=f"http://127.0.0.1:{port}"), by="key")
        )

        assert added == ServersChanged(changed=["new"])

        await bench.well(1)

        strategy = await bench.admin(SetStrategy(strategy="round_robin", reason="x", by="key"))
        removed = await bench.admin(RemoveServer(server_id=ServerId("new"), by="key"))
        again = await bench.admin(RemoveServer(server_id=ServerId("new"), by="key"))

        assert strategy == ServersChanged(changed=["round_robin"])
        assert removed == ServersChanged(changed=["new"])
        assert isinstance(again, Failed)
        assert (await bench.status()).servers == []


async def test_wrong_commands_are_answered_with_what_was_expected(bench: Bench) -> None:
    async with bench.balancer():
        await bench.status()
        metadata = server("evil", url="http://169.254.169.254")

        refused = await bench.admin(PutServer(server=metadata, by="key"))

        assert isinstance(refused, Failed)
        assert "link-local" in refused.message
        for subject in (
            subjects.BALANCER_SELECT,
            subjects.BALANCER_STATUS,
            subjects.BALANCER_PING,
            subjects.BALANCER_ADMIN,
        ):
            for body in (b"", b"garbage", b'{"type":"select_servers","items":3}'):
                answer = replies.decode((await bench.client.request(subject, body)).data)
                assert isinstance(answer, Failed)
                assert answer.code == "bad_request"
        many = SelectServers(gateway_id=ONE, items=[wanted()] * 5000)
        too_many = await bench.ask(subjects.BALANCER_SELECT, many)
        assert too_many == Failed(code="bad_request", message="items: expected at most 4096")


async def test_changed_file_takes_effect_and_a_wrong_one_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "_LOOK_EVERY_S", 0.02)
    wrong = False

    def load() -> Settings:
        if wrong:
            raise SettingsError("tidegate.toml: balancer: strategy: expected another")
        return bench.settings

    stop = asyncio.Event()
    async with listening() as one, listening() as two:
        bench.named(one)
        task = asyncio.create_task(app.run(stop, bench.environment(), load))
        await bench.well(1)
        wrong = True
        await asyncio.sleep(0.1)
        bench.named(one, two)
        wrong = False
        await bench.well(2)
        stop.set()
        await task


async def test_nobody_is_sent_to_a_server_that_the_configuration_has_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever listens there meanwhile would be shown a credential."""
    at_the_doors: list[list[str]] = []
    open_doors = BalancerDoors.open_doors

    async def seen(doors: BalancerDoors) -> None:
        members = doors._balancer.fleet.members.values()
        at_the_doors.append([member.server.url for member in members])
        await open_doors(doors)

    monkeypatch.setattr(BalancerDoors, "open_doors", seen)
    async with listening() as before, listening() as now:
        bench.named(before)
        async with bench.balancer():
            await bench.well(1)
        bench.named(now)
        async with bench.balancer():
            await bench.well(1)

    assert at_the_doors == [[f"http://127.0.0.1:{port}"] for port in (before, now)]


async def test_servers_of_ones_own_wait_until_what_was_made_up_has_retired(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(leader, "_LOOK_EVERY_S", 0.1)
    async with listening() as demo, listening() as own:
        bench.named(demo)
        bench.settings = replace(bench.settings, demo=True, made_up=True)

        def load() -> Settings:
            looks.append(bench.settings.made_up)
            return bench.settings

        stop = asyncio.Event()
        task = asyncio.create_task(app.run(stop, bench.environment(), load))
        await bench.well(1)
        bench.named(own)
        seen = len(looks)
        await bench.shows(lambda status: f"{own}" in status.servers[0].server.url)

        assert len(looks) - seen > 2

        stop.set()
        await task


async def test_readiness_says_why_and_metrics_say_how_much(bench: Bench) -> None:
    answers = 503
    port = bench.health_port
    async with listening(lambda: answers) as one, bench.balancer(port):
        bench.named(one)
        await bench.shows(lambda status: len(status.servers) == 1)

        assert "no healthy server" in await fetched(port, "/readyz")
        answers = 200
        await bench.well(1)
        assert '{"status":"ok"}'.replace(":", ": ") in await fetched(port, "/readyz")
        await bench.select(wanted("r.1"), wanted("s.1", avoid=("server-1",)))

        metrics = await fetched(port, "/metrics")

    for line in (
        'tidegate_balancer_selections_total{server="server-1",strategy="least_connections"} 1.0',
        'tidegate_balancer_refused_total{service_type="image"} 1.0',
        'tidegate_balancer_in_flight{server="server-1"} 1.0',
        'tidegate_balancer_server_up{server="server-1"} 1.0',
        'tidegate_balancer_probes_total{result="good",server="server-1"}',
        "tidegate_balancer_leading 1.0",
    ):
        assert line in metrics


async def test_deadline_frees_a_server_whose_lease_never_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "_SWEEP_EVERY_S", 0.05)
    monkeypatch.setattr("services.balancer.domain.inflight.MARGIN_S", 0.0)
    async with listening() as port, bench.balancer():
        bench.named(port)
        await bench.well(1)
        await bench.select(wanted("r.1", expires_in_s=0.2))

        await bench.shows(lambda status: status.servers[0].connections == 0)


async def test_damaged_envelope_of_the_pool_is_skipped(bench: Bench) -> None:
    async with listening() as port, bench.balancer():
        bench.named(port)
        await bench.well(1)
        await bench.select(wanted("r.1"))
        await bench.client.request(subjects.evt_pool(), b"no envelope")
        for stored in await bench.pool.stored_behind():
            bench.pool.link = envelope.Link(sequence=stored.sequence)

        await bench.pool_journals(LeaseExpired(lease_id=LeaseId("r.1"), session_id=SessionId("s")))

        await bench.shows(lambda status: status.servers[0].connections == 0)


async def test_who_skipped_an_event_of_its_own_log_never_leads_and_says_so(bench: Bench) -> None:
    port = bench.health_port
    later = SubjectWriter(bench.log, subjects.EVT_BALANCER, WriterId("later"))
    await later.append_events([msgspec.Raw(b'{"type":"server_blessed"}')], datetime.now(UTC))
    async with bench.balancer(port):
        ready = ""
        async with asyncio.timeout(20):
            while "server_blessed" not in ready:
                await asyncio.sleep(0.05)
                ready = await fetched(port, "/readyz")

        assert "unknown to this one: server_blessed" in ready
        await asyncio.sleep(1)
        assert not any(isinstance(event, LeaderElected) for event in await bench.journal())


async def test_events_of_a_later_version_are_counted(bench: Bench) -> None:
    port = bench.health_port
    async with bench.balancer(port):
        await bench.status()
        await bench.pool_journals(msgspec.Raw(b'{"type":"lease_blessed"}'))

        async with asyncio.timeout(20):
            while True:
                if "tidegate_balancer_unknown_events 1.0" in await fetched(port, "/metrics"):
                    break
                await asyncio.sleep(0.05)


async def test_services_own_user_may_do_all_this(tmp_path: Path) -> None:
    port = natsserver.free_port()
    passwords = dict.fromkeys(subjects.USERS, "secret")
    (tmp_path / "users.conf").write_text(natsserver.accounts_text(passwords))
    config = tmp_path / "nats.conf"
    config.write_text(
        natsserver.configuration_text(tmp_path / "nats", port, tmp_path / "users.conf")
    )
    process = natsserver.start_server(config, tmp_path / "nats.log", port)
    try:
        await served_with_accounts(port, tmp_path)
    finally:
        process.terminate()
        process.wait(10)


async def served_with_accounts(port: int, home: Path) -> None:
    def url(user: str) -> str:
        return f"nats://{user}:secret@127.0.0.1:{port}"

    migrate = await nats.connect(url("migrate"), inbox_prefix=b"_INBOX_migrate")
    await streams.migrate_streams(migrate, 200_000_000)
    await migrate.close()
    gateway = await nats.connect(url("gateway"), inbox_prefix=b"_INBOX_gateway")
    bench = Bench(gateway, url("balancer"), home)
    async with listening() as server_port, bench.balancer():
        bench.named(server_port)
        await bench.well(1)
        (answer,) = await bench.select(wanted("r.1"))
        assert isinstance(answer, Selected)
    await gateway.close()

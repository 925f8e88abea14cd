"""Parts of the balancer that only misfortune shows: lost races, lost logs, servers that lie."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError

from contracts import subjects
from contracts.balancer import (
    BalancerEvent,
    ProbeServers,
    PutServer,
    SelectAnswers,
    SelectServers,
    ServerAdded,
    ServerRemoved,
)
from contracts.base import Failed, Instant, LeaderElected, Reply, SessionId, WriterId
from contracts.pool import SessionRecovered
from runtime.clock import system_clock
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from runtime.leadership import DeposedError
from runtime.nats import natsserver, streams
from runtime.nats.broker import Call, connect_broker, disconnect_broker, make_broker
from runtime.process import logs
from runtime.quantities import Seconds
from services.balancer import handlers, leader
from services.balancer.custom.host import CustomStrategies
from services.balancer.domain import Balancer, configuration_events
from services.balancer.metrics import Metrics
from services.balancer.probes import Probes, probe_client, probe_failure
from services.balancer.settings import BalancerSection
from services.balancer.store import BalancerJournal
from tests.integration.balancer.bench import Bench
from tests.tinyserver import listening
from tests.unit.balancer.builders import ONE, added, balancer_of, configured, server, up, wanted
from tests.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(nats_client: Client, nats_url: str, tmp_path: Path) -> Bench:
    return Bench(nats_client, nats_url, tmp_path)


def journal(client: Client, name: str) -> BalancerJournal:
    return BalancerJournal(
        client, Balancer(), WriterId(name), system_clock, logs.configure_logs("test")
    )


async def test_commit_that_lost_a_race_decides_again_on_what_was_written(
    nats_client: Client,
) -> None:
    first, second = journal(nats_client, "first"), journal(nats_client, "second")
    await first.commit(lambda _: [added("a")])
    seen: list[int] = []

    def decide(_: Instant) -> Sequence[BalancerEvent]:
        seen.append(len(second.balancer.fleet.members))
        return configuration_events(second.balancer.fleet, configured("round_robin", [server("a")]))

    events = await second.commit(decide)

    assert seen == [0, 1]
    assert not any(isinstance(event, ServerAdded) for event in events)


async def test_nothing_is_journalled_once_a_later_leader_was_read_of(nats_client: Client) -> None:
    deposed = journal(nats_client, "deposed")
    await deposed.commit(lambda _: [added("a")])
    successor = SubjectWriter(EventLog(nats_client), subjects.EVT_BALANCER, WriterId("later"))
    successor.note_stored((await successor.stored_behind())[0])
    successor.epoch = 1
    elected = [LeaderElected(writer=successor.writer, epoch=1)]
    await successor.append_events(elected, system_clock())

    commits = [deposed.commit(lambda _: [added("b")]) for _ in range(2)]
    outcomes = await asyncio.gather(*commits, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [DeposedError, DeposedError]
    assert await successor.stored_behind() == []


async def test_refusal_is_confirmed_behind_the_fence(nats_client: Client) -> None:
    one = journal(nats_client, "one")

    assert await one.commit(lambda _: []) == []
    assert one.writer.link.number == 0
    assert await one.commit(lambda _: [], confirm=True) == []
    assert one.writer.link.number == 1


async def lose_the_log(client: Client) -> None:
    await client.request("$JS.API.STREAM.DELETE.EVT", b"", timeout=5)


async def until_silent(client: Client) -> None:
    """Ask for a server until nobody answers."""
    body = handlers.msgspec.json.encode(SelectServers(gateway_id=ONE, items=[wanted()]))
    async with asyncio.timeout(20):
        with suppress(NatsTimeoutError):
            while True:
                await client.request(subjects.BALANCER_SELECT, body, timeout=0.5)


async def test_nothing_is_selected_without_the_log_and_administration_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "_SWEEP_EVERY_S", 0.05)
    async with listening() as port, bench.balancer() as task:
        bench.named(port)
        await bench.well(1)
        await lose_the_log(bench.client)

        await until_silent(bench.client)
        refused = await bench.admin(PutServer(server=server("b"), by="key"))

        assert isinstance(refused, Failed)
        assert refused.code == "ledger_unavailable"
        assert not task.done()


async def test_blame_that_cannot_be_journalled_ejects_nobody(nats_client: Client) -> None:
    one = journal(nats_client, "one")
    for event in (added("a"), up("a"), added("b"), up("b")):
        one.balancer.take_event(event)
    bench = Bench(nats_client, "", Path())
    blame = SessionRecovered(
        session_id=SessionId("s"), reason="server_blamed", server_id=server("a").server_id
    )
    await bench.pool_journals(blame)
    stored = await one.log.last_stored(subjects.evt_pool())
    assert stored is not None
    await lose_the_log(nats_client)

    await one._take_stored(stored)

    assert all(member.is_healthy for member in one.balancer.fleet.members.values())


async def test_blame_of_the_last_server_ejects_nobody(nats_client: Client) -> None:
    one = journal(nats_client, "one")
    for event in (added("a"), up("a")):
        one.balancer.take_event(event)
    bench = Bench(nats_client, "", Path())
    blame = SessionRecovered(
        session_id=SessionId("s"), reason="server_blamed", server_id=server("a").server_id
    )
    await bench.pool_journals(blame)
    stored = await one.log.last_stored(subjects.evt_pool())
    assert stored is not None

    await one._take_stored(stored)

    assert one.writer.link.number == 0
    assert one.balancer.fleet.members[server("a").server_id].is_healthy


async def measure(_: ProbeServers) -> Reply:
    return Failed(code="not_found", message="nothing is measured here")


async def doors(
    client: Client, url: str, *, leading: bool = True
) -> tuple[handlers.BalancerDoors, Any]:
    """Doors as a leader has them, over a connection of their own."""
    logger = logs.configure_logs("test")
    made = make_broker(url, "balancer", logger)
    own = await connect_broker(made)
    one = BalancerJournal(
        client, balancer_of(added("a"), up("a")), WriterId("one"), system_clock, logger
    )
    one.leadership.leading = leading
    custom = CustomStrategies(Path, {}, logger)
    metrics = Metrics(one.balancer)
    return handlers.BalancerDoors(made, own, one, metrics, measure, custom, logger), made


async def test_unexpected_fault_is_answered_too(
    nats_client: Client, nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(handlers, "hear_gateway", broken)
    opened, made = await doors(nats_client, nats_url)
    await opened.open_doors()

    body = handlers.msgspec.json.encode(SelectServers(gateway_id=ONE, items=[wanted()]))
    answer = await nats_client.request(subjects.BALANCER_SELECT, body)

    assert b'"code":"internal"' in answer.data
    await opened.close()
    await disconnect_broker(made)


async def test_doors_open_close_and_open_again(nats_client: Client, nats_url: str) -> None:
    opened, made = await doors(nats_client, nats_url)
    body = handlers.msgspec.json.encode(SelectServers(gateway_id=ONE, items=[wanted()]))
    await opened.close()
    for _ in range(2):
        await opened.open_doors()
        answer = await nats_client.request(subjects.BALANCER_SELECT, body)
        assert handlers.msgspec.json.decode(answer.data, type=SelectAnswers).items
        await opened.close()
    await disconnect_broker(made)


@pytest.mark.parametrize("deposed", [False, True])
async def test_nothing_is_answered_by_one_that_does_not_lead(
    nats_client: Client, nats_url: str, *, deposed: bool
) -> None:
    opened, made = await doors(nats_client, nats_url, leading=deposed)
    if deposed:
        successor = SubjectWriter(EventLog(nats_client), subjects.EVT_BALANCER, WriterId("two"))
        successor.epoch = 1
        elected = LeaderElected(writer=successor.writer, epoch=1)
        await successor.append_events([elected], system_clock())
    await opened.open_doors()
    body = handlers.msgspec.json.encode(SelectServers(gateway_id=ONE, items=[wanted()]))

    with pytest.raises(NatsTimeoutError):
        await nats_client.request(subjects.BALANCER_SELECT, body, timeout=0.5)

    await opened.close()
    await disconnect_broker(made)


async def test_nothing_is_selected_until_all_is_read_that_came_while_nats_was_away(
    nats_client: Client, nats_url: str
) -> None:
    """What failed meanwhile is in the log, and whoever selects has to know it."""
    opened, made = await doors(nats_client, nats_url)
    await opened.open_doors()
    pool = SubjectWriter(EventLog(nats_client), subjects.evt_pool(), WriterId("pool"))
    await pool.append_events(
        [SessionRecovered(session_id=SessionId("s"), reason="")], system_clock()
    )
    body = handlers.msgspec.json.encode(SelectServers(gateway_id=ONE, items=[wanted()]))
    nats_client.stats["reconnects"] += 1

    with pytest.raises(NatsTimeoutError):
        await nats_client.request(subjects.BALANCER_SELECT, body, timeout=0.5)

    reading = asyncio.create_task(opened._journal.follow_pool(0))
    answer = await nats_client.request(subjects.BALANCER_SELECT, body, timeout=5)
    assert handlers.msgspec.json.decode(answer.data, type=SelectAnswers).items
    reading.cancel()
    await opened.close()
    await disconnect_broker(made)


async def test_commands_that_wait_when_the_leader_steps_down_are_answered(
    nats_client: Client, nats_url: str
) -> None:
    opened, made = await doors(nats_client, nats_url)
    inbox = nats_client.new_inbox()
    answers = await nats_client.subscribe(inbox)
    for _ in range(2):  # a flush overtakes what is pending; the second does not
        await nats_client.flush()
    for _ in range(1025):
        await opened._enqueue_call(opened._queue, Call(inbox, b"{}"))

    first = await answers.next_msg(5)
    await opened.close()
    second = await answers.next_msg(5)

    assert b"too many commands wait" in first.data
    assert b'"code":"not_leader"' in second.data
    await disconnect_broker(made)


async def hung(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await asyncio.sleep(10)
    finally:
        writer.close()


async def test_probe_says_what_failed() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\0garbage" * 100 + b"\r\n\r\n")
        writer.close()

    quiet = await asyncio.start_server(hung, "127.0.0.1", 0)
    wild = await asyncio.start_server(garbage, "127.0.0.1", 0)
    async with probe_client() as client, listening() as good, listening(lambda: 302) as away:

        async def asked(port: int) -> str | None:
            return await probe_failure(client, server("a", url=f"http://127.0.0.1:{port}/"), 0.2)

        assert await asked(good) is None
        assert await asked(away) == "status 302"
        assert await asked(quiet.sockets[0].getsockname()[1]) == "no answer within 0.2 s"
        assert await asked(natsserver.free_port()) == "no connection: connection refused"
        failure = await asked(wild.sockets[0].getsockname()[1])
        assert failure is not None
        assert failure.startswith("RemoteProtocolError")
        assert len(failure) <= 200
    quiet.close()
    wild.close()


async def test_server_that_was_removed_or_moved_is_not_asked_any_more() -> None:
    asked: list[str] = []
    balancer = balancer_of(added("a"))
    section = BalancerSection(probe_interval=Seconds(0.01))
    async with probe_client() as client, listening() as port:
        url = f"http://127.0.0.1:{port}"
        balancer.take_event(ServerAdded(server=server("a", url=url)))
        balancer.take_event(ServerAdded(server=server("b", url=url)))
        probes = Probes(client, lambda: balancer.fleet, lambda: 0.5)
        task = asyncio.create_task(probes.run(lambda: section, lambda one, _: asked.append(one)))
        await until(lambda: asked.count("a") > 1)
        balancer.take_event(ServerRemoved(server_id=server("a").server_id))
        probes.fleet_changed()
        await until(lambda: asked[-2:] == ["b", "b"])
        probes.hasten_probe(server("a").server_id)
        before = len(asked)
        await until(lambda: len(asked) > before + 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert set(asked[before:]) == {"b"}


async def test_log_that_is_away_at_take_over_is_waited_for(nats_client: Client) -> None:
    await lose_the_log(nats_client)
    end = asyncio.create_task(journal(nats_client, "one").log_end())
    await asyncio.sleep(0.3)

    assert not end.done()

    await streams.migrate_streams(nats_client, 200_000_000)

    assert await end == 0

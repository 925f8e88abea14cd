"""Sessions that are made up: for the demo's own servers, and until another kind is written."""

import asyncio

import pytest
from msgspec.structs import replace
from nats.aio.client import Client

from contracts.balancer import (
    CONFIGURATION,
    DEMO,
    BalancerEvent,
    Server,
    ServerAdded,
    ServerChanged,
    ServerRemoved,
    StrategyChanged,
)
from contracts.base import ServerId, WriterId
from contracts.pool import SessionRetired, SessionStatus
from contracts.subjects import EVT_BALANCER
from runtime.clock import system_clock
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from services.pool.settings import ProvisionerSection, Settings
from tests.integration.pool.room import Room, events, pool, settings
from tests.waiting import until


def unwritten(*, demo: bool, sessions: int = 3, limit: int = 10) -> Settings:
    """Settings in which nobody wrote where sessions come from."""
    wanted = settings(sessions, limit, provisioner=ProvisionerSection())
    return replace(wanted, demo=demo)


async def journal_balancer(client: Client, *happened: BalancerEvent) -> None:
    writer = SubjectWriter(EventLog(client), EVT_BALANCER, WriterId("balancer"))
    for stored in await writer.stored_behind():
        writer.note_stored(stored)
    await writer.append_events(happened, writer.next_instant(system_clock()))


async def put_in_force(client: Client, source: str, *names: str) -> None:
    """The balancer puts the configuration of this digest, with these servers, in force."""
    added = [ServerAdded(server=demo_server(name), source=source) for name in names]
    event = StrategyChanged(strategy="round_robin", reason="configuration", source=source)
    await journal_balancer(client, *added, event)


def demo_server(name: str, host: str = "demo") -> Server:
    return Server(server_id=ServerId(name), url=f"http://{host}/{name}")


def standing_count(room: Room, status: SessionStatus = SessionStatus.ACTIVE) -> int:
    return room.parts.ledger.state.standing[status]


async def test_sessions_are_made_up_once_the_log_says_that_the_servers_are_the_demos(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: unwritten(demo=True)) as room:
        await until(lambda: room.parts.leadership.leading)
        await until(lambda: "demo's servers" in room.parts.unready_reason())

        assert standing_count(room) == 0

        await put_in_force(nats_client, f"{CONFIGURATION}1{DEMO}")

        await room.leading()
        assert standing_count(room) == 3


async def test_nothing_is_made_up_beside_servers_of_a_configuration(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: unwritten(demo=False)) as room:
        await room.leading()
        assert standing_count(room) == 0


async def test_lost_configuration_changes_neither_policy_nor_sessions_until_it_is_accepted(
    nats_url: str, nats_client: Client
) -> None:
    now: list[Settings] = [settings(2, 7)]
    await put_in_force(nats_client, f"{CONFIGURATION}own")
    async with pool(nats_url, lambda: now[0]) as room:
        await room.leading()
        before = room.parts.ledger.state.policy

    now[0] = unwritten(demo=True, sessions=5, limit=10)
    async with pool(nats_url, lambda: now[0]) as room:
        await room.leading()
        await asyncio.sleep(3)  # longer than settings are looked at

        assert room.parts.ledger.state.policy == before
        assert standing_count(room) == 2

        await put_in_force(nats_client, f"{CONFIGURATION}1{DEMO}")

        await until(lambda: standing_count(room) == 5)
        assert room.parts.ledger.state.policy.min_size == 5


async def test_file_that_was_emptied_changes_no_policy_where_there_never_was_a_demo(
    nats_url: str, nats_client: Client
) -> None:
    """Each account would do more than was written."""
    now: list[Settings] = [settings(2, 3)]
    source = f"{CONFIGURATION}own"
    await put_in_force(nats_client, source, "mine")
    async with pool(nats_url, lambda: now[0]) as room:
        await room.leading()
        before = room.parts.ledger.state.policy

        now[0] = replace(unwritten(demo=False, sessions=5, limit=10), serverless=True)
        await asyncio.sleep(3)  # longer than settings are looked at

        assert room.parts.ledger.state.policy == before

    async with pool(nats_url, lambda: now[0]) as room:  # and so does the next leader
        await room.leading()
        await asyncio.sleep(3)

        assert room.parts.ledger.state.policy == before

        gone = ServerRemoved(server_id=ServerId("mine"), source=f"{CONFIGURATION}none")
        event = StrategyChanged(
            strategy="round_robin", reason="configuration", source=f"{CONFIGURATION}none"
        )
        await journal_balancer(nats_client, gone, event)

        await until(lambda: room.parts.ledger.state.policy.min_size == 5)


async def test_servers_of_the_api_alone_hold_no_policy(nats_url: str, nats_client: Client) -> None:
    """No configuration brought them, so none was lost."""
    now = [replace(settings(2, 3), serverless=True)]
    await put_in_force(nats_client, f"{CONFIGURATION}none")
    await journal_balancer(
        nats_client, ServerAdded(server=demo_server("mine", "own"), source="by:key_1")
    )
    async with pool(nats_url, lambda: now[0]) as room:
        await room.leading()
        now[0] = replace(settings(2, 7), serverless=True)
        await until(lambda: 7 in room.parts.ledger.state.policy.daily_limits.values())


async def test_earlier_demo_in_the_log_makes_up_nothing(nats_url: str, nats_client: Client) -> None:
    """What counts is the log's end, not what is read on the way to it."""
    await put_in_force(nats_client, f"{CONFIGURATION}1{DEMO}")
    await put_in_force(nats_client, f"{CONFIGURATION}own")
    async with pool(nats_url, lambda: settings(1, 7)) as room:
        await room.leading()
    async with pool(nats_url, lambda: unwritten(demo=True)) as room:
        await room.leading()
        await until(lambda: not room.parts.unready_reason())

        assert standing_count(room) == 1


@pytest.mark.parametrize(
    "came",
    [
        ServerAdded(server=demo_server("mine", "own"), source="by:key_1"),
        ServerChanged(server=demo_server("server-1", "own"), source="by:key_1"),
        ServerAdded(server=demo_server("mine", "own")),
    ],
)
async def test_nothing_more_is_made_up_beside_a_server_that_an_operator_put_there(
    nats_url: str, nats_client: Client, came: ServerAdded | ServerChanged
) -> None:
    await put_in_force(nats_client, f"{CONFIGURATION}1{DEMO}", "server-1", "server-2")
    now = [unwritten(demo=True, sessions=2)]
    async with pool(nats_url, lambda: now[0]) as room:
        await until(lambda: room.parts.leadership.leading)
        await until(lambda: standing_count(room) == 2)
        await journal_balancer(nats_client, came)
        now[0] = unwritten(demo=True, sessions=5)
        await until(lambda: room.parts.ledger.state.policy.min_size == 5)
        await asyncio.sleep(1)  # longer than sessions are looked at

        assert standing_count(room) == 2, "those that are there stay"
        assert room.parts.unready_reason() == ""

        if isinstance(came, ServerAdded):
            back: BalancerEvent = ServerRemoved(server_id=came.server.server_id, source="by:key_1")
        else:
            back = ServerChanged(server=demo_server("server-1"), source="by:key_1")
        await journal_balancer(nats_client, back)

        await until(lambda: standing_count(room) == 5)


async def test_demo_of_an_earlier_version_goes_on(nats_url: str, nats_client: Client) -> None:
    """It did not say of its servers whose they are; applied anew, the strategy alone says it."""
    await put_in_force(nats_client, f"{CONFIGURATION}before", "server-1")
    await put_in_force(nats_client, f"{CONFIGURATION}1{DEMO}")
    weighed = replace(demo_server("server-1"), weight=7)
    await journal_balancer(nats_client, ServerChanged(server=weighed, source="by:key_1"))
    async with pool(nats_url, lambda: unwritten(demo=True, sessions=2)) as room:
        await until(lambda: room.parts.leadership.leading)

        await until(lambda: standing_count(room) == 2)


async def test_generated_sessions_retire_when_another_kind_is_written_and_not_before(
    nats_url: str, nats_client: Client
) -> None:
    now = [settings(3)]
    async with pool(nats_url, lambda: now[0]) as room:
        await room.leading()
        now[0] = unwritten(demo=False)
        await until(lambda: room.parts.ledger.state.policy_source is not None)
        await asyncio.sleep(3)  # longer than settings are looked at

        assert standing_count(room) == 3

        now[0] = settings(3, provisioner=ProvisionerSection(kind="none"))

        await until(lambda: standing_count(room, SessionStatus.RETIRED) == 3)
        found = await events(nats_client, SessionRetired)
        assert {(one.by, one.reason) for one in found} == {
            ("configuration", "sessions come from 'none' now")
        }

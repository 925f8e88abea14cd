"""Messages that came into the log's subjects by a side door: nobody believes them or dies of them.

Whoever may ask a question chooses where its answer goes (ADR 10).
"""

import asyncio

import msgspec
import pytest
import structlog
from nats.aio.client import Client

from contracts import subjects
from contracts.balancer import ServerRemoved
from contracts.base import ServerId, SessionId, WriterId
from contracts.gateway import KeyBounds, Scope
from contracts.pool import Granted, SessionRecovered
from runtime.clock import system_clock
from runtime.eventlog import EventLog, Stored
from runtime.eventlog.writer import SubjectWriter
from runtime.nats.broker import Call, send_reply
from services.balancer.domain import Balancer
from services.balancer.store import BalancerJournal
from services.gateway.clients.keys import Key
from services.gateway.fleetlog import FleetLog
from tests.integration.gateway.keylog import following, issue, key_log
from tests.integration.pool.room import image_wanted, lease, pool, settings, status
from tests.moments import NOON
from tests.unit.balancer.builders import added, up
from tests.waiting import until

pytestmark = pytest.mark.anyio


async def subject(client: Client, name: str) -> list[Stored]:
    """Everything that is stored on a subject, strays and all."""
    log = EventLog(client)
    last = await log.last_stored(name)
    assert last is not None
    return [one async for batch in log.read_range(name, 0, last.sequence) for one in batch]


async def strewn(client: Client, name: str) -> None:
    """Publish what is no envelope, and envelopes that stand in the log already."""
    stored = await subject(client, name)
    for body in (b"", b"no envelope", b'{"type":"io.nats.jetstream.api.v1.account_info"}'):
        await client.request(name, body, timeout=5)
    for one in (stored[0], stored[-1]):
        await client.request(name, one.body, timeout=5)


async def test_pool_and_its_standby_step_over_strays(nats_url: str, nats_client: Client) -> None:
    name = subjects.evt_pool()
    async with pool(nats_url, lambda: settings(2)) as one:
        await one.leading()
        await lease(nats_client, image_wanted("r1"))
        await strewn(nats_client, name)
        (second,) = await lease(nats_client, image_wanted("r2"))
        async with pool(nats_url, lambda: settings(2)) as two:
            await until(lambda: two.parts.unready_reason() == "")
            await strewn(nats_client, name)
            await one.killed()
            await two.leading()
            (third,) = await lease(nats_client, image_wanted("r3"))
            left = (await status(nats_client)).remaining["image"]

    writer = SubjectWriter(EventLog(nats_client), name, WriterId("reader"))
    numbers = [
        seen.number
        for stored in await subject(nats_client, name)
        if (seen := writer.note_stored(stored)) is not None
    ]

    assert isinstance(second, Granted)
    assert isinstance(third, Granted)
    assert left == 17
    assert numbers == list(range(1, len(numbers) + 1))


async def test_repeated_envelope_does_not_bring_back_a_revoked_key(nats_client: Client) -> None:
    log, late = key_log(nats_client, "one"), key_log(nats_client, "late")
    async with following(log):
        key, text = await issue(log, "guest")
        assert isinstance(await log.revoke_key(key.key_id, "lost", "test"), Key)
        await strewn(nats_client, subjects.EVT_KEYS)
        other = await log.issue_key("other", Scope.CLIENT, KeyBounds(), "test")
        async with following(late):
            found = [one.find_key(text) for one in (log, late)]
            names = [key.name for key in late.ring.all_keys()]

    assert isinstance(other, tuple)
    assert found == [None, None]
    assert names == ["guest", "other"]


async def test_nobody_is_answered_but_in_an_inbox(nats_client: Client) -> None:
    name = subjects.evt_pool()
    before = await EventLog(nats_client).stream_state()
    heard = await nats_client.subscribe("_INBOX_gateway.one")
    for where in (name, "$KV.credentials.ses_1", "rpc.balancer.admin", "_INBOX_gateway.one"):
        await send_reply(nats_client, Call(where, b""), b"{}")
    message = await heard.next_msg(10)
    await nats_client.flush()

    assert message.data == b"{}"
    assert (await EventLog(nats_client).stream_state()).messages == before.messages


async def test_repeated_envelope_brings_no_removed_server_back(nats_client: Client) -> None:
    writer = SubjectWriter(EventLog(nats_client), subjects.EVT_BALANCER, WriterId("balancer"))
    for event in (added("a"), added("b"), ServerRemoved(server_id=ServerId("a"))):
        await writer.append_events([event], NOON)
    first, *_ = await subject(nats_client, subjects.EVT_BALANCER)
    await nats_client.request(subjects.EVT_BALANCER, first.body, timeout=5)
    writer.note_stored((await subject(nats_client, subjects.EVT_BALANCER))[-1])
    await writer.append_events([added("c")], NOON)
    log = FleetLog(EventLog(nats_client), structlog.get_logger())

    async with asyncio.TaskGroup() as group:
        task = group.create_task(log.run())
        await until(lambda: "c" in server_names(log))
        task.cancel()

    assert server_names(log) == ["b", "c"]


def server_names(log: FleetLog) -> list[str]:
    return [server.server_id for server in log.fleet.all_servers()]


async def test_repeated_envelope_of_the_pool_blames_nobody_again(nats_client: Client) -> None:
    one = BalancerJournal(
        nats_client, Balancer(), WriterId("balancer"), system_clock, structlog.get_logger()
    )
    for event in (added("a"), up("a"), added("b"), up("b")):
        one.balancer.take_event(event)
    pool_writer = SubjectWriter(EventLog(nats_client), subjects.evt_pool(), WriterId("pool"))
    blame = SessionRecovered(
        session_id=SessionId("s"), reason="server_blamed", server_id=ServerId("a")
    )
    await pool_writer.append_events([], NOON)
    await pool_writer.append_events([blame], NOON)
    blamed, *_ = (await subject(nats_client, subjects.evt_pool()))[1:]

    await one._take_stored(blamed)

    assert one.health_changed.is_set()
    assert [*one.balancer.accused] == ["a"]
    one.balancer.accused = {}
    await one._take_stored(msgspec.structs.replace(blamed, sequence=3))

    assert one.balancer.accused == {}

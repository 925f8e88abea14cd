"""The event log and its writer against a real nats-server."""

import asyncio

import pytest
from nats.aio.client import Client

from contracts import envelope
from contracts.base import LeaderElected, WriterId
from runtime.eventlog import EventLog, FenceError
from runtime.eventlog.writer import SubjectWriter
from tests.moments import NOON

pytestmark = pytest.mark.anyio


def elected(epoch: int) -> LeaderElected:
    return LeaderElected(writer=WriterId("w"), epoch=epoch)


async def test_second_writer_is_fenced_and_catches_up(nats_client: Client) -> None:
    log = EventLog(nats_client)
    one = SubjectWriter(log, "evt.pool.0", WriterId("one"))
    two = SubjectWriter(log, "evt.pool.0", WriterId("two"))
    await one.append_events([elected(1)], NOON)

    with pytest.raises(FenceError):
        await two.append_events([elected(1)], NOON)
    for stored in await two.stored_behind():
        two.note_stored(stored)
    await two.append_events([elected(2)], NOON)

    with pytest.raises(FenceError):
        await one.append_events([elected(3)], NOON)


async def test_chain_reads_back_in_order_while_it_grows(nats_client: Client) -> None:
    log = EventLog(nats_client)
    writer = SubjectWriter(log, "evt.pool.0", WriterId("one"))

    async def write() -> None:
        for epoch in range(300):
            await writer.append_events([elected(epoch)], NOON)

    task = asyncio.create_task(write())
    link = envelope.Link()
    async for batch in log.follow_from(["evt.>"], 0):
        for stored in batch:
            found = envelope.decode_envelope(stored.body)
            assert envelope.chain_break(link, found) is None
            link = envelope.link_to(stored.sequence, stored.body, found)
        if link.number == 300:
            break
    await task
    assert link.sequence == writer.link.sequence

"""A leader that has nothing to journal proves all the same that the log takes writes (ADR 26)."""

import pytest
from nats.aio.client import Client
from prometheus_client import generate_latest

from contracts import subjects
from contracts.base import Ping, Pong
from contracts.pool import Granted
from runtime.eventlog import UNWRITABLE
from runtime.eventlog import writer as writing
from tests.bounded import bound
from tests.integration.pool.room import (
    ask_pool,
    audit_log,
    envelopes,
    image_wanted,
    lease,
    pool,
    status,
)
from tests.waiting import eventually, until

pytestmark = pytest.mark.anyio


async def test_an_idle_leader_appends_envelopes_without_events_that_everybody_reads_on(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pool(nats_url) as one:
        await one.leading()
        before = await envelopes(nats_client)

        assert isinstance((await lease(nats_client, image_wanted()))[0], Granted)
        assert [made for made in before if not made.events] == []

        monkeypatch.setattr(writing, "_WRITE_EVERY_S", 0.1)

        async def empties() -> bool:
            return sum(not made.events for made in await envelopes(nats_client)) >= 3

        await eventually(empties)
        monkeypatch.setattr(writing, "_WRITE_EVERY_S", 30.0)
        assert isinstance((await lease(nats_client, image_wanted()))[0], Granted)
        last = one.parts.leadership.writer.link
        async with pool(nats_url) as two:
            await until(lambda: two.parts.leadership.writer.link == last)

            assert two.parts.ledger.state.sequence == last.sequence
            assert len(two.parts.ledger.state.opened) == 2
    assert (await audit_log(nats_client)).violations == []


async def test_a_leader_says_that_the_log_takes_no_writes_and_when_it_does_again(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_WRITE_EVERY_S", 0.1)
    monkeypatch.setattr(writing, "_UNWRITABLE_S", 0.5)
    async with pool(nats_url) as room:
        await room.leading()

        assert room.parts.unready_reason() == ""

        await bound(nats_client, 1)

        await until(lambda: room.parts.unready_reason() == UNWRITABLE)
        pong = await ask_pool(nats_client, subjects.pool_ping(), Ping())
        assert isinstance(pong, Pong)
        assert pong.unwritable_s >= 0.5
        assert (await status(nats_client)).unwritable_s >= 0.5
        assert b"tidegate_pool_log_unwritable_seconds 0.0" not in generate_latest(
            room.parts.metrics.registry
        )

        await bound(nats_client, 100_000_000)
        await until(lambda: room.parts.unready_reason() == "")
        assert (await ask_pool(nats_client, subjects.pool_ping(), Ping())).unwritable_s == 0
        assert isinstance((await lease(nats_client, image_wanted()))[0], Granted)

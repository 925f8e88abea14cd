"""The hashes of its ledger that a leader journals, and an auditor who compares them."""

import asyncio

import msgspec
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError

from contracts import envelope, subjects
from contracts.base import Ping, Pong
from contracts.pool import Granted, Outcome, PoolCheckpointed
from runtime.eventlog import EventLog
from services.pool.audit import Auditor, ViolationKind
from services.pool.commits import rounds
from tests.integration.pool.room import (
    ask_pool,
    audit_log,
    end,
    envelopes,
    give_back,
    image_wanted,
    lease,
    pool,
    settings,
    usage_of,
)
from tests.waiting import until

pytestmark = pytest.mark.anyio


async def some_of_everything(client: Client) -> None:
    """Leases that are settled, unknown, cancelled and left open; an id that is forbidden."""
    for _ in range(4):
        granted = await lease(client, *(image_wanted() for _ in range(8)))
        leases = [one for one in granted if isinstance(one, Granted)]
        for one, outcome in zip(leases, (Outcome.SETTLED, Outcome.UNKNOWN), strict=False):
            await end(client, usage_of(one, outcome))
        await give_back(client, leases[2].lease_id.rpartition(".")[0])
        await give_back(client, "never-granted")


async def test_a_term_that_ends_in_good_order_ends_with_a_checkpoint(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: settings(4, limit=20)) as one:
        await one.leading()
        await some_of_everything(nats_client)
        await one.stopped()
    async with pool(nats_url, lambda: settings(4, limit=20)) as two:
        await two.leading()
        await some_of_everything(nats_client)
        await two.stopped()

        last = await EventLog(nats_client).last_stored(subjects.evt_pool())

        assert last is not None
        assert isinstance(envelope.decode_envelope(last.body).events[0], PoolCheckpointed)
        auditor = await audit_log(nats_client)
        assert auditor.violations == []
        assert auditor.checkpoints == 2


async def test_a_leader_that_lets_nothing_in_any_more_answers_pings_until_its_last_word(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as one, pool(nats_url) as two:
        await until(lambda: one.parts.leadership.leading or two.parts.leadership.leading)
        leader, standby = (one, two) if one.parts.leadership.leading else (two, one)
        await leader.leading()
        await until(lambda: standby.parts.leadership.hears_leader)

        await leader.parts.leader._doors.drain_doors()

        with pytest.raises(NoRespondersError):
            await lease(nats_client, image_wanted())
        assert isinstance(await ask_pool(nats_client, subjects.pool_ping(), Ping()), Pong)

        await leader.stopped()
        await standby.leading()
        terms = [made for made in await envelopes(nats_client) if made.epoch == 1]
        assert isinstance(terms[-1].events[0], PoolCheckpointed)
        assert (await audit_log(nats_client)).violations == []


async def test_a_busy_leader_checkpoints_as_it_goes_and_an_idle_one_does_not(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "CHECKPOINT_EVENTS", 20)
    async with pool(nats_url, lambda: settings(4, limit=20)) as one:
        await one.leading()
        await some_of_everything(nats_client)
        standing = await audit_log(nats_client)

        assert standing.violations == []
        assert standing.checkpoints >= 3

        monkeypatch.setattr(rounds, "CHECKPOINT_EVERY_S", 0.0)
        last = one.parts.leadership.writer.link.sequence
        await until(lambda: one.parts.leadership.writer.link.sequence > last)
        last = one.parts.leadership.writer.link.sequence
        await asyncio.sleep(1)

        assert one.parts.leadership.writer.link.sequence == last
        assert (await audit_log(nats_client)).checkpoints == standing.checkpoints + 1


async def test_a_leader_whose_memory_differs_from_its_log_is_convicted_by_its_checkpoint(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: settings(4, limit=20)) as one:
        await one.leading()
        await some_of_everything(nats_client)
        session = next(iter(one.parts.ledger.state.sessions.values()))
        session.risks += 1
        await one.stopped()

        auditor = await audit_log(nats_client)

        assert [violation.kind for violation in auditor.violations] == [
            ViolationKind.STATE_HASH_DIFFERS
        ]


async def test_a_forged_checkpoint_is_convicted_though_its_chain_is_whole(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as one:
        await one.leading()
        await one.stopped()
    log, auditor, link = EventLog(nats_client), Auditor(subjects.evt_pool()), envelope.Link()
    last = await log.last_stored(subjects.evt_pool())
    assert last is not None
    async for batch in log.read_range(subjects.evt_pool(), 0, last.sequence):
        for stored in batch:
            made = envelope.decode_envelope(stored.body)
            events = [
                msgspec.structs.replace(event, state_hash="0" * 64)
                if isinstance(event, PoolCheckpointed)
                else event
                for event in made.events
            ]
            body = envelope.seal_events(link, made.writer, made.epoch, made.time, events)
            link = envelope.link_to(stored.sequence, body, envelope.decode_envelope(body))
            auditor.audit_envelope(stored.sequence, body, envelope.decode_envelope(body))

    assert [violation.kind for violation in auditor.violations] == [
        ViolationKind.STATE_HASH_DIFFERS
    ]

"""The writer's loop under commands it cannot decide, or cannot even take in."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError

from contracts import envelope, subjects
from contracts.base import Failed, Ping, Pong
from contracts.pool import (
    EndLeases,
    Granted,
    LeaseAnswers,
    PoolStatus,
    PoolStatusReply,
    Refusal,
    Refused,
)
from services.pool.commits.batches import LEASE, CommandBatch, CommandKind
from services.pool.commits.committer import ITEMS_MAX
from tests.integration.pool.cable import wire
from tests.integration.pool.room import (
    ask_pool,
    end,
    envelopes,
    image_wanted,
    lease,
    pool,
    settings,
    status,
    usage_of,
)
from tests.waiting import until

pytestmark = pytest.mark.anyio


def broken(_state: object, _item: object, _now: object) -> Any:
    raise ZeroDivisionError


BROKEN = CommandKind("broken", broken, lambda answers: answers[0], lambda _items, _why: None)


async def test_command_that_cannot_be_decided_fails_alone(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: settings(5)) as room:
        await room.leading()
        committer = room.parts.leader._committer
        before = [
            asyncio.ensure_future(committer.submit_own(CommandBatch(LEASE, [image_wanted()])))
            for _ in range(3)
        ]
        culprit = asyncio.ensure_future(committer.submit_own(CommandBatch(BROKEN, [1, 2])))
        after = [
            asyncio.ensure_future(committer.submit_own(CommandBatch(LEASE, [image_wanted()])))
            for _ in range(3)
        ]

        answer = await culprit

        assert isinstance(answer, Failed)
        assert answer.code == "internal"
        for answers in [*await asyncio.gather(*before), *await asyncio.gather(*after)]:
            assert isinstance(answers, LeaseAnswers)
            assert isinstance(answers.items[0], Granted)
        assert (await status(nats_client)).remaining == {"image": 44}


async def test_more_than_may_wait_is_turned_away_and_leases_are_told(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        one = image_wanted("r1")

        answers = await lease(nats_client, *[one] * (ITEMS_MAX + 1))

        assert len(answers) == ITEMS_MAX + 1
        assert {one.reason for one in answers if isinstance(one, Refused)} == {
            Refusal.LEDGER_UNAVAILABLE
        }
        assert not room.parts.ledger.state.leases


async def test_ends_turned_away_are_not_answered_so_that_they_come_again(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        (granted,) = await lease(nats_client, image_wanted())
        assert isinstance(granted, Granted)

        command = EndLeases(items=[usage_of(granted)] * (ITEMS_MAX + 1))

        with pytest.raises(NatsTimeoutError):
            await ask_pool(nats_client, subjects.pool_end(), command, within_s=0.5)

        assert await end(nats_client, usage_of(granted)) == ["journalled"]


async def test_empty_batch_is_answered_at_once(nats_url: str, nats_client: Client) -> None:
    async with pool(nats_url) as room:
        await room.leading()

        assert await lease(nats_client) == []


async def test_status_and_ping_are_answered_by_whoever_leads(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()

        pong = await ask_pool(nats_client, subjects.pool_ping(), Ping())
        found = await status(nats_client, sessions=True)

        writer = room.parts.leadership.writer
        assert pong == Pong(writer=writer.writer, epoch=1, sequence=writer.link.sequence)
        assert (found.epoch, found.sequence) == (1, writer.link.sequence)
        assert [one.remaining for one in found.sessions] == [{"image": 10}]


async def test_status_waits_for_the_append_under_way_and_never_shows_what_may_fail(
    nats_url: str, nats_client: Client
) -> None:
    async with wire(nats_url) as cable, pool(cable.url) as room:
        await room.leading()
        cable.clog(down=False)
        committer = room.parts.leader._committer
        granting = asyncio.ensure_future(
            committer.submit_own(CommandBatch(LEASE, [image_wanted()]))
        )
        await until(lambda: committer._appending)
        asked = asyncio.create_task(
            ask_pool(nats_client, subjects.pool_status(), PoolStatus(), within_s=5)
        )
        await until(lambda: bool(committer._unproved))
        cable.restore()

        found = await asked

        assert isinstance(found, PoolStatusReply)
        assert (found.open_leases, found.sequence) == (1, (await journal_end(nats_client)))
        await granting


async def journal_end(client: Client) -> int:
    return (await client.jetstream().stream_info("EVT")).state.last_seq


async def test_seconds_of_a_grant_count_from_its_answer(nats_url: str, nats_client: Client) -> None:
    offset = timedelta()
    base = datetime(2026, 3, 1, 12, tzinfo=UTC)
    async with wire(nats_url) as cable, pool(cable.url, now=lambda: base + offset) as room:
        await room.leading()
        cable.clog(down=False)
        committer = room.parts.leader._committer
        granting = asyncio.ensure_future(
            committer.submit_own(CommandBatch(LEASE, [image_wanted(asked_at=base)]))
        )
        await until(lambda: committer._appending)
        offset = timedelta(seconds=7)
        cable.restore()

        answer = await granting

        assert isinstance(answer, LeaseAnswers)
        granted = answer.items[0]

        assert isinstance(granted, Granted)
        assert (granted.send_within_s, granted.expires_in_s) == (23, 893)


async def test_every_envelope_follows_the_one_before(nats_url: str, nats_client: Client) -> None:
    async with pool(nats_url, lambda: settings(20)) as room:
        await room.leading()
        for _ in range(5):
            await asyncio.gather(*(lease(nats_client, image_wanted()) for _ in range(30)))
        made = await envelopes(nats_client)

        assert [one.number for one in made] == list(range(1, len(made) + 1))
        assert all(one.time <= two.time for one, two in pairwise(made))
        assert made[0].previous_hash == envelope.GENESIS_HASH

"""A whole pool on a real nats-server: what a gateway may rely on."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from nats.aio.client import Client

from contracts import envelope, subjects
from contracts.base import Failed, RequestId
from contracts.pool import (
    CancelAnswer,
    EndAnswer,
    Granted,
    LeaseSessions,
    Refusal,
    Refused,
    RenewLeases,
)
from runtime.eventlog import EventLog
from services.pool.domain import state_hash
from tests.integration.pool.room import (
    ask_pool,
    end,
    give_back,
    image_wanted,
    lease,
    pool,
    settings,
    status,
    usage_of,
)
from tests.waiting import until

pytestmark = pytest.mark.anyio


async def last_envelope(client: Client) -> envelope.Envelope:
    stored = await EventLog(client).last_stored(subjects.evt_pool())
    assert stored is not None
    return envelope.decode_envelope(stored.body)


async def test_thousand_concurrent_wishes_get_exactly_the_ten_units(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()

        answers = await asyncio.gather(*(lease(nats_client, image_wanted()) for _ in range(1000)))

        kinds = [answer for (answer,) in answers]
        assert sum(isinstance(one, Granted) for one in kinds) == 10
        refused = [one for one in kinds if isinstance(one, Refused)]
        assert {one.reason for one in refused} == {Refusal.QUOTA_EXHAUSTED}


async def test_one_batch_longer_than_an_envelope_is_answered_in_order(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: settings(3, 100)) as room:
        await room.leading()
        items = [image_wanted(f"r{number}", path="/" + "x" * 2000) for number in range(400)]

        answers = await lease(nats_client, *items)

        granted = [answer for answer in answers if isinstance(answer, Granted)]
        assert [one.lease_id for one in granted] == [f"r{number}.1" for number in range(300)]
        log = EventLog(nats_client)
        state = await log.stream_state()
        async for batch in log.read_range(subjects.evt_pool(), 0, state.last_sequence):
            assert max(len(stored.body) for stored in batch) <= envelope.BYTES_MAX


async def test_grant_whose_reply_was_lost_is_given_again_not_twice(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        item = image_wanted("r1")
        body = msgspec.json.encode(LeaseSessions(items=[item]))
        await nats_client.publish(subjects.pool_lease(), body)

        first, second = (await lease(nats_client, item))[0], (await lease(nats_client, item))[0]

        assert isinstance(first, Granted)
        assert isinstance(second, Granted)
        assert (first.lease_id, first.session_id) == (second.lease_id, second.session_id)
        assert (await status(nats_client)).remaining == {"image": 9}


async def test_answer_with_nothing_to_journal_follows_an_envelope_without_events(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        item = image_wanted("r1")
        await lease(nats_client, item)
        before = await last_envelope(nats_client)

        await lease(nats_client, item)

        after = await last_envelope(nats_client)

        assert (after.number, after.events) == (before.number + 1, [])


async def test_ends_give_units_back_or_use_them_up(nats_url: str, nats_client: Client) -> None:
    async with pool(nats_url, lambda: settings(1, 2)) as room:
        await room.leading()
        one, two = await lease(nats_client, image_wanted(), image_wanted())

        assert isinstance(one, Granted)
        assert isinstance(two, Granted)

        assert await end(nats_client, usage_of(one)) == [EndAnswer.JOURNALLED]
        lost = msgspec.structs.replace(usage_of(two), lease_id="never.1")
        assert await end(nats_client, lost, usage_of(one)) == [
            EndAnswer.UNKNOWN_LEASE,
            EndAnswer.JOURNALLED,
        ]
        request_id = two.lease_id.rpartition(".")[0]
        assert await give_back(nats_client, request_id) == [CancelAnswer.CANCELLED]

        assert (await status(nats_client)).remaining == {"image": 1}


async def test_cancelled_id_is_never_granted_later(nats_url: str, nats_client: Client) -> None:
    async with pool(nats_url) as room:
        await room.leading()

        assert await give_back(nats_client, "r1") == [CancelAnswer.CANCELLED]

        (answer,) = await lease(nats_client, image_wanted("r1"))

        assert isinstance(answer, Refused)
        assert answer.reason is Refusal.CANCELLED


async def test_renewal_moves_the_deadline(nats_url: str, nats_client: Client) -> None:
    offset = timedelta()
    base = datetime(2026, 3, 1, 12, tzinfo=UTC)
    async with pool(nats_url, now=lambda: base + offset) as room:
        await room.leading()
        (granted,) = await lease(nats_client, image_wanted(asked_at=base))
        assert isinstance(granted, Granted)
        offset = timedelta(minutes=10)

        command = RenewLeases(lease_ids=[granted.lease_id])
        answer = await ask_pool(nats_client, subjects.pool_renew(), command)

        assert answer.items[0].expires_in_s == 900


async def test_lease_without_a_word_expires_by_itself(nats_url: str, nats_client: Client) -> None:
    offset = timedelta()
    base = datetime(2026, 3, 1, 12, tzinfo=UTC)
    async with pool(nats_url, now=lambda: base + offset) as room:
        await room.leading()
        await lease(nats_client, image_wanted(asked_at=base))
        offset = timedelta(minutes=16)

        await until(lambda: not room.parts.ledger.state.opened)

        (expired,) = (await status(nats_client, leases="expired")).leases
        assert expired.state == "expired"


async def test_wish_inside_the_reset_guard_is_decided_on_the_new_day(
    nats_url: str, nats_client: Client
) -> None:
    offset = timedelta()
    base = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
    async with pool(nats_url, now=lambda: base + offset) as room:
        await room.leading()
        asked = asyncio.create_task(lease(nats_client, image_wanted(asked_at=base)))
        done, _ = await asyncio.wait([asked], timeout=0.4)

        assert not done
        offset = timedelta(seconds=1)

        (granted,) = await asked

        assert isinstance(granted, Granted)
        assert granted.quota_day == "2026-03-02"


@pytest.mark.parametrize("verb", ["lease", "end", "renew", "cancel", "admin", "status", "ping"])
@pytest.mark.parametrize("body", [b"", b"\xff{", b'{"items":3,"lease_ids":3,"type":"x"}', b"[]"])
async def test_garbage_is_answered_with_what_was_wrong(
    nats_url: str, nats_client: Client, verb: str, body: bytes
) -> None:
    async with pool(nats_url) as room:
        await room.leading()

        answer = await ask_pool(nats_client, f"rpc.pool.0.{verb}", body)

        assert isinstance(answer, Failed)
        assert answer.code == "bad_request"
        assert answer.message.startswith("expected ")


async def test_restart_rebuilds_the_same_state_from_the_log(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: settings(5)) as room:
        await room.leading()
        answers = await lease(nats_client, *(image_wanted() for _ in range(20)))
        await end(nats_client, *(usage_of(one) for one in answers[:7] if isinstance(one, Granted)))
        before = (await status(nats_client, sessions=True)).sessions
        ledger = state_hash(room.parts.ledger.state)
        epoch = room.parts.ledger.state.epoch
        await room.stopped()

    async with pool(nats_url, lambda: settings(5)) as again:
        await again.leading()

        after = (await status(nats_client, sessions=True)).sessions
        assert [(one.session_id, one.used, one.reserved) for one in after] == [
            (one.session_id, one.used, one.reserved) for one in before
        ]
        assert again.parts.ledger.state.epoch == epoch + 1
        again.parts.ledger.state.epoch, again.parts.ledger.state.leader = (
            epoch,
            room.parts.ledger.state.leader,
        )
        assert state_hash(again.parts.ledger.state) == ledger


async def test_whatever_was_asked_before_the_end_is_answered(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: settings(50)) as room:
        await room.leading()
        asked = [asyncio.create_task(lease(nats_client, image_wanted())) for _ in range(300)]
        for _ in range(20):  # until every task has written its question
            await asyncio.sleep(0)
        await nats_client.flush()

        await room.stopped()

        answers = await asyncio.gather(*asked)

        assert all(isinstance(answer, Granted) for (answer,) in answers)


async def test_lease_of_an_unknown_request_cannot_be_ended_by_an_id_like_it(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        (granted,) = await lease(nats_client, image_wanted("r1"))

        assert isinstance(granted, Granted)
        assert granted.lease_id == f"{RequestId('r1')}.1"

        (answer,) = await lease(nats_client, image_wanted("r1", number=2))

        assert isinstance(answer, Granted)
        assert answer.lease_id == "r1.2"

"""Who leads the pool, and what a leader may not do any more once another was elected."""

import asyncio
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from contracts import subjects
from contracts.base import AccountId, LeaderElected, SessionId, WriterId
from contracts.pool import (
    AddSession,
    AddSessions,
    Granted,
    LeaseGranted,
    PoolEvent,
    PoolStatus,
    Refused,
    SessionAdded,
)
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from runtime.leadership import BrokenLogError
from runtime.secrets import Sealer
from services.pool.domain import Pool, fold_envelope, state_hash
from tests.integration.pool.cable import wire
from tests.integration.pool.room import (
    KEYS,
    ask_pool,
    end,
    envelopes,
    events,
    image_wanted,
    lease,
    lease_body,
    pool,
    settings,
    status,
    usage_of,
)
from tests.simulation.pool.processes import forgetful_fold
from tests.waiting import until

pytestmark = pytest.mark.anyio


async def append(client: Client, *made: PoolEvent, epoch: int | None = None) -> None:
    """Write the shard's subject behind its leader's back."""
    writer = SubjectWriter(EventLog(client), subjects.evt_pool(), WriterId("foreign"))
    for stored in await writer.stored_behind():
        writer.note_stored(stored)
    writer.epoch = writer.link.epoch if epoch is None else epoch
    assert writer.link.time is not None
    await writer.append_events(made, writer.link.time)


async def insist(client: Client, request_id: str) -> Granted | Refused:
    """Ask for one lease as a gateway does: again and again until answered."""
    item = image_wanted(request_id)
    async with asyncio.timeout(10):
        while True:
            try:
                return (await lease(client, item, within_s=1))[0]
            except (NatsTimeoutError, NoRespondersError):
                await asyncio.sleep(0.05)


async def test_two_that_start_at_once_elect_one_and_keep_it(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as one, pool(nats_url) as two, pool(nats_url) as three:
        await insist(nats_client, "r1")
        await until(lambda: not any(room.parts.unready_reason() for room in (one, two, three)))
        await asyncio.sleep(1)

        assert len(await events(nats_client, LeaderElected)) == 1
        assert sum(room.parts.leadership.leading for room in (one, two, three)) == 1
        assert all(room.parts.unready_reason() == "" for room in (one, two, three))


async def test_nobody_is_ready_before_somebody_leads(nats_url: str, nats_client: Client) -> None:
    silent = await nats_client.subscribe(subjects.pool_ping())
    await nats_client.flush()
    async with pool(nats_url) as room:
        assert room.parts.unready_reason() == "the log is still being read"
        await until(lambda: room.parts.leadership.following)
        assert room.parts.unready_reason() == "nobody leads the pool yet"
        await silent.unsubscribe()
        await room.leading()


async def test_leader_that_is_silent_is_replaced(nats_url: str, nats_client: Client) -> None:
    await nats_client.subscribe(subjects.pool_ping())
    await nats_client.flush()
    async with pool(nats_url) as room:
        await until(lambda: room.parts.leadership.leading)

        assert len(await events(nats_client, LeaderElected)) == 1


async def test_standby_takes_over_with_the_same_state_and_sells_nothing_twice(
    nats_url: str, nats_client: Client
) -> None:
    async with (
        pool(nats_url, lambda: settings(4)) as one,
        pool(nats_url, lambda: settings(4)) as two,
    ):
        await until(lambda: one.parts.leadership.leading or two.parts.leadership.leading)
        leader, standby = (one, two) if one.parts.leadership.leading else (two, one)
        await leader.leading()
        answers = await lease(nats_client, *(image_wanted() for _ in range(25)))
        await end(nats_client, *(usage_of(one) for one in answers[:9] if isinstance(one, Granted)))
        before = (await status(nats_client)).remaining

        await leader.killed()

        first = await insist(nats_client, "after")
        assert isinstance(first, Granted)
        assert before == {"image": 15}
        assert (await status(nats_client)).remaining == {"image": 14}
        assert standby.parts.leadership.leading
        rest = await lease(nats_client, *(image_wanted() for _ in range(20)))
        assert sum(isinstance(answer, Granted) for answer in rest) == 14
        refolded = Pool()
        for made in await envelopes(nats_client):
            fold_envelope(refolded, 1, made)
        assert state_hash(refolded) == state_hash(standby.parts.ledger.state)


async def test_stale_leader_steps_down_without_ever_answering(
    nats_url: str, nats_client: Client
) -> None:
    """The old leader hears the commands from a clogged cable, when another has answered them."""
    async with wire(nats_url) as cable, pool(cable.url) as old:
        await old.leading()
        async with pool(nats_url) as new:
            await until(lambda: new.parts.leadership.following)
            cable.clog()
            answers: list[bytes] = []
            figures: list[bytes] = []
            inbox, figures_inbox = nats_client.new_inbox(), nats_client.new_inbox()

            async def heard(message: Msg) -> None:
                (figures if message.subject == figures_inbox else answers).append(message.data)

            await nats_client.subscribe(inbox, cb=heard)
            await nats_client.subscribe(figures_inbox, cb=heard)
            asked = msgspec.json.encode(PoolStatus())
            await nats_client.publish(subjects.pool_status(), asked, figures_inbox)
            await new.leading()
            commands = [image_wanted(f"r{number}") for number in range(30)]
            granted = [await lease(nats_client, command) for command in commands]
            stale = lease_body(*commands)
            await nats_client.publish(subjects.pool_lease(), stale, inbox)
            await nats_client.flush()
            await until(lambda: bool(answers))

            cable.restore()

            await until(lambda: not old.parts.leadership.leading)
            await asyncio.sleep(0.3)

            assert (len(answers), figures) == (1, [])
            assert sum(isinstance(one, Granted) for (one,) in granted) == 10
            assert len(await events(nats_client, LeaderElected)) == 2
            assert new.parts.leadership.leading


async def test_idle_stale_leader_notices_by_itself(nats_url: str, nats_client: Client) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        epoch = room.parts.ledger.state.epoch
        # Somebody to be pinged in vain, or it would lead again at once.
        await nats_client.subscribe(subjects.pool_ping())
        await nats_client.flush()

        await append(
            nats_client, LeaderElected(writer=WriterId("foreign"), epoch=epoch + 1), epoch=epoch + 1
        )

        await until(lambda: not room.parts.leadership.leading)


async def test_deposed_leader_leads_again_when_the_other_is_gone(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        assert isinstance(await insist(nats_client, "r1"), Granted)
        await append(nats_client, LeaderElected(writer=WriterId("foreign"), epoch=7), epoch=7)

        second = await insist(nats_client, "r2")

        assert isinstance(second, Granted)
        assert room.parts.ledger.state.epoch == 8


async def test_fence_without_an_election_undoes_catches_up_and_decides_again(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: settings(0)) as room:
        await room.leading()
        added = SessionAdded(session_id=SessionId("ses_foreign"), limits={"image": 1})
        await append(nats_client, added)

        (granted,) = await lease(nats_client, image_wanted("r1"))

        assert isinstance(granted, Granted)
        assert granted.session_id == "ses_foreign"
        assert room.parts.metrics.registry.get_sample_value("tidegate_pool_decided_again_total")


@pytest.mark.parametrize(
    "lost", [b'{"stream":"EVT"', b"evt.pool.0"], ids=["acknowledgement", "append"]
)
async def test_append_that_gets_lost_or_whose_acknowledgement_does_is_settled_by_reading(
    nats_url: str, nats_client: Client, lost: bytes
) -> None:
    async with wire(nats_url) as cable, pool(cable.url) as room:
        await room.leading()
        cable.lost = lost

        (granted,) = await lease(nats_client, image_wanted("r1"))

        assert cable.lost is None
        assert isinstance(granted, Granted)
        assert len(await events(nats_client, LeaseGranted)) == 1
        assert len(await events(nats_client, LeaderElected)) == 1


async def test_boot_refuses_a_log_whose_beginning_is_missing(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        await lease(nats_client, image_wanted())
        await room.stopped()
    await nats_client.jetstream().purge_stream("EVT", seq=3)

    async with pool(nats_url) as again:
        with pytest.raises(BrokenLogError, match=r"evt.pool.0: number 3 follows 0"):
            await again.task


async def test_log_that_went_backwards_ends_the_process(nats_url: str, nats_client: Client) -> None:
    async with pool(nats_url) as room:
        await room.leading()

        await nats_client.jetstream().purge_stream("EVT")

        with pytest.raises(BrokenLogError, match="it went backwards"):
            await asyncio.wait_for(room.task, 5)


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("session_joined", {"account": AccountId("shared")}),
        ("account_changed", {"quota_reset_hour": 4}),
    ],
)
async def test_who_knows_no_accounts_never_leads_once_there_is_one_and_says_so(
    nats_url: str, nats_client: Client, tag: str, said: dict[str, Any]
) -> None:
    sealed = Sealer(KEYS[0]).seal_credential(SessionId("shares"), "secret")
    item = AddSession(session_id=SessionId("shares"), sealed=sealed, **said)
    async with pool(nats_url, lambda: settings(max_size=2)) as one:
        await one.leading()
        async with pool(nats_url) as older:
            ledger = older.parts.ledger
            ledger.apply = forgetful_fold(ledger.apply, frozenset({tag}), "older")  # type: ignore[method-assign]
            await until(lambda: older.parts.leadership.hears_leader)
            await ask_pool(nats_client, subjects.pool_admin(), AddSessions(items=[item], by="me"))
            await one.killed()

            await until(lambda: tag in older.parts.unready_reason())
            async with pool(nats_url) as newer:
                await newer.leading()

            elected = [event.writer for event in await events(nats_client, LeaderElected)]
            assert elected == [room.parts.leadership.writer.writer for room in (one, newer)]

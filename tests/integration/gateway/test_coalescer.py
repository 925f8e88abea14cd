"""Questions that travel together, and what becomes of those whose leader dies with them."""

import asyncio

import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.base import RequestId
from contracts.pool import CancelAnswer, CancelAnswers, CancelLease, CancelLeases
from contracts.subjects import pool_cancel, pool_leads
from runtime.nats.connection import Outage
from services.gateway.relay import coalescer
from services.gateway.relay.coalescer import Coalescer

pytestmark = pytest.mark.anyio
_answers = msgspec.json.Decoder(CancelAnswers)


async def test_new_leader_is_asked_at_once_what_the_old_one_left_unanswered(
    nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timeouts are too long to help: only the new leader's word has questions asked again."""
    monkeypatch.setattr(coalescer, "_ASK_TIMEOUT_S", 300.0)
    asking: Coalescer[CancelLease, CancelAnswer] = Coalescer(
        nats_client,
        pool_cancel(),
        lambda items: CancelLeases(items=items),
        _answers,
        lambda: 300.0,
        Outage(),
    )
    await nats_client.subscribe(pool_leads(), cb=asking.leader_heard)
    dying = await nats_client.subscribe(pool_cancel())
    questions = [
        asyncio.create_task(
            asking.ask(CancelLease(request_id=RequestId(f"r{number}"), number=1, reason="x"))
        )
        for number in range(3)
    ]
    await dying.next_msg(20)
    questions[1].cancel()
    await dying.unsubscribe()
    heard: list[CancelLeases] = []

    async def answer(message: Msg) -> None:
        heard.append(msgspec.json.decode(message.data, type=CancelLeases))
        answers = CancelAnswers(items=[CancelAnswer.CANCELLED] * len(heard[-1].items))
        await message.respond(msgspec.json.encode(answers))

    await nats_client.subscribe(pool_cancel(), cb=answer)
    for _ in range(2):
        await nats_client.publish(pool_leads(), b"")
    async with asyncio.timeout(60):
        found = [await questions[0], await questions[2]]

    assert found == [CancelAnswer.CANCELLED] * 2
    assert {item.request_id for item in heard[0].items} == {"r0", "r1", "r2"}
    assert asking.items == 3

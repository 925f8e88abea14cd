"""Questions that are answered late, by an owner that is slow or by the next one."""

import asyncio
from datetime import UTC, datetime

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.base import Failed, GatewayId, KeyId, RequestId, ServiceType
from contracts.pool import (
    LeaseAnswers,
    LeaseSessions,
    LeaseWanted,
    Refusal,
    Refused,
    SessionRequested,
)
from runtime.nats.connection import Outage
from services.gateway.relay.coalescer import PoolCoalescer

pytestmark = pytest.mark.anyio
WANTED = LeaseWanted(
    requested=SessionRequested(
        request_id=RequestId("r1"),
        number=1,
        service_type=ServiceType("image"),
        asked_at=datetime.now(UTC),
        gateway_id=GatewayId("gw"),
        key_id=KeyId("k"),
    )
)
ANSWER = msgspec.json.encode(LeaseAnswers(items=[Refused(reason=Refusal.SATURATED)]))


def coalescer(client: Client) -> PoolCoalescer:
    return PoolCoalescer(
        client,
        "rpc.pool.0.lease",
        lambda items: LeaseSessions(items=items),
        msgspec.json.Decoder(LeaseAnswers | Failed),
        lambda: 60.0,
        Outage(),
    )


async def test_answer_to_an_earlier_sending_is_taken_however_late(
    nats_url: str, nats_client: Client
) -> None:
    """Thrown away, it left a gateway asking a slow pool again and again until all had failed."""
    heard: asyncio.Queue[Msg] = asyncio.Queue()
    async with await nats.connect(nats_url) as owner:
        await owner.subscribe("rpc.pool.0.lease", cb=heard.put)
        await owner.flush()
        asking = asyncio.create_task(coalescer(nats_client).ask(WANTED))
        async with asyncio.timeout(50):
            first = await heard.get()
            again = await heard.get()
            await first.respond(ANSWER)
            answer = await asking

    assert isinstance(answer, Refused)
    assert first.data == again.data
    assert first.reply != again.reply


async def test_question_waits_for_whoever_comes_to_answer(
    nats_url: str, nats_client: Client
) -> None:
    asking = asyncio.create_task(coalescer(nats_client).ask(WANTED))
    await asyncio.sleep(0.2)

    async def answered(message: Msg) -> None:
        await message.respond(ANSWER)

    async with await nats.connect(nats_url) as owner:
        await owner.subscribe("rpc.pool.0.lease", cb=answered)
        async with asyncio.timeout(50):
            answer = await asking

    assert isinstance(answer, Refused)

"""What a gateway tells the balancer of the exchanges that it has open."""

import asyncio

import msgspec
import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.balancer import SelectServers
from contracts.base import GatewayId, LeaseId, ServerId
from runtime.process import logs
from services.gateway.relay.exchanges import OpenExchanges

pytestmark = pytest.mark.anyio
A, B = ServerId("a"), ServerId("b")


async def test_how_long_ago_an_answer_began_is_told_as_long_as_any_is_open(
    nats_client: Client,
) -> None:
    told = await nats_client.subscribe(subjects.BALANCER_SELECT)
    exchanges = OpenExchanges(
        nats_client, GatewayId("gateway-1"), lambda: 3600.0, logs.configure_logs("test")
    )
    stream = exchanges.begin_exchange(LeaseId("r.1"), A, 900.0)
    exchanges.begin_exchange(LeaseId("r.2"), B, 900.0)
    exchanges.note_answer(stream)

    async def next_told() -> SelectServers:
        message = await told.next_msg(10)
        return msgspec.json.decode(message.data, type=SelectServers)

    telling = asyncio.create_task(exchanges.run())
    try:
        first, second = await next_told(), await next_told()
        exchanges.end_exchange(stream)
        last = await next_told()
    finally:
        telling.cancel()

    assert first.open_exchanges == second.open_exchanges == {A: 1, B: 1}
    assert [*first.answered_s] == [*second.answered_s] == [A]
    assert 0 < first.answered_s[A] < second.answered_s[A]
    assert (last.open_exchanges, last.answered_s) == ({B: 1}, {})
    assert exchanges.selection_command([]).answered_s == {}

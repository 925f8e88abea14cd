"""Pings of a standby, on a real server with the generated accounts."""

import asyncio
from collections.abc import Iterator

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.subjects import BALANCER_PING
from runtime.leaderpings import LeaderPings
from tests.integration.runtime.nats_users import server_with_accounts, session_as
from tests.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server_with_accounts(tmp_path_factory.mktemp("accounts")) as made:
        yield made


async def test_a_leader_may_answer_pings_of_which_several_wait(url: str) -> None:
    async with session_as(url, "balancer") as leader, session_as(url, "balancer") as standby:
        waiting: list[Msg] = []

        async def heard(ping: Msg) -> None:
            waiting.append(ping)

        async def answer_all(client: Client) -> None:
            for ping in waiting:
                await client.publish(ping.reply, b"{}")

        await leader.client.subscribe(BALANCER_PING, cb=heard)
        await leader.client.flush()
        pings = LeaderPings(standby.client, BALANCER_PING)
        follower = asyncio.create_task(asyncio.Event().wait())
        pinging = asyncio.create_task(pings.until_unanswered(follower))

        await until(lambda: len(waiting) > 3)
        refused = await leader.refuses(answer_all)
        await until(lambda: pings.hears_leader)
        for task in (pinging, follower):
            task.cancel()

    assert not refused

"""A balancer that was paused past a take-over: it wakes up with questions, and answers none."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts import subjects
from contracts.balancer import BalancerStatus, SelectAnswers, SelectServer, SelectServers
from contracts.base import Command, Failed, GatewayId, LeaseId, Ping, Pong, RequestId, ServiceType
from runtime.nats.connection import UnansweredError, ask_command
from tests.e2e.stack import WAIT_S, Stack

NewStack = Callable[..., Stack]
_pongs = msgspec.json.Decoder(Pong | Failed)
_answers = msgspec.json.Decoder(SelectAnswers | Failed)


@asynccontextmanager
async def as_gateway(stack: Stack) -> AsyncIterator[Client]:
    password = (stack.home / "secrets" / "gateway.nats").read_text().strip()
    url = f"nats://gateway:{password}@127.0.0.1:{stack.nats_port}"
    client = await nats.connect(url, inbox_prefix=b"_INBOX_gateway")
    yield client
    await client.close()


def selection(lease: str) -> SelectServers:
    item = SelectServer(
        request_id=RequestId(lease),
        lease_id=LeaseId(f"{lease}.1"),
        service_type=ServiceType("image"),
        expires_in_s=900,
    )
    return SelectServers(gateway_id=GatewayId("test"), items=[item])


async def leads(client: Client, epoch: int) -> None:
    """Wait until the leader of this epoch answers."""
    async with asyncio.timeout(WAIT_S):
        while True:
            with suppress(UnansweredError):
                pong = await ask_command(client, subjects.BALANCER_PING, Ping(), _pongs, 1)
                if isinstance(pong, Pong) and pong.epoch >= epoch:
                    return
            await asyncio.sleep(0.05)


def test_balancer_that_slept_through_a_take_over_answers_nothing(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.configure(stack.servers_toml("one"))
    stack.start_nats()
    stack.start_demo("one")
    stack.start("balancer", "balancer")
    stack.ready("balancer")
    stack.start("balancer-2", "balancer")
    stack.ready("balancer-2")

    async def scenario() -> tuple[int, int]:
        """How many of the questions it slept on were answered, and those asked of both."""
        slept, both = [], []

        async def heard_slept(message: Msg) -> None:
            slept.append(message.data)

        async def heard_both(message: Msg) -> None:
            both.append(message.data)

        async with as_gateway(stack) as client:
            await leads(client, 1)
            await client.subscribe("_INBOX_gateway.slept.*", cb=heard_slept)
            await client.subscribe("_INBOX_gateway.both.*", cb=heard_both)
            stack.kill("balancer", signal.SIGSTOP)
            questions: list[tuple[str, Command]] = [
                (subjects.BALANCER_STATUS, BalancerStatus()),
                *((subjects.BALANCER_SELECT, selection(f"slept-{at}")) for at in range(20)),
            ]
            for at, (subject, command) in enumerate(questions):
                body = msgspec.json.encode(command)
                await client.publish(subject, body, f"_INBOX_gateway.slept.{at}")
            await leads(client, 2)
            for at in range(20):
                body = msgspec.json.encode(selection(f"both-{at}"))
                await client.publish(subjects.BALANCER_SELECT, body, f"_INBOX_gateway.both.{at}")
            await client.flush()

            stack.kill("balancer", signal.SIGCONT)
            await asyncio.to_thread(
                stack.eventually,
                lambda: "deposed" in (stack.home / "balancer.log").read_text(),
                expected=True,
                seconds=WAIT_S,
            )
            # Whatever the old one had answered by now would have come before this answer.
            found = await ask_command(
                client, subjects.BALANCER_SELECT, selection("last"), _answers, 10
            )
            assert isinstance(found, SelectAnswers)
            return len(slept), len(both)

    assert asyncio.run(scenario()) == (0, 20)

"""Leaders killed under load: no client sees an error, and every unit is accounted for."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import pairwise

import pytest
from openai import APIStatusError, AsyncOpenAI

from tests.e2e.stack import Stack

NewStack = Callable[..., Stack]
CLIENTS = 200
CALLS_BETWEEN = 200
"""Answers seen before each kill, and behind the last."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Load:
    """Clients that call one after the other, each always with a call in flight."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.answers: Counter[str] = Counter()
        self.calls: list[tuple[float, float]] = []
        """When each began, and how long it took, in seconds."""
        self.stopping = False

    async def run(self, kills: list[str]) -> list[float]:
        """Kill one process after the other under load; return when each was killed."""
        async with AsyncExitStack() as closing:
            clients = [
                await closing.enter_async_context(
                    AsyncOpenAI(
                        base_url=f"{self.stack.url(gateway)}/v1",
                        api_key=self.stack.client_key,
                        max_retries=0,
                        timeout=110,
                    )
                )
                for gateway in ("gateway", "gateway-2")
            ]
            callers = [
                asyncio.create_task(self._call(clients[number % 2])) for number in range(CLIENTS)
            ]
            killed = []
            for name in kills:
                await self._answered(CALLS_BETWEEN)
                killed.append(time.monotonic())
                await asyncio.to_thread(self.stack.kill, name)
            await self._answered(CALLS_BETWEEN)
            self.stopping = True
            await asyncio.gather(*callers)
        return killed

    async def _answered(self, more: int) -> None:
        wanted = len(self.calls) + more
        async with asyncio.timeout(100):
            while len(self.calls) < wanted:  # noqa: ASYNC110 (a counter sets no event)
                await asyncio.sleep(0.02)

    async def _call(self, client: AsyncOpenAI) -> None:
        while not self.stopping:
            began = time.monotonic()
            try:
                await client.images.generate(model="jimeng-4.0", prompt="a gate")
            except APIStatusError as error:
                self.answers[str(error.code)] += 1
            else:
                self.answers["ok"] += 1
            self.calls.append((began, time.monotonic() - began))

    def told(self, killed: list[float]) -> str:
        """How much longer than usual calls took at each kill, and how long nobody was answered."""
        usual = statistics.median(took for began, took in self.calls if began + took < killed[0])
        ends = sorted(began + took for began, took in self.calls)
        lines = [f"usual {usual:.2f} s"]
        for moment in killed:
            more = [
                took - usual
                for began, took in self.calls
                if began <= moment + 0.5 and began + took >= moment
            ]
            silence = max(b - a for a, b in pairwise(ends) if moment - 1 < a < moment + 5)
            lines.append(
                f"{len(more)} calls, {statistics.median(more):.2f} s longer (median),"
                f" {max(more):.2f} s (worst), {silence:.2f} s without any answer"
            )
        return "; ".join(lines)


def test_leaders_killed_under_load_are_latency_and_no_error(new_stack: NewStack) -> None:
    """Two gateways call on while the leaders of pool and balancer are killed, one by one."""
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE="20",
        TIDEGATE_POOL_MAX_SIZE="20",
        TIDEGATE_POOL_SESSION_CONCURRENCY="0",
        TIDEGATE_SERVICES_IMAGE_DAILY_LIMIT="2000",
    )
    stack.configure(stack.servers_toml("one", "two"))
    stack.start_nats()
    for server in ("one", "two"):
        stack.start_demo(server, "--latency-ms", "300")
    for service in ("pool", "balancer"):
        stack.start(service, service)
        stack.ready(service)
        stack.start(f"{service}-2", service)
    stack.start("analytics", "analytics")
    for gateway in ("gateway", "gateway-2"):
        stack.start_gateway(gateway)
    stack.ready("pool-2", "balancer-2", "analytics", "gateway", "gateway-2")
    load = Load(stack)

    killed = asyncio.run(load.run(["pool", "balancer"]))

    print(load.told(killed))  # noqa: T201 (figures are shown, not asserted)
    assert set(load.answers) == {"ok"}, load.answers
    assert stack.served("one", "two") == load.answers["ok"]
    stack.eventually(stack.open_leases, 0, 60)
    sold = [
        stack.api(f"/api/session/usage?sessionId={one['session_id']}")["usage"]["image_count"]
        for one in stack.api("/api/sessions")["data"]
    ]
    assert sum(sold) == load.answers["ok"]
    report = stack.audit()
    assert report["exit"] == 0, report
    for service in ("pool", "balancer"):
        assert '"epoch":2' in (stack.home / f"{service}-2.log").read_text()

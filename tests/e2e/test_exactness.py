"""A thousand concurrent calls, two gateways: exactly the quota is sold, and everybody agrees."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openai import APIStatusError, AsyncOpenAI

from tests.e2e.stack import Stack

CALLS = 1000
NewStack = Callable[..., Stack]


async def _call(client: AsyncOpenAI) -> str:
    try:
        await client.images.generate(model="jimeng-4.0", prompt="a gate")
    except APIStatusError as error:
        return str(error.code)
    return "ok"


async def _storm(stack: Stack, calls: int, spread_s: float = 0.0) -> Counter[str]:
    async with AsyncExitStack() as closing:
        clients = [
            await closing.enter_async_context(
                AsyncOpenAI(
                    base_url=f"{stack.url(gateway)}/v1",
                    api_key=stack.client_key,
                    max_retries=0,
                    timeout=110,
                )
            )
            for gateway in ("gateway", "gateway-2")
        ]

        async def later(number: int) -> str:
            await asyncio.sleep(spread_s * number / calls)
            return await _call(clients[number % 2])

        return Counter(await asyncio.gather(*(later(number) for number in range(calls))))


def _usage(stack: Stack) -> list[dict[str, Any]]:
    sessions = stack.api("/api/sessions")["data"]
    return [stack.api(f"/api/session/usage?sessionId={one['session_id']}") for one in sessions]


def _sold(stack: Stack) -> int:
    return sum(usage["usage"]["image_count"] for usage in _usage(stack))


def _in_duckdb(stack: Stack) -> int:
    query = "select coalesce(sum(usage_count), 0) from session_usage where service_type = 'image'"
    found = stack.api("/api/sql", "POST", json={"query": query})
    return int(found["rows"][0][0])


@pytest.mark.parametrize(("sessions", "expected"), [(1, 10), (50, 500)])
def test_exactly_the_quota_is_sold(new_stack: NewStack, sessions: int, expected: int) -> None:
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE=str(sessions),
        TIDEGATE_POOL_MAX_SIZE=str(sessions),
        TIDEGATE_POOL_SESSION_CONCURRENCY="0",
    )
    stack.configure(stack.servers_toml("one", "two"))
    stack.start_all("one", "two", gateways=2)

    found = asyncio.run(_storm(stack, CALLS))

    assert found == {"ok": expected, "pool_quota_exhausted": CALLS - expected}
    assert stack.served("one", "two") == expected
    stack.eventually(stack.open_leases, 0)
    assert _sold(stack) == expected
    stack.eventually(lambda: _in_duckdb(stack), expected)
    report = stack.audit()
    assert report["exit"] == 0, report
    assert report["violations"] == []


def test_no_day_is_oversold_across_a_quota_day_change(new_stack: NewStack) -> None:
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE="10",
        TIDEGATE_POOL_MAX_SIZE="10",
        TIDEGATE_POOL_SESSION_CONCURRENCY="0",
        TIDEGATE_POOL_QUOTA_TIMEZONE="Asia/Shanghai",
    )
    stack.configure(stack.servers_toml("one", "two"))
    stack.set_clock(0)
    stack.start_nats()
    for server in ("one", "two"):
        stack.start_demo(server, "--timezone", "Asia/Shanghai", "--latency-ms", "300")
    zone = ZoneInfo("Asia/Shanghai")
    now = datetime.now(UTC).astimezone(zone)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), zone)
    for service in ("pool", "balancer", "analytics"):
        stack.start(service, service)
    for gateway in ("gateway", "gateway-2"):
        stack.start_gateway(gateway)
    stack.ready("pool", "balancer", "analytics", "gateway", "gateway-2")
    stack.set_clock((midnight - datetime.now(UTC)).total_seconds() - 10)

    found = asyncio.run(_storm(stack, 600, spread_s=18))

    assert set(found) <= {"ok", "pool_quota_exhausted"}, found
    days = stack.demo_ledger("one", "two")
    assert len(days) == 2, days
    for credentials in days.values():
        for units in credentials.values():
            assert units["image"] <= 10
    assert sum(units["image"] for day in days.values() for units in day.values()) == found["ok"]
    assert found["ok"] == 200
    stack.eventually(stack.open_leases, 0)
    stack.eventually(lambda: _in_duckdb(stack), found["ok"])
    assert stack.audit()["exit"] == 0

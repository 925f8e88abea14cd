"""A thousand concurrent calls, two gateways: exactly the quota is sold, and everybody agrees."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.exactness import in_duckdb, sold, storm
from tests.e2e.stack import Stack

CALLS = 1000
NewStack = Callable[..., Stack]


@pytest.mark.parametrize(("sessions", "expected"), [(1, 10), (50, 500)])
def test_exactly_the_quota_is_sold(new_stack: NewStack, sessions: int, expected: int) -> None:
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE=str(sessions),
        TIDEGATE_POOL_MAX_SIZE=str(sessions),
        TIDEGATE_POOL_SESSION_CONCURRENCY="0",
    )
    stack.configure(stack.servers_toml("one", "two"))
    stack.start_all("one", "two", gateways=2)

    found = asyncio.run(storm(stack, CALLS))

    assert found == {"ok": expected, "pool_quota_exhausted": CALLS - expected}
    assert stack.served("one", "two") == expected
    stack.eventually(stack.open_leases, 0)
    assert sold(stack) == expected
    stack.eventually(lambda: in_duckdb(stack), expected)
    report = stack.audit()
    assert report["exit"] == 0, report
    assert report["violations"] == []


def test_no_day_is_oversold_across_a_quota_day_change(new_stack: NewStack) -> None:
    """600 calls in 18 s, begun ten before midnight: there are 100 units on each side of it.

    How many come before it is the machine's doing; what is left then of the day after is sold, too.
    """
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

    found = asyncio.run(storm(stack, 600, spread_s=18))

    found += asyncio.run(storm(stack, 150))

    assert set(found) <= {"ok", "pool_quota_exhausted"}, found
    days = stack.demo_ledger("one", "two")
    assert len(days) == 2, days
    for credentials in days.values():
        for units in credentials.values():
            assert units["image"] <= 10
    before, after = (sum(units["image"] for units in days[day].values()) for day in sorted(days))
    assert before + after == found["ok"]
    assert after == 100
    stack.eventually(stack.open_leases, 0)
    stack.eventually(lambda: in_duckdb(stack), found["ok"])
    assert stack.audit()["exit"] == 0

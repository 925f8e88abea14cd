"""Concurrent calls over a pool of a known quota: exactly that is sold, and everybody agrees."""

import asyncio

from tests.compose.conftest import PLANTED
from tests.compose.containers import Containers
from tests.e2e.exactness import in_duckdb, sold, storm

SESSIONS, LIMIT = 50, 2
CALLS = 300


def test_exactly_the_quota_is_sold(stack: Containers) -> None:
    quota = SESSIONS * LIMIT

    found = asyncio.run(storm(stack, CALLS, gateways=["gateway"], service="video"))

    assert found == {"ok": quota, "pool_quota_exhausted": CALLS - quota}
    assert stack.served("one", "two", service="video") == quota
    stack.eventually(stack.open_leases, 0)
    assert sold(stack, "video") == quota
    stack.eventually(lambda: in_duckdb(stack, "video"), quota)
    report = stack.audit()
    assert report["exit"] == 0, report
    assert report["violations"] == []
    assert report["duckdb"] == "agrees"


def test_key_of_the_operators_own_is_the_first_admin_key(stack: Containers) -> None:
    assert stack.operator_key == PLANTED["TIDEGATE_ADMIN_KEY"]
    assert stack.tidegate("keys", "list", "--json").returncode == 0

"""Two sessions of one account, real processes: what they sell together is what the account has."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.exactness import storm
from tests.e2e.stack import Stack

CALLS, LIMIT = 60, 10
pytestmark = pytest.mark.timeout(240)


def addition_refused(stack: Stack, body: object) -> str:
    """What the pool says of sessions that it does not add."""
    answer = httpx.post(
        f"{stack.url()}/api/sessions",
        headers={"Authorization": f"Bearer {stack.operator_key}"},
        json=body,
        timeout=20,
    )
    assert answer.status_code == 400, answer.text
    message: str = answer.json()["error"]["message"]
    return message


def test_sessions_of_one_account_sell_exactly_its_limit_together(
    new_stack: Callable[..., Stack],
) -> None:
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE="0",
        TIDEGATE_POOL_MAX_SIZE="2",
        TIDEGATE_POOL_SESSION_CONCURRENCY="0",
        TIDEGATE_POOL_PROVISIONER_KIND="none",
    )
    stack.configure(stack.servers_toml("one", "two"))
    stack.start_all("one", "two", gateways=2)
    names = [{"credential": f"secret-{number}", "account": "jimeng-7"} for number in (1, 2)]
    full = "max_size: expected at most 2 sessions, neither retired nor disabled, and there are 2"
    added = stack.api("/api/sessions", "POST", json=names)["added"]

    assert len(added) == 2
    assert addition_refused(stack, {"credential": "secret-3", "account": "jimeng-7"}) == full

    stack.environment["TIDEGATE_API"] = stack.url()
    (stack.home / "more.txt").write_text("secret-4\nsecret-5\n")
    typed = stack.tidegate("sessions", "import", "more.txt")
    assert typed.stdout == "nothing new\n"
    assert f"line 1: {full}\n  line 2: {full}\n" in typed.stderr

    answers = asyncio.run(storm(stack, CALLS))

    assert answers == {"ok": LIMIT, "pool_quota_exhausted": CALLS - LIMIT}
    (credentials,) = stack.demo_ledger("one", "two").values()
    units = [done["image"] for done in credentials.values()]
    # Each did some of it: an account that one session sold alone would show nothing.
    assert (len(units), sum(units)) == (2, LIMIT)
    stack.eventually(stack.open_leases, 0)
    for session in stack.api("/api/sessions")["data"]:
        assert (session["account"], session["used"]["image"]) == ("jimeng-7", LIMIT)
        assert session["remaining"]["image"] == 0
    report = stack.audit()
    assert (report["exit"], report["violations"]) == (0, [])

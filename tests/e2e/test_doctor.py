"""`tidegate doctor` beside a running stack: well, then one part after the other goes away."""

import json
from collections.abc import Callable

import pytest

from tests.e2e.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def doctored(stack: Stack) -> tuple[int, dict[str, str]]:
    """Exit code, and what is wrong with its messages, by code; the cure stands by each."""
    done = stack.tidegate("doctor", "--json")
    wrong = [one for one in json.loads(done.stdout)["findings"] if one["state"] == "wrong"]
    assert all(one["cure"] for one in wrong)
    return done.returncode, {one["code"]: one["message"] for one in wrong}


def eventually_wrong(stack: Stack, code: str) -> str:
    """Wait until the doctor finds it; its message."""
    found: dict[str, str] = {}

    def is_found() -> bool:
        found.update(doctored(stack)[1])
        return code in found

    stack.eventually(is_found, expected=True, seconds=60)
    return found[code]


def standing_by(stack: Stack) -> set[str]:
    """What the doctor says of standbys."""
    told = json.loads(stack.tidegate("doctor", "--json").stdout)["findings"]
    return {one["message"] for one in told if one["area"] == "standby"}


def test_each_part_that_goes_away_is_named(new_stack: Callable[..., Stack]) -> None:
    """Parts are started one by one and killed one by one; after each the doctor is asked again."""
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE="3",
        TIDEGATE_POOL_MAX_SIZE="3",
        TIDEGATE_BALANCER_PROBE_INTERVAL="500ms",
        TIDEGATE_BALANCER_PROBE_TIMEOUT="2s",
    )
    stack.configure(stack.servers_toml("one", "two"))
    stack.start_all("one", "two")
    stack.environment["TIDEGATE_PORT"] = str(stack.ports["gateway"])

    assert standing_by(stack) == {"no pool stands by", "no balancer stands by"}
    stack.start("standby", "pool")
    stack.ready("standby")
    assert standing_by(stack) == {"pool: 1 stand by", "no balancer stands by"}
    stack.start("balancer-2", "balancer")
    stack.ready("balancer-2")
    assert standing_by(stack) == {"pool: 1 stand by", "balancer: 1 stand by"}
    assert doctored(stack) == (0, {})

    stack.kill("two")
    assert eventually_wrong(stack, "server_down").startswith(f"two ({stack.demo_url('two')}): ")
    for session in stack.api("/api/sessions")["data"]:
        stack.tidegate("sessions", "drain", session["session_id"])
    assert "0 of 3 sessions are active" in eventually_wrong(stack, "no_active_session")
    stack.kill("analytics")
    assert "it does not answer" in eventually_wrong(stack, "analytics_absent")
    stack.kill("pool")
    stack.kill("standby")
    assert "nobody leads it" in eventually_wrong(stack, "pool_no_leader")
    stack.kill("balancer")
    stack.kill("balancer-2")
    assert "nobody leads it" in eventually_wrong(stack, "balancer_no_leader")
    assert "has no leader" in eventually_wrong(stack, "gateway_not_ready")
    stack.kill("nats")
    assert "cannot connect as auditor" in eventually_wrong(stack, "nats_unreachable")
    stack.kill("gateway")
    assert "no answer" in eventually_wrong(stack, "gateway_absent")

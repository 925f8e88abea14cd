"""nats-server dies, comes back, or stops breathing: nothing is lost, and nobody has to help."""

import signal
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.stack import Stack

NewStack = Callable[..., Stack]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SERVICES = ("pool", "pool-2", "balancer", "analytics", "gateway", "gateway-2")
AGES_S = "600s"
"""What waits for this long never answers within the time-outs of these tests."""


def everything(new_stack: NewStack, **settings: str) -> Stack:
    """Two gateways, a leader and a standby of the pool, ten sessions."""
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE="10",
        TIDEGATE_POOL_MAX_SIZE="10",
        TIDEGATE_POOL_SESSION_CONCURRENCY="0",
        **settings,
    )
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one", gateways=2)
    stack.start("pool-2", "pool")
    stack.ready("pool-2")
    return stack


def readiness(stack: Stack, name: str) -> tuple[int, str]:
    """Status of `/readyz`, and the reason it gives."""
    found = httpx.get(f"http://127.0.0.1:{stack.health[name]}/readyz", timeout=10)
    return found.status_code, found.json().get("reason", "")


def sold_by_all(stack: Stack) -> dict[str, int]:
    """Units of images of today: as the servers, the fold and DuckDB count them."""
    query = "select coalesce(sum(usage_count), 0) from session_usage where service_type = 'image'"
    rows = stack.api("/api/sql", "POST", json={"query": query})["rows"]
    sessions = stack.api("/api/sessions")["data"]
    usages = [stack.api(f"/api/session/usage?sessionId={one['session_id']}") for one in sessions]
    return {
        "servers": stack.served("one"),
        "fold": sum(usage["usage"]["image_count"] for usage in usages),
        "duckdb": int(rows[0][0]),
    }


def agreed(stack: Stack, units: int) -> None:
    """Everybody counts the same, nothing is open, and the log is clean."""
    stack.eventually(stack.open_leases, 0, 60)
    stack.eventually(
        lambda: sold_by_all(stack), dict.fromkeys(("servers", "fold", "duckdb"), units), 60
    )
    report = stack.audit()
    assert (report["exit"], report["duckdb"]) == (0, "agrees"), report


def image_calls(stack: Stack, count: int) -> tuple[list[threading.Thread], list[httpx.Response]]:
    """Ask for images from both gateways at once, each in a thread."""
    answers: list[httpx.Response] = []

    def one(number: int) -> None:
        answers.append(stack.image("gateway-2" if number % 2 else "gateway"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads, answers


def test_without_nats_new_calls_fail_fast_and_open_ones_end_well(new_stack: NewStack) -> None:
    stack = everything(new_stack, TIDEGATE_GATEWAY_FAILOVER_WAIT=AGES_S)
    stack.faults("one", kind="latency", latency_ms=5000)
    threads, answers = image_calls(stack, 6)
    stack.eventually(lambda: stack.served("one"), 6)
    stack.kill("nats")

    def unreachable() -> bool:
        reasons = {name: readiness(stack, name) for name in SERVICES}
        return all(status == 503 and "reach" in why for status, why in reasons.values())

    stack.eventually(unreachable, expected=True, seconds=60)
    stack.kill("pool-2")
    stack.start("pool-2", "pool")  # whoever begins without NATS waits for it
    refused = [stack.image(gateway) for gateway in ("gateway", "gateway-2")]
    models = httpx.get(
        f"{stack.url()}/v1/models",
        headers={"Authorization": f"Bearer {stack.client_key}"},
        timeout=60,
    )
    asked = httpx.get(
        f"{stack.url()}/api/sessions",
        headers={"Authorization": f"Bearer {stack.operator_key}"},
        timeout=60,
    )
    for thread in threads:
        thread.join(60)

    assert models.status_code == 200, "the servers' models need no log"
    for answer in (*refused, asked):
        error: dict[str, Any] = answer.json()["error"]
        assert answer.status_code == 503
        assert (error["type"], error["code"]) == ("server_error", "ledger_unavailable")
        assert error["param"] is None
        assert int(answer.headers["retry-after"]) >= 1
    assert all(answer.headers["x-request-id"] for answer in refused)
    assert [answer.status_code for answer in answers] == [200] * 6
    stack.faults("one")

    stack.start_nats()

    stack.ready(*SERVICES)
    assert [stack.image(gateway).status_code for gateway in ("gateway", "gateway-2")] == [200, 200]
    servers = stack.api("/api/load-balancer")["servers"]
    assert [server["healthy"] for server in servers] == [True]
    agreed(stack, 8)


def test_nats_that_stops_breathing_is_latency(new_stack: NewStack) -> None:
    stack = everything(new_stack, TIDEGATE_GATEWAY_FAILOVER_WAIT=AGES_S)
    stack.kill("nats", signal.SIGSTOP)
    threads, answers = image_calls(stack, 10)
    first = threads[0]
    first.join(4)
    stuck = first.is_alive()
    stack.kill("nats", signal.SIGCONT)
    for thread in threads:
        thread.join(60)

    assert stuck
    assert [answer.status_code for answer in answers] == [200] * 10
    agreed(stack, 10)


def test_service_that_waits_for_nats_ends_when_it_is_told(new_stack: NewStack) -> None:
    stack = new_stack()

    assert stack.tidegate("migrate", "--secrets").returncode == 0
    stack.environment["TIDEGATE_NATS_URL"] = f"nats://127.0.0.1:{stack.nats_port}"
    names = ("pool", "balancer", "analytics")
    for name in names:
        stack.start(name, name)
    stack.start_gateway()
    for name in (*names, "gateway"):
        log = stack.home / f"{name}.log"
        stack.eventually(lambda log=log: "nats_error" in log.read_text(), expected=True, seconds=60)
    for name in (*names, "gateway"):
        stack.kill(name, signal.SIGTERM)

    codes = {name: stack.processes[name].returncode for name in (*names, "gateway")}
    assert codes == dict.fromkeys(codes, 0), {
        name: (stack.home / f"{name}.log").read_text()[-2000:] for name in codes
    }

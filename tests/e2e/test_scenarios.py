"""What goes wrong between real processes, and that every unit is accounted for all the same."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import nats
import pytest

from contracts import subjects
from contracts.base import GatewayId, KeyId, RequestId, ServiceType
from contracts.pool import Granted, LeaseAnswers, LeaseSessions, LeaseWanted, SessionRequested
from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

NewStack = Callable[..., Stack]


def one_session(new_stack: NewStack, **settings: str) -> Stack:
    """Settings for a pool of a single session."""
    return new_stack(
        **{
            "TIDEGATE_POOL_MIN_SIZE": "1",
            "TIDEGATE_POOL_MAX_SIZE": "1",
            "TIDEGATE_POOL_SESSION_CONCURRENCY": "0",
            **settings,
        }
    )


def session_usage(stack: Stack) -> dict[str, Any]:
    (session,) = stack.api("/api/sessions")["data"]
    found: dict[str, Any] = stack.api(f"/api/session/usage?sessionId={session['session_id']}")
    return found


def outcomes(stack: Stack) -> list[str]:
    """How the leases of the log ended, in order of their grants."""
    query = "select coalesce(outcome, 'open') from leases order by granted_at, lease_id"
    return [row[0] for row in stack.api("/api/sql", "POST", json={"query": query})["rows"]]


def clean(stack: Stack) -> None:
    """Nothing is left open, and the log proves it."""
    stack.eventually(stack.open_leases, 0)
    report = stack.audit()
    assert report["exit"] == 0, report


BODY = b'{"model":"jimeng-4.0","prompt":"a gate"}'


def test_grant_whose_reply_was_lost_is_the_same_grant(new_stack: NewStack) -> None:
    """A command's first answer goes to an inbox that nobody reads; then it is asked twice more."""
    stack = one_session(new_stack)
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    wanted = LeaseSessions(
        items=[
            LeaseWanted(
                requested=SessionRequested(
                    request_id=RequestId("lost-reply"),
                    number=1,
                    service_type=ServiceType("image"),
                    asked_at=datetime.now(UTC),
                    gateway_id=GatewayId("test"),
                    key_id=KeyId("k"),
                )
            )
        ]
    )

    async def ask_twice() -> list[Granted]:
        password = (stack.home / "secrets" / "gateway.nats").read_text().strip()
        client = await nats.connect(
            f"nats://gateway:{password}@127.0.0.1:{stack.nats_port}",
            inbox_prefix=b"_INBOX_gateway",
        )
        body = msgspec.json.encode(wanted)
        await client.publish(subjects.pool_lease(), body, reply="_INBOX_gateway.nobody")
        await client.flush()
        found = []
        for _ in range(2):
            answer = await client.request(subjects.pool_lease(), body, timeout=5)
            items = msgspec.json.decode(answer.data, type=LeaseAnswers).items
            assert isinstance(items[0], Granted)
            found.append(items[0])
        await client.close()
        return found

    first, second = asyncio.run(ask_twice())

    assert first.lease_id == second.lease_id == "lost-reply.1"
    assert session_usage(stack)["remaining"]["image"] == 9


def test_client_gone_before_the_lease_is_answered_costs_nothing(new_stack: NewStack) -> None:
    stack = one_session(new_stack)
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.kill("pool", signal.SIGSTOP)
    connection = stack.open_call(BODY)
    time.sleep(0.5)
    connection.close()
    time.sleep(0.2)
    stack.kill("pool", signal.SIGCONT)

    stack.eventually(lambda: session_usage(stack)["remaining"]["image"], 10)
    clean(stack)

    assert stack.served("one") == 0


def test_client_gone_while_sending_leaves_an_unknown_outcome(new_stack: NewStack) -> None:
    stack = one_session(new_stack)
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    connection = stack.open_call(BODY[:-2] + b" " * 2_000_000, promised=5_000_000)
    stack.eventually(stack.open_leases, 1)
    connection.close()

    clean(stack)
    stack.eventually(lambda: outcomes(stack), ["unknown"])

    assert session_usage(stack)["remaining"]["image"] == 9


def test_client_gone_after_sending_leaves_an_unknown_outcome_and_aborts(
    new_stack: NewStack,
) -> None:
    stack = one_session(new_stack)
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.faults("one", kind="latency", latency_ms=20_000)
    connection = stack.open_call(BODY)
    stack.eventually(stack.open_leases, 1)
    time.sleep(0.5)
    connection.close()

    clean(stack)
    stack.eventually(lambda: outcomes(stack), ["unknown"])

    assert session_usage(stack)["remaining"]["image"] == 9


def test_leases_of_a_killed_gateway_expire_and_stay_used(new_stack: NewStack) -> None:
    stack = one_session(new_stack, TIDEGATE_POOL_LEASE_TTL="3s")
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.faults("one", kind="latency", latency_ms=20_000)
    connections = [stack.open_call(BODY) for _ in range(3)]
    stack.eventually(stack.open_leases, 3)
    stack.kill("gateway")
    stack.start_gateway()
    stack.ready("gateway")

    clean(stack)
    stack.eventually(lambda: outcomes(stack), ["expired"] * 3)

    assert session_usage(stack)["remaining"]["image"] == 7
    for connection in connections:
        connection.close()


def test_usage_that_comes_after_expiry_corrects_it(new_stack: NewStack) -> None:
    stack = one_session(new_stack, TIDEGATE_POOL_LEASE_TTL="2s")
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.faults("one", kind="latency", latency_ms=1500)
    found: list[int] = []
    client = threading.Thread(target=lambda: found.append(stack.image().status_code))
    client.start()
    stack.eventually(stack.open_leases, 1)
    time.sleep(0.5)
    stack.kill("gateway", signal.SIGSTOP)
    time.sleep(4)
    stack.kill("gateway", signal.SIGCONT)
    client.join(30)

    assert found == [200]
    stack.eventually(lambda: outcomes(stack), ["settled"])
    clean(stack)
    assert session_usage(stack)["usage"]["image_count"] == 1


def test_refused_connection_with_one_unit_left_goes_to_the_next_server(
    new_stack: NewStack,
) -> None:
    stack = one_session(
        new_stack, TIDEGATE_SERVICES_IMAGE_DAILY_LIMIT="2", TIDEGATE_BALANCER_PROBE_INTERVAL="60s"
    )
    stack.configure('[balancer]\nstrategy = "round_robin"\n' + stack.servers_toml("one", "two"))
    stack.start_all("one", "two")
    stack.kill("one")

    answers = [stack.image() for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    clean(stack)
    assert stack.served("two") == 2
    refused = "select count(*) from attempts where verdict = 'unreachable'"
    found = stack.api("/api/sql", "POST", json={"query": refused})["rows"]
    assert found[0][0] >= 1
    assert outcomes(stack) == ["settled", "settled"]
    assert stack.image().json()["error"]["code"] == "pool_quota_exhausted"


def test_429_with_one_session_left_is_saturation_and_gives_the_unit_back(
    new_stack: NewStack,
) -> None:
    stack = one_session(new_stack)
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.faults("one", kind="rate_limited", retry_after_s=2, times=1)

    limited = stack.image()

    assert limited.status_code == 503
    assert limited.json()["error"]["code"] == "pool_saturated"
    assert int(limited.headers["retry-after"]) <= 30
    assert session_usage(stack)["remaining"]["image"] == 10
    stack.eventually(lambda: stack.image().status_code, 200, 10)
    clean(stack)


def test_server_that_calls_every_session_invalid_is_blamed_and_the_pool_survives(
    new_stack: NewStack,
) -> None:
    stack = new_stack(TIDEGATE_POOL_MIN_SIZE="10", TIDEGATE_POOL_MAX_SIZE="10")
    stack.configure('[balancer]\nstrategy = "round_robin"\n' + stack.servers_toml("one", "two"))
    stack.start_all("one", "two")
    stack.faults("one", kind="unauthorized")

    answers = [stack.image().status_code for _ in range(30)]

    assert answers == [200] * 30
    assert stack.served("two") == 30
    servers = {one["id"]: one for one in stack.api("/api/load-balancer")["servers"]}
    assert not servers["one"]["healthy"]
    assert servers["two"]["healthy"]
    statuses = {one["status"] for one in stack.api("/api/sessions")["data"]}
    assert "disabled" not in statuses
    clean(stack)


def test_server_that_calls_sessions_invalid_now_and_then_disables_none_of_them(
    new_stack: NewStack,
) -> None:
    stack = new_stack(TIDEGATE_POOL_MIN_SIZE="3", TIDEGATE_POOL_MAX_SIZE="3")
    servers = stack.servers_toml("one", "two", one="weight = 100")
    stack.configure('[balancer]\nstrategy = "weighted_round_robin"\n' + servers)
    stack.start_all("one", "two")

    answers = []
    for minute in range(4):
        stack.set_clock(61 * minute)
        time.sleep(0.2)  # every process looks at the clock's file again after 0.1 s
        stack.faults("one", kind="unauthorized", times=1)
        # The first is the trial of whom the last round made suspect; the next one is accused.
        answers += [stack.image().status_code for _ in range(2)]

    assert answers == [200] * 8
    assert "disabled" not in {one["status"] for one in stack.api("/api/sessions")["data"]}
    query = "select count(*) from entity_events where event = 'session_suspected'"
    stack.eventually(lambda: stack.api("/api/sql", "POST", json={"query": query})["rows"], [[4]])
    clean(stack)


@pytest.mark.parametrize("calls", [40])
def test_paused_leader_that_wakes_up_neither_grants_nor_refuses(
    new_stack: NewStack, calls: int
) -> None:
    stack = one_session(new_stack)
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.start("pool-2", "pool")
    stack.ready("pool-2")
    statuses: list[int] = []
    stack.kill("pool", signal.SIGSTOP)
    threads = [
        threading.Thread(target=lambda: statuses.append(stack.image().status_code))
        for _ in range(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(statuses) == [200] * 10 + [429] * (calls - 10)

    stack.kill("pool", signal.SIGCONT)
    stack.eventually(lambda: "deposed" in (stack.home / "pool.log").read_text(), expected=True)

    assert stack.image().json()["error"]["code"] == "pool_quota_exhausted"
    assert stack.served("one") == 10
    clean(stack)
    assert httpx.get(f"http://127.0.0.1:{stack.health['pool']}/livez").status_code == 200


def test_unknown_outcome_is_repeated_only_where_the_server_is_declared_idempotent(
    new_stack: NewStack,
) -> None:
    stack = one_session(new_stack)
    stack.configure(stack.servers_toml("one", "two", one="idempotent = true"))
    stack.start_all("one", "two")
    stack.faults("one", kind="status", status=500, times=1)
    stack.faults("two", kind="status", status=500)
    by_server = []
    for _ in range(2):
        answer = stack.image()
        by_server.append((answer.headers["x-server-id"], answer.status_code))

    assert sorted(by_server) == [("one", 200), ("two", 502)]
    stack.eventually(stack.open_leases, 0)
    stack.eventually(lambda: sorted(outcomes(stack)), ["settled", "unknown"])
    query = "select server_id, count(*) from attempts group by all order by all"
    found = stack.api("/api/sql", "POST", json={"query": query})["rows"]
    assert found == [["one", 2], ["two", 1]]
    clean(stack)


def test_exchange_that_takes_too_long_is_broken_off_and_unknown(new_stack: NewStack) -> None:
    stack = one_session(new_stack, TIDEGATE_GATEWAY_EXCHANGE_MAX="2s")
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.faults("one", kind="latency", latency_ms=20_000)

    answer = stack.image()

    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "upstream_outcome_unknown"
    stack.eventually(lambda: outcomes(stack), ["unknown"])
    # The server had all of the request: it is to blame, as for any other timeout.
    query = "select server_id, verdict, failure from attempts"
    found = stack.api("/api/sql", "POST", json={"query": query})["rows"]
    assert found == [["one", "outcome_unknown", "timeout"]]
    clean(stack)

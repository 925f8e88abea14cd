"""A call that is only tried: it proves that one would succeed, and is in no figure."""

import json
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def call_findings_of(stack: Stack) -> tuple[int, list[str]]:
    done = stack.tidegate("doctor", "--json")
    found = json.loads(done.stdout)["findings"]
    return done.returncode, [one["message"] for one in found if one["area"] == "calls"]


def one_value(stack: Stack, query: str) -> int:
    answer = stack.api("/api/sql", "POST", json={"query": query})
    return int(answer["rows"][0][0])


def test_call_that_is_tried_is_nobodys_and_says_what_one_would_meet(
    new_stack: Callable[..., Stack],
) -> None:
    """One stack: all is well; then one type is used up; then a server is away."""
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE="2",
        TIDEGATE_POOL_MAX_SIZE="2",
        TIDEGATE_BALANCER_PROBE_INTERVAL="500ms",
    )
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.environment["TIDEGATE_PORT"] = str(stack.ports["gateway"])
    stack.environment["TIDEGATE_API"] = stack.url()

    code, told = call_findings_of(stack)

    assert code == 0
    assert [message.partition(" (")[0] for message in told] == [
        f"{name}: a call would succeed now" for name in ("image", "video", "avatar")
    ]
    stack.eventually(
        lambda: one_value(stack, "select count(*) from leases where outcome = 'cancelled'"),
        expected=3,
        seconds=30,
    )
    assert one_value(stack, "select count(*) from requests") == 0
    assert one_value(stack, "select coalesce(sum(calls), 0) from call_facts") == 0
    assert stack.api("/api/stats/summary")["total_requests"] == 0
    sessions = stack.api("/api/sessions")["data"]
    assert [one.get("last_used_at") for one in sessions] == [None, None]
    assert [one["remaining"]["avatar"] for one in sessions] == [1, 1]

    key = {"Authorization": f"Bearer {stack.client_key}"}
    for _ in range(2):
        answer = httpx.post(
            f"{stack.url()}/avatar/make", json={"prompt": "x"}, headers=key, timeout=30
        )
        assert answer.status_code == 200, answer.text
    (tried,) = stack.api("/api/doctor/try", "POST", json={"service_types": ["avatar"]})["data"]
    assert (tried["succeeds"], tried["code"], tried["status"]) == (
        False,
        "pool_quota_exhausted",
        429,
    )
    code, told = call_findings_of(stack)
    assert (code, told[2]) == (0, f"avatar: nothing left until {tried['resets_at']}")
    assert one_value(stack, "select count(*) from refusals") == 0

    stack.kill("one")
    stack.eventually(lambda: call_findings_of(stack)[0], expected=1, seconds=60)
    refused = httpx.post(
        f"{stack.url()}/api/doctor/try", json={"service_types": ["film"]}, headers=key, timeout=30
    )
    assert refused.status_code == 403
    assert stack.audit()["exit"] == 0

"""Calls that wait for a session: who waits is served, whoever is killed meanwhile."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import httpx
import pytest

from tests.e2e.exactness import in_duckdb, sold
from tests.e2e.stack import Stack

SESSIONS = 10
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def module_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two gateways, a leader and a standby of the pool; twenty exchanges at once, of 100 ms."""
    stack = Stack(
        tmp_path_factory.mktemp("home"),
        TIDEGATE_SERVICES_IMAGE_DAILY_LIMIT="1000",
        TIDEGATE_POOL_MIN_SIZE=str(SESSIONS),
        TIDEGATE_POOL_MAX_SIZE=str(SESSIONS),
        TIDEGATE_POOL_SESSION_CONCURRENCY="2",
    )
    try:
        stack.configure(stack.servers_toml("one"))
        stack.start_all("one", gateways=2)
        stack.start("pool-2", "pool")
        stack.ready("pool-2")
        stack.environment["TIDEGATE_API"] = stack.url()
        yield stack
    finally:
        stack.close()


@pytest.fixture
def stack(module_stack: Stack) -> Iterator[Stack]:
    """The same for each test, with everything running and no fault."""
    module_stack.faults("one", kind="latency", latency_ms=100)
    yield module_stack
    for name, verb in (("pool", "pool"), ("pool-2", "pool")):
        if module_stack.processes[name].poll() is not None:
            module_stack.start(name, verb)
    module_stack.ready("pool", "pool-2")
    module_stack.faults("one")


class Crowd:
    """Calls that all begin at once."""

    def __init__(self, stack: Stack, wait_ms: int = 60_000) -> None:
        """Every call may wait so long."""
        self.stack = stack
        self.wait_ms = wait_ms
        self.answers: list[httpx.Response] = []

    async def call(
        self, keys: Sequence[str], gateways: Sequence[str] = ("gateway", "gateway-2")
    ) -> Counter[int]:
        """Call once with each of the `keys`; how many calls got which status, 0 for none."""
        limits = httpx.Limits(max_connections=100)
        clients = [httpx.AsyncClient(timeout=110, limits=limits) for _ in range(16)]
        try:
            statuses = await asyncio.gather(
                *(
                    self._call_once(clients[number % 16], gateways[number % len(gateways)], key)
                    for number, key in enumerate(keys)
                )
            )
        finally:
            for client in clients:
                await client.aclose()
        return Counter(statuses)

    async def _call_once(self, client: httpx.AsyncClient, gateway: str, key: str) -> int:
        try:
            answer = await client.post(
                f"{self.stack.url(gateway)}/v1/images/generations",
                headers={"Authorization": f"Bearer {key}", "X-Max-Wait-Ms": str(self.wait_ms)},
                json={"model": "jimeng-4.0", "prompt": "a gate"},
            )
        except httpx.HTTPError:
            return 0
        self.answers.append(answer)
        return answer.status_code

    def refusals(self) -> Counter[str]:
        """What was said to whoever was not served, and how often."""
        return Counter(answer.text for answer in self.answers if answer.status_code != 200)


def agree(stack: Stack) -> None:
    """Demo server, pool, DuckDB and audit count the same units, and nothing is open."""
    stack.eventually(lambda: stack.api("/api/leases?state=open")["data"], [])
    served = stack.served("one")
    assert sold(stack) == served
    stack.eventually(lambda: in_duckdb(stack), served)
    report = stack.audit()
    assert (report["exit"], report["violations"]) == (0, [])


def test_who_waits_is_served_and_told_where_it_stood(stack: Stack) -> None:
    crowd = Crowd(stack)

    answers = asyncio.run(crowd.call([stack.client_key] * 200))

    assert answers == {200: 200}
    positions = [
        int(answer.headers["x-queue-position"])
        for answer in crowd.answers
        if "x-queue-position" in answer.headers
    ]
    assert len(positions) >= 200 - 2 * SESSIONS - 20
    assert max(positions) >= 100
    agree(stack)


def leading_pool(stack: Stack) -> str:
    """Which of the two processes leads the pool."""
    for name in ("pool", "pool-2"):
        metrics = httpx.get(f"http://127.0.0.1:{stack.health[name]}/metrics", timeout=5).text
        if "tidegate_pool_leading 1.0" in metrics:
            return name
    raise AssertionError("nobody leads")


async def waiting_count(stack: Stack, name: str) -> int:
    """How many wait, as far as this pool process knows."""
    url = f"http://127.0.0.1:{stack.health[name]}/metrics"
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:
        metrics = (await client.get(url, timeout=60)).text
    line = next(line for line in metrics.splitlines() if line.startswith("tidegate_pool_waiting "))
    return int(float(line.split()[1]))


async def until_waiting(
    stack: Stack, name: str, count: int, calls: "asyncio.Future[Counter[int]]"
) -> None:
    """Wait until so many of the calls wait, which they never do once they are over."""
    while await waiting_count(stack, name) < count:
        assert not calls.done(), f"{calls.result()} before {count} waited"
        await asyncio.sleep(0.1)


def cool_all(stack: Stack, seconds: float) -> None:
    """Have every session rest for so long from now; 0: none rests. Asked until a leader answers."""
    asked = httpx.Request(
        "PATCH",
        f"{stack.url()}/api/sessions?all=true",
        headers={"Authorization": f"Bearer {stack.operator_key}"},
        json={"cool_s": seconds},
    )
    with httpx.Client(timeout=20) as client:
        stack.eventually(lambda: client.send(asked).status_code, 200, 60)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_leader_that_is_killed_or_paused_loses_nobody_who_waits(
    stack: Stack, number: signal.Signals
) -> None:
    """All sessions rest until so many wait; then who leads is killed, and they rest no more."""
    crowd, first = Crowd(stack, 100_000), leading_pool(stack)
    cool_all(stack, 90)

    async def disturb() -> Counter[int]:
        calls = asyncio.ensure_future(crowd.call([stack.client_key] * 540))
        await until_waiting(stack, first, 500, calls)
        stack.kill(first, number)
        await asyncio.to_thread(cool_all, stack, 0)
        return await calls

    answers = asyncio.run(disturb())

    if number == signal.SIGSTOP:
        stack.kill(first, signal.SIGCONT)

    assert answers == {200: 540}, crowd.refusals()
    agree(stack)


def test_a_greedy_key_gets_no_more_than_each_modest_one(stack: Stack) -> None:
    names = ["greedy", *(f"modest-{number}" for number in range(9))]
    keys = {name: stack.api("/api/keys", "POST", json={"name": name}) for name in names}
    secrets = [keys["greedy"]["key"]] * 500
    for name in names[1:]:
        secrets += [keys[name]["key"]] * 120
    # Nearly nobody is served before all of them wait.
    stack.faults("one", kind="latency", latency_ms=8000)
    before = stack.api("/api/sql", "POST", json={"query": "select count(*) from leases"})

    async def call_all() -> Counter[int]:
        calls = asyncio.ensure_future(Crowd(stack, 110_000).call(secrets))
        first = leading_pool(stack)
        await until_waiting(stack, first, len(secrets) - 60, calls)
        stack.faults("one", kind="latency", latency_ms=20)
        return await calls

    answers = asyncio.run(call_all())

    assert answers == {200: len(secrets)}
    agree(stack)
    query = (
        "select key_id, count(*) from (select key_id from leases where service_type = 'image'"
        f" order by granted_at, granted_sequence offset {before['rows'][0][0] + 60} limit 1000)"
        " group by 1"
    )
    shares = dict(stack.api("/api/sql", "POST", json={"query": query})["rows"])
    assert sum(shares.values()) == 1000
    assert all(90 <= shares[keys[name]["id"]] <= 110 for name in names)


def test_a_wait_that_is_over_says_so_and_where_it_stood(stack: Stack) -> None:
    stack.faults("one", kind="latency", latency_ms=3000)
    crowd = Crowd(stack, 500)

    answers = asyncio.run(crowd.call([stack.client_key] * 60))

    assert answers == {200: 20, 503: 40}
    refused = [answer for answer in crowd.answers if answer.status_code == 503]
    assert {answer.json()["error"]["code"] for answer in refused} == {"pool_saturated"}
    assert all("x-queue-position" in answer.headers for answer in refused)
    agree(stack)


@pytest.mark.parametrize("said", ["-1", "1.5", "soon", "600001", "9" * 40])
def test_a_wait_that_is_none_is_refused_by_name(stack: Stack, said: str) -> None:
    answer = httpx.post(
        f"{stack.url()}/v1/images/generations",
        headers={"Authorization": f"Bearer {stack.client_key}", "X-Max-Wait-Ms": said},
        json={"prompt": "p"},
    )

    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "x-max-wait-ms")
    assert "expected milliseconds from 0 to 600,000" in error["message"]


def in_line(stack: Stack) -> Callable[[], int]:
    return lambda: asyncio.run(waiting_count(stack, leading_pool(stack)))


def test_clients_that_leave_are_gone_from_the_line_at_once(stack: Stack) -> None:
    stack.faults("one", kind="latency", latency_ms=10_000)

    async def leave() -> None:
        crowd = Crowd(stack)
        calls = asyncio.ensure_future(crowd.call([stack.client_key] * 60))
        first = leading_pool(stack)
        await until_waiting(stack, first, 40, calls)
        calls.cancel()
        with suppress(asyncio.CancelledError):
            await calls

    asyncio.run(leave())

    stack.eventually(in_line(stack), 0)
    agree_but_for_those_who_left(stack)


def agree_but_for_those_who_left(stack: Stack) -> None:
    stack.eventually(lambda: stack.api("/api/leases?state=open")["data"], [])
    assert stack.audit()["exit"] == 0


def test_a_gateway_that_stops_answers_those_who_wait(stack: Stack) -> None:
    stack.start_gateway("gateway-3")
    stack.ready("gateway-3")
    stack.faults("one", kind="latency", latency_ms=10_000)
    crowd = Crowd(stack)

    async def stop() -> Counter[int]:
        calls = asyncio.ensure_future(crowd.call([stack.client_key] * 60, ["gateway-3"]))
        first = leading_pool(stack)
        await until_waiting(stack, first, 40, calls)
        stack.processes["gateway-3"].send_signal(signal.SIGTERM)
        return await calls

    answers = asyncio.run(stop())

    assert answers == {200: 20, 503: 40}
    said = {answer.json()["error"]["message"] for answer in crowd.answers if answer.is_error}
    assert said == {"the gateway stops: it waits for no session any more"}
    stack.eventually(in_line(stack), 0)
    agree(stack)


def test_a_key_that_is_revoked_waits_no_more(stack: Stack) -> None:
    stack.faults("one", kind="latency", latency_ms=20_000)
    issued = stack.api("/api/keys", "POST", json={"name": "shop"})

    async def revoke() -> tuple[Counter[int], Counter[int]]:
        first = leading_pool(stack)
        mine = asyncio.ensure_future(Crowd(stack).call([stack.client_key] * 20, ["gateway"]))
        while await asyncio.to_thread(open_count, stack) < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        theirs = asyncio.ensure_future(Crowd(stack).call([issued["key"]] * 10))
        await until_waiting(stack, first, 10, theirs)
        await asyncio.to_thread(stack.api, f"/api/keys/{issued['id']}", "DELETE")
        return await mine, await theirs

    answers = asyncio.run(revoke())

    assert answers == ({200: 20}, {401: 10})
    stack.eventually(in_line(stack), 0)
    agree(stack)


def test_a_queue_that_is_dropped_twice_is_empty_and_everybody_is_told(stack: Stack) -> None:
    """More wait than the pool ends at once."""
    stack.faults("one", kind="latency", latency_ms=20_000)
    crowd = Crowd(stack)

    async def drop() -> tuple[list[int], Counter[int]]:
        calls = asyncio.ensure_future(crowd.call([stack.client_key] * 720))
        first = leading_pool(stack)
        await until_waiting(stack, first, 700, calls)
        dropped = [
            (await asyncio.to_thread(stack.api, "/api/queue?all=true", "DELETE"))["dropped"]
            for _ in range(2)
        ]
        return dropped, await calls

    dropped, answers = asyncio.run(drop())

    assert (dropped, answers) == ([700, 0], {200: 20, 503: 700})
    refused = {answer.json()["error"]["message"] for answer in crowd.answers if answer.is_error}
    assert len(refused) == 1
    assert "an operator dropped it from the queue" in refused.pop()
    agree(stack)


def open_count(stack: Stack) -> int:
    return len(stack.api("/api/leases?state=open")["data"])


def test_a_lease_whose_gateway_died_waiting_comes_back(stack: Stack) -> None:
    stack.start_gateway("gateway-4")
    stack.ready("gateway-4")
    stack.faults("one", kind="latency", latency_ms=15_000)
    used = sold(stack)

    async def die() -> Counter[int]:
        mine = asyncio.ensure_future(Crowd(stack).call([stack.client_key] * 20, ["gateway"]))
        first = leading_pool(stack)
        while await asyncio.to_thread(open_count, stack) < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        calls = asyncio.ensure_future(Crowd(stack).call([stack.client_key] * 30, ["gateway-4"]))
        await until_waiting(stack, first, 30, calls)
        stack.kill("gateway-4")
        await calls
        return await mine

    answers = asyncio.run(die())

    assert answers == {200: 20}
    # Those it was granted before the pool knew that nobody listens were never told, and are back.
    stack.eventually(in_line(stack), 0)
    stack.eventually(lambda: stack.api("/api/leases?state=open")["data"], [])
    assert sold(stack) == used + 20
    agree(stack)

"""Strategies by latency between real processes: what the log tells decides who is chosen next."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts import envelope, subjects
from contracts.pool import Attempt, UsageRecorded
from runtime.environment import read_environment
from runtime.eventlog import EventLog
from runtime.nats.connection import connect_as
from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

CALLS = 12


def attempts_written(stack: Stack) -> list[Attempt]:
    """Every attempt of the pool's log, in its order."""

    async def read_log() -> list[Attempt]:
        client = await connect_as(read_environment(stack.environment), "auditor")
        log, written = EventLog(client), []
        upto = (await log.stream_state()).last_sequence
        async for batch in log.read_range(subjects.evt_pool(), 0, upto):
            for stored in batch:
                for event in envelope.decode_envelope(stored.body).events:
                    written += event.attempts if isinstance(event, UsageRecorded) else []
        await client.close()
        return written

    return asyncio.run(read_log())


@pytest.mark.parametrize("strategy", ["least_response_time", "p2c_ewma", "adaptive"])
def test_slow_server_is_left_alone_and_the_log_says_what_each_carried(
    new_stack: Callable[..., Stack], strategy: str
) -> None:
    """Method: one after the other, so that nothing but latency tells the servers apart; then three
    at once, of which each is chosen while those before it are at work."""
    stack = new_stack(TIDEGATE_BALANCER_STRATEGY=strategy)
    stack.configure(stack.servers_toml("fast", "slow"))
    stack.start_all("fast", "slow")
    stack.faults("slow", kind="latency", latency_ms=1500)

    chosen = []
    for _ in range(CALLS):
        chosen.append(stack.image().headers["x-server-id"])
        # A selection that comes before the end of the call before it is in the log knows less.
        stack.eventually(stack.open_leases, 0)
    stack.faults("fast", kind="latency", latency_ms=1500)
    with ThreadPoolExecutor(3) as callers:
        answers = [callers.submit(stack.image) for _ in range(3)]
    stack.eventually(stack.open_leases, 0)

    assert [answer.result().status_code for answer in answers] == [200] * 3
    # Both were tried once to know them.
    assert chosen.count("slow") == 1
    written = attempts_written(stack)
    assert {one.strategy for one in written} == {strategy}
    assert [one.in_flight for one in written[:CALLS]] == [1] * CALLS
    by_server = {
        name: sorted(one.in_flight for one in written[CALLS:] if one.server_id == name)
        for name in ("fast", "slow")
    }
    assert sum(map(len, by_server.values())) == 3
    assert all(counts == [*range(1, len(counts) + 1)] for counts in by_server.values())
    assert by_server["fast"]

"""A balancer that takes over is told by idle gateways what is in flight, and when it ends."""

import signal
from collections.abc import Callable

from tests.e2e.stack import WAIT_S, Stack

NewStack = Callable[..., Stack]
BODY = b'{"model":"jimeng-4.0","prompt":"a gate"}'


def connections(stack: Stack) -> int:
    (server,) = stack.api("/api/load-balancer")["servers"]
    return int(server["connections"])


def test_idle_gateway_tells_the_new_leader_what_is_open_and_what_has_ended(
    new_stack: NewStack,
) -> None:
    stack = new_stack(TIDEGATE_POOL_MIN_SIZE="5")
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.start("balancer-2", "balancer")
    stack.ready("balancer-2")
    stack.faults("one", kind="latency", latency_ms=100_000)
    calls = [stack.open_call(BODY) for _ in range(3)]
    stack.eventually(lambda: connections(stack), 3, WAIT_S)

    stack.kill("balancer", signal.SIGKILL)

    stack.eventually(lambda: connections(stack), 3, WAIT_S)
    calls.pop().close()
    stack.eventually(lambda: connections(stack), 2, WAIT_S)
    for call in calls:
        call.close()
    stack.eventually(lambda: connections(stack), 0, WAIT_S)

    assert '"epoch":2' in (stack.home / "balancer-2.log").read_text()

    stack.kill("one")  # it would wait for its slow answers

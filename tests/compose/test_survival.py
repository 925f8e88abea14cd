"""Containers are killed, crash and lose their network: everything recovers with nobody's help."""

import os
import signal
import time

import pytest

from tests.compose.containers import RECOVERY_S, Containers
from tests.compose.trickle import accounted, calling

ROLES = ("gateway", "pool", "balancer", "analytics", "nats")


@pytest.mark.parametrize("role", ROLES)
def test_killed_container_that_is_started_again_recovers(stack: Containers, role: str) -> None:
    name = stack.who(role)

    with calling(stack, f"kill {role}"):
        stack.docker("kill", name)
        time.sleep(1)
        stack.docker("start", name)

    if role in {"pool", "balancer"}:
        assert stack.who(role) != name


@pytest.mark.parametrize("role", ["gateway", "nats"])
def test_crashed_container_is_started_again_by_the_engine(stack: Containers, role: str) -> None:
    name = stack.who(role)
    before = stack.inspect(name, "{{.RestartCount}}")

    with calling(stack, f"crash {role}"):
        crash(stack, name)
        stack.eventually(lambda: stack.inspect(name, "{{.RestartCount}}"), before + 1, RECOVERY_S)


def crash(stack: Containers, name: str) -> None:
    """End a container's process from outside: unlike `docker kill` nobody asked the engine to."""
    try:
        os.kill(stack.inspect(name, "{{.State.Pid}}"), signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        pytest.skip("the containers' processes are not ours to kill on this machine")


@pytest.mark.parametrize(
    ("role", "network"),
    [
        ("gateway", "log"),
        ("pool", "log"),
        ("nats", "log"),
        ("server-1", "servers"),
    ],
)
def test_container_that_loses_its_network_recovers(
    stack: Containers, role: str, network: str
) -> None:
    name = stack.who(role)

    with calling(stack, f"disconnect {role}"):
        stack.disconnect(name, network)
        time.sleep(5)
        stack.connect(name, network)


def test_stack_that_is_stopped_ends_in_good_order_and_goes_on_where_it_was(
    stack: Containers,
) -> None:
    used = stack.served("one", "two")

    stack.compose("stop")
    codes = {name: one["ExitCode"] for name, one in stack.states().items()}
    stack.up()

    assert set(codes.values()) == {0}, codes
    assert stack.served("one", "two") == used
    stack.recovered()
    accounted(stack)

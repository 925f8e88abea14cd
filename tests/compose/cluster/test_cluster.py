"""Three NATS servers: the loss of the one that leads the log is a gap, and loses nothing."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.chaos.evidence import LogRead
from tests.compose.actor import CLUSTER, Actor, leader_of_the_stream
from tests.compose.containers import RECOVERY_S, Containers
from tests.compose.trickle import calling


@pytest.fixture(scope="module")
def actor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    made = Actor(tmp_path_factory.mktemp("cluster"), CLUSTER)
    try:
        made.begin()
        yield made
    finally:
        made.stack.down()


def leader(stack: Containers, *members: str) -> str:
    """Wait until the stream has a leader among `members`."""
    stack.eventually(
        lambda: leader_of_the_stream(stack, members) in members, expected=True, seconds=RECOVERY_S
    )
    return leader_of_the_stream(stack, members)


async def watch(actor: Actor, seconds: float) -> None:
    """Read the log as it grows: what was read once was stored."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await actor.watch_log()


def test_stream_leader_that_is_killed_loses_nothing(actor: Actor) -> None:
    stack = actor.stack
    members = actor.members()

    assert len(members) == 3
    lost = leader(stack, *members)
    others = [name for name in members if name != lost]

    with calling(stack, f"kill the stream's leader, of three ({lost})"):
        asyncio.run(watch(actor, 3))
        before = dict(actor.seen)
        stack.docker("kill", lost)

        assert leader(stack, *others) in others

        # Two of three go on: calls succeed while the third is away.
        stack.eventually(stack.answers, expected=True, seconds=RECOVERY_S)
        time.sleep(2)
        stack.docker("start", lost)

    log: LogRead = asyncio.run(actor.read_log())
    assert before
    assert {sequence: log.digests.get(sequence) for sequence in before} == before
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in log.numbers.values())


def test_server_without_the_password_of_routes_joins_no_cluster(actor: Actor) -> None:
    stranger = {"user": "route", "pass": "a guess", "name": "stranger", "cluster": "tidegate"}
    with socket.create_connection((actor.addresses()[0], 6222), 10) as connection:
        assert connection.recv(4096).startswith(b"INFO")
        connection.sendall(b"CONNECT " + json.dumps(stranger).encode() + b"\r\nPING\r\n")
        told = connection.recv(4096)

    assert b"Authorization Violation" in told

"""The master key rotated amid calls, and whoever has a part in it killed: nothing is ever lost.

Real processes: two pools, two gateways, the command. Each test looks into the bucket with the keys
of the key file and nothing else, as a process does that starts then.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import nats
import pytest

from runtime.secrets import Sealer, key_id_of
from services.pool.store import CredentialStore
from tests.e2e.stack import Stack
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rotation"), pytest.mark.timeout(400)]
SESSIONS = 300
KILLED_AT = """
import os, signal, sys
from tidegate.console import api
from tidegate.masterkey import keyfile
from tidegate.main import main

point = int(sys.argv.pop(1))


def reach():
    global point
    point -= 1
    if point == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def watched(call, *, around):
    def watching(*arguments):
        reach()
        answer = call(*arguments)
        if around:
            reach()
        return answer

    return watching


os.fsync = watched(os.fsync, around=False)
keyfile.rewrite_private = watched(keyfile.rewrite_private, around=True)
api.post = watched(api.post, around=True)
main()
"""
"""`secrets rotate` that is killed at the n-th moment at which it does something: before, amid and
behind each writing of the file, before and behind each command."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("rotation") / "home", TIDEGATE_POOL_MIN_SIZE="300")
    try:
        stack.configure(stack.servers_toml("one", "two"))
        stack.start_all("one", "two", gateways=2)
        stack.start("pool-2", "pool")
        stack.ready("pool-2")
        stack.environment["TIDEGATE_API"] = stack.url()
        yield stack
    finally:
        stack.close()


def keys_of(stack: Stack) -> list[str]:
    return (stack.home / "secrets" / "master.key").read_text().split()


def opened(stack: Stack) -> dict[str, str | None]:
    """Every credential, as the keys of the file open it now."""

    async def read() -> dict[str, str | None]:
        password = (stack.home / "secrets" / "pool.nats").read_text()
        client = await nats.connect(
            f"nats://pool:{password}@127.0.0.1:{stack.nats_port}", inbox_prefix="_INBOX_pool"
        )
        try:
            kept = CredentialStore(client, Sealer("\n".join(keys_of(stack))))
            return {one.session_id: one.credential async for one in kept.open_all()}
        finally:
            await client.close()

    return anyio.run(read)


def run_rotation(stack: Stack, *more: str, point: int = 0) -> subprocess.CompletedProcess[str]:
    """Rotate, killed at this point; 0: to the end."""
    words = ["-c", KILLED_AT, str(point)] if point else ["-m", "tidegate.main"]
    return subprocess.run(
        [sys.executable, *words, "secrets", "rotate", *more],
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=stack.home,
        check=False,
    )


def shown(stack: Stack) -> dict[str, Any]:
    """What the pool's leader says of its keys, once somebody leads."""
    key = {"Authorization": f"Bearer {stack.operator_key}"}
    answer = httpx.get(f"{stack.url()}/api/secrets", headers=key, timeout=30)
    told: dict[str, Any] = answer.json()
    return told if answer.status_code == 200 else {}


def leading(stack: Stack) -> str:
    """Which of the two pool processes leads."""
    wait_for(lambda: bool(shown(stack)))
    process = shown(stack)["holders"][0]["process"]
    pids = {f"-{stack.processes[name].pid}-": name for name in ("pool", "pool-2")}
    return next(name for pid, name in pids.items() if pid in process)


def kill_leader(stack: Stack) -> None:
    """Kill the leader of the pool, and start another process in its place."""
    name = leading(stack)
    stack.kill(name)
    stack.start(name, "pool")


@contextmanager
def calls_going_on(stack: Stack) -> Iterator[list[int]]:
    """One call after the other at both gateways; the statuses of their answers."""
    statuses: list[int] = []
    ended = threading.Event()
    body = {"model": "jimeng-4.0", "prompt": "a gate"}

    def call() -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {stack.client_key}"}) as client:
            while not ended.wait(0.1):
                for gateway in ("gateway", "gateway-2"):
                    url = f"{stack.url(gateway)}/v1/images/generations"
                    statuses.append(client.post(url, json=body, timeout=60).status_code)

    calling = threading.Thread(target=call)
    calling.start()
    try:
        yield statuses
    finally:
        ended.set()
        calling.join()


def all_done(stack: Stack, before: dict[str, str | None], old: list[str]) -> None:
    """One key is left, a new one, and it opens what there was."""
    assert len(keys_of(stack)) == 1
    assert not set(keys_of(stack)) & set(old)
    assert opened(stack) == before
    assert len(before) == SESSIONS
    assert None not in before.values()


def test_killed_at_every_step_it_goes_on_amid_calls(stack: Stack) -> None:
    """Every point in turn, until a run comes to its end; at every other one the leader dies too."""
    before, old = opened(stack), keys_of(stack)
    points = 0
    with calls_going_on(stack) as statuses:
        while True:
            points += 1
            done = run_rotation(stack, point=points)
            assert opened(stack) == before, f"killed at point {points}"
            if done.returncode == 0:
                break
            assert done.returncode == -signal.SIGKILL, done.stderr
            if points % 2:
                kill_leader(stack)
            done = run_rotation(stack)
            assert done.returncode == 0, (points, done.stderr)
            all_done(stack, before, old)
            old += keys_of(stack)

    assert points > 14, "three writings of four moments, and a command of two"
    all_done(stack, before, old)
    assert statuses.count(200) > 20
    assert set(statuses) == {200}
    assert stack.audit()["violations"] == []
    assert stack.here("doctor").stdout.count("the master key opens the credentials (300)") == 1


def test_leaders_killed_while_they_reseal_lose_nothing(stack: Stack) -> None:
    """Each leader is killed once it has sealed something anew, three times in one rotation."""
    before, old = opened(stack), keys_of(stack)
    running = subprocess.Popen(
        [sys.executable, "-m", "tidegate.main", "secrets", "rotate"],
        env=stack.environment,
        stderr=subprocess.PIPE,
        text=True,
        cwd=stack.home,
    )
    wait_for(lambda: keys_of(stack)[0] not in old)
    new = key_id_of(keys_of(stack)[0])
    killed = 0
    while killed < 3 and running.poll() is None:
        told = shown(stack)
        if 0 < told.get("ciphertexts", {}).get(new, 0) < SESSIONS:
            assert opened(stack) == before
            kill_leader(stack)
            killed += 1

    _, said = running.communicate(timeout=120)

    assert running.returncode == 0, said
    assert killed, "no leader was caught while it re-sealed"
    all_done(stack, before, old)


def test_leader_that_was_paused_all_the_while_spoils_nothing(stack: Stack) -> None:
    """It wakes up when the old key is gone, and takes in what was sent to it before."""
    before, old = opened(stack), keys_of(stack)
    name = leading(stack)
    other = {"pool": "pool-2", "pool-2": "pool"}[name]
    stack.processes[name].send_signal(signal.SIGSTOP)
    try:
        wait_for(lambda: bool(shown(stack)) and leading(stack) == other)
        done = run_rotation(stack)
    finally:
        stack.processes[name].send_signal(signal.SIGCONT)

    stack.ready(name)

    assert done.returncode == 0, done.stderr
    all_done(stack, before, old)


def test_two_at_once_are_one(stack: Stack) -> None:
    before, old = opened(stack), keys_of(stack)
    words = [sys.executable, "-m", "tidegate.main", "secrets", "rotate"]
    both = [
        subprocess.Popen(
            words, env=stack.environment, stderr=subprocess.PIPE, text=True, cwd=stack.home
        )
        for _ in range(2)
    ]

    said = [running.communicate(timeout=120)[1] for running in both]

    assert sorted(running.returncode for running in both) == [0, 1], said
    assert any("another rotation is at work on it" in words for words in said)
    all_done(stack, before, old)


def test_gateway_that_cannot_read_the_key_is_named_and_then_waited_for(
    stack: Stack, tmp_path: Path
) -> None:
    """A gateway on another machine has a key file of its own: nothing is promoted without it."""
    before, old = opened(stack), keys_of(stack)
    theirs = tmp_path / "theirs.key"
    theirs.write_text("\n".join(old))
    port = stack.ports.setdefault("far", 0) or int(stack.demo_url("far").rsplit(":", 1)[1])
    stack.start("far", "gateway", TIDEGATE_PORT=str(port), TIDEGATE_SECRET_KEY_FILE=str(theirs))
    stack.ports["far"] = port
    try:
        stack.ready("far")
        refused = run_rotation(stack, "--wait", "4s")
        findings = stack.here("doctor").stdout
        pid = stack.processes["far"].pid

        assert refused.returncode == 1
        assert f"these lack the key {key_id_of(keys_of(stack)[1])}: gw-{pid}-" in refused.stderr
        assert keys_of(stack)[0] == old[0], "nothing was promoted"
        assert f"gw-{pid}-" in findings
        assert "rotation_halfway" in findings
        assert "master_key_lacking" in findings
        theirs.write_text("\n".join(keys_of(stack)))
        waiting = run_rotation(stack, "--wait", "4s")
        assert waiting.returncode == 1
        assert f"these seal under another: gw-{pid}-" in waiting.stderr
        theirs.write_text("\n".join(keys_of(stack)))
        assert run_rotation(stack).returncode == 0
        all_done(stack, before, old)
    finally:
        os.kill(stack.processes["far"].pid, signal.SIGTERM)
        stack.processes["far"].wait(40)


def test_copies_in_the_homes_of_their_owners_are_rotated_with_the_whole(tmp_path: Path) -> None:
    """As in containers: pool and gateway each see a home of their own, and whoever rotates all."""
    stack = Stack(tmp_path / "home", TIDEGATE_POOL_MIN_SIZE="5")
    homes = tmp_path / "homes"
    copies = {name: homes / name / "secrets" / "master.key" for name in ("pool", "gateway")}
    for copy in copies.values():
        copy.parent.mkdir(parents=True)
    try:
        stack.start_nats()
        stack.here("migrate", "--secrets", "--homes", str(homes))
        stack.start_demo("one")
        stack.configure(stack.servers_toml("one"))
        port = int(stack.demo_url("gateway").rsplit(":", 1)[1])
        stack.start("pool", "pool", TIDEGATE_SECRET_KEY_FILE=str(copies["pool"]))
        stack.start("balancer", "balancer")
        stack.start(
            "gateway",
            "gateway",
            TIDEGATE_PORT=str(port),
            TIDEGATE_SECRET_KEY_FILE=str(copies["gateway"]),
        )
        stack.ready("pool", "balancer", "gateway")
        stack.environment["TIDEGATE_API"] = stack.url()
        before, old = opened(stack), keys_of(stack)

        alone = run_rotation(stack, "--wait", "2s")
        whole = run_rotation(stack, "--homes", str(homes))

        assert alone.returncode == 1
        assert "Give them the key file as it is now" in alone.stderr
        assert whole.returncode == 0, whole.stderr
        assert set(keys_of(stack)).isdisjoint(old)
        assert {copy.read_text() for copy in copies.values()} == {"".join(keys_of(stack))}
        assert opened(stack) == before
    finally:
        stack.close()


def test_restarted_stack_opens_everything_with_the_new_key_alone(stack: Stack) -> None:
    """Nothing of the old keys lives on in the memory of the processes."""
    before = opened(stack)
    for name in ("gateway", "gateway-2", "pool", "pool-2"):
        stack.kill(name)
    for name in ("pool", "pool-2"):
        stack.start(name, "pool")
    for name in ("gateway", "gateway-2"):
        stack.start_gateway(name)
    stack.ready("pool", "pool-2", "gateway", "gateway-2")

    with calls_going_on(stack) as statuses:
        wait_for(lambda: len(statuses) > 20)

    assert set(statuses) == {200}
    assert opened(stack) == before
    assert shown(stack)["ciphertexts"] == {key_id_of(keys_of(stack)[0]): SESSIONS}

"""Containers are killed, crash and lose their network: everything recovers with nobody's help."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.compose.conftest import REPORT
from tests.compose.containers import RECOVERY_S, Containers

ROLES = ("gateway", "pool", "balancer", "analytics", "nats")
KNOWN = {
    "ok",
    "no answer",
    "ledger_unavailable",
    "no_backend",
    "pool_saturated",
    "upstream_error",
    "upstream_outcome_unknown",
}
"""What a client may meet while something is broken; nothing else."""


class Trickle:
    """One call after another, and what became of each."""

    def __init__(self, stack: Containers) -> None:
        self.codes: Counter[str] = Counter()
        self.gap_s = 0.0
        self._stack = stack
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._call)

    def _call(self) -> None:
        good_at = time.monotonic()
        while not self._over.is_set():
            code = self._one()
            self.codes[code] += 1
            if code == "ok":
                self.gap_s = max(self.gap_s, time.monotonic() - good_at)
                good_at = time.monotonic()
            time.sleep(0.02)

    def _one(self) -> str:
        try:
            found = self._stack.image()
        except httpx.HTTPError:
            return "no answer"
        return "ok" if found.status_code == 200 else str(found.json()["error"]["code"])


@contextmanager
def calls(stack: Containers, what: str) -> Iterator[Trickle]:
    """Call all the while; then everything is well again, every unit accounted for."""
    trickle = Trickle(stack)
    trickle._thread.start()
    try:
        stack.eventually(lambda: trickle.codes["ok"] > 3, expected=True, seconds=RECOVERY_S)
        yield trickle
        stack.recovered()
        before = trickle.codes["ok"]
        stack.eventually(lambda: trickle.codes["ok"] > before + 3, expected=True, seconds=60)
    finally:
        trickle._over.set()
        trickle._thread.join()
    REPORT.append(f"{what}: {trickle.gap_s:.1f} s without a success, {dict(trickle.codes)}")
    assert set(trickle.codes) <= KNOWN
    stack.recovered()
    accounted(stack)


def accounted(stack: Containers) -> None:
    """No server did more than the pool counted, and the log proves the rest."""
    used: dict[str, int] = {}
    report = stack.audit()
    for total in report["totals"]:
        service = total["service_type"]
        used[service] = used.get(service, 0) + total["used"]
    assert report["exit"] == 0, report
    assert report["violations"] == []
    assert report["duckdb"] == "agrees"
    for service, units in used.items():
        assert stack.served("one", "two", service=service) <= units


@pytest.mark.parametrize("role", ROLES)
def test_killed_container_that_is_started_again_recovers(stack: Containers, role: str) -> None:
    name = stack.who(role)

    with calls(stack, f"kill {role}"):
        stack.docker("kill", name)
        time.sleep(1)
        stack.docker("start", name)

    if role in {"pool", "balancer"}:
        assert stack.who(role) != name


@pytest.mark.parametrize("role", ["gateway", "nats"])
def test_crashed_container_is_started_again_by_the_engine(stack: Containers, role: str) -> None:
    name = stack.who(role)
    before = stack.inspect(name, "{{.RestartCount}}")

    with calls(stack, f"crash {role}"):
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

    with calls(stack, f"disconnect {role}"):
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

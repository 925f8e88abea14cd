"""Terms of the pool's leaders as real processes: how they end, and who follows."""

import signal
import threading
from collections.abc import Callable

import pytest

from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

NewStack = Callable[..., Stack]


def test_ledger_of_every_orderly_term_hashes_to_what_its_log_folds_to(new_stack: NewStack) -> None:
    stack = new_stack(TIDEGATE_POOL_MIN_SIZE="3", TIDEGATE_POOL_MAX_SIZE="3")
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    for _ in range(2):
        for fault in ({}, {"kind": "status", "status": 500}, {"kind": "code", "code": -2001}):
            stack.faults("one", **{**fault, "times": 1} if fault else {})
            stack.image()
        stack.eventually(stack.open_leases, 0)
        stack.kill("pool", signal.SIGTERM)
        stack.start("pool", "pool")
        stack.ready("pool")

    report = stack.audit()

    assert report["exit"] == 0, report
    assert report["checkpoints"] == 2


def test_leaders_killed_under_load_cost_nobody_an_answer_and_no_unit(new_stack: NewStack) -> None:
    """Four clients make 120 calls for 100 units; each of two leaders is killed amid them."""
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE="1",
        TIDEGATE_POOL_MAX_SIZE="1",
        TIDEGATE_POOL_SESSION_CONCURRENCY="0",
        TIDEGATE_SERVICES_IMAGE_DAILY_LIMIT="100",
    )
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.start("pool-2", "pool")
    stack.ready("pool-2")
    statuses: list[int] = []
    resumed = threading.Event()

    def ask() -> None:
        statuses.extend(stack.image().status_code for _ in range(15))
        resumed.wait(60)
        statuses.extend(stack.image().status_code for _ in range(15))

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    stack.eventually(lambda: len(statuses) >= 20, expected=True)
    stack.kill("pool")
    stack.eventually(lambda: '"elected"' in log(stack, "pool-2"), expected=True)
    stack.start("pool", "pool")
    stack.ready("pool")
    resumed.set()
    stack.eventually(lambda: len(statuses) >= 80, expected=True)
    stack.kill("pool-2")
    for client in clients:
        client.join(60)

    assert sorted(statuses) == [200] * 100 + [429] * 20
    assert stack.served("one") == 100
    stack.eventually(stack.open_leases, 0)
    report = stack.audit()
    assert report["exit"] == 0, report


def log(stack: Stack, name: str) -> str:
    """What a process has logged."""
    return (stack.home / f"{name}.log").read_text()

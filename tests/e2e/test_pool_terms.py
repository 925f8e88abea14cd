"""Terms of the pool's leaders as real processes: how they end, and who follows."""

import signal
from collections.abc import Callable

from tests.e2e.stack import Stack

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

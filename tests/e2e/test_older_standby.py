"""A standby of a release before the queue never leads behind a leader that used it.

The older tree is taken out of this repository's own history; a clone without it skips the test.
"""

import asyncio
import io
import signal
import subprocess
import tarfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests import ROOT
from tests.e2e.stack import Stack
from tests.e2e.test_waiting import Crowd

OLDER = "451bbb815516cec3f4466a189ac1fb25c37ff7bd"
"""Before requests could wait, after whoever skipped an event leads no more."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def older_tree(place: Path) -> Path:
    """Lay the older tree there."""
    archived = subprocess.run(
        ["git", "-C", str(ROOT), "archive", OLDER], capture_output=True, check=False
    )
    if archived.returncode:
        pytest.skip(f"this clone has no commit {OLDER}")
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(place, filter="data")
    return place


def unreadiness(stack: Stack, name: str) -> str:
    """Why a process is not ready; empty when it is."""
    answer = httpx.get(f"http://127.0.0.1:{stack.health[name]}/readyz", timeout=5)
    return "" if answer.status_code == 200 else answer.text


def lasting_waits(stack: Stack) -> int:
    """Whether anybody has waited for so long that the log tells of it: 0 or 1."""
    return any(wait["waits_s"] > 2 for wait in stack.api("/api/queue")["data"])


def test_a_standby_that_knows_no_queue_does_not_lead_and_says_why(
    new_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    """One session does a call at a time; the leader dies while others wait, by the log as well."""
    tree = older_tree(tmp_path / "older")
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE="1",
        TIDEGATE_POOL_MAX_SIZE="1",
        TIDEGATE_POOL_SESSION_CONCURRENCY="1",
    )
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.start("older", "pool", PYTHONPATH=str(tree))
    stack.ready("older")
    stack.faults("one", kind="latency", latency_ms=1500)

    async def disturb() -> Counter[int]:
        calls = asyncio.ensure_future(Crowd(stack).call([stack.client_key] * 4, ["gateway"]))
        await asyncio.to_thread(stack.eventually, partial(lasting_waits, stack), 1)
        stack.kill("pool", signal.SIGKILL)
        await asyncio.to_thread(
            stack.eventually, lambda: "lease_queued" in unreadiness(stack, "older"), True, 60
        )
        stack.start("pool-2", "pool")
        return await calls

    answers = asyncio.run(disturb())

    said = (stack.home / "older.log").read_text()
    assert answers == {200: 4}
    assert ('"elected"' in said, "unfit_to_lead" in said) == (False, True)
    assert stack.audit()["exit"] == 0

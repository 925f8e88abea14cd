"""The supervisor of `up` beside real processes."""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.process import logs
from tests.waiting import wait_for
from tidegate.stack.supervisor import ChildProcess, Supervisor

pytestmark = pytest.mark.anyio


@pytest.fixture
def heard_by_the_loop() -> Iterator[None]:
    """Ends of children are heard of by the loop alone, as they are from Python 3.12 on."""
    if sys.version_info >= (3, 12):
        yield
        return
    policy = asyncio.get_event_loop_policy()
    before = policy.get_child_watcher()
    policy.set_child_watcher(asyncio.PidfdChildWatcher())
    yield
    policy.set_child_watcher(before)


def _wait_for_zombie(pid: int) -> None:
    """Wait until a process has ended and nobody has asked how; the loop does not run meanwhile."""
    stat = Path(f"/proc/{pid}/stat")
    wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.usefixtures("heard_by_the_loop")
async def test_signal_to_a_child_that_has_just_ended_takes_its_exit_code_from_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The child ends while the loop does not run, so that nobody has heard of it yet."""
    supervisor = Supervisor(tmp_path / "run.json", "http://h", logs.configure_logs("up"))
    child = ChildProcess(name="short", command=["sh", "-c", "sleep 0.5; exit 3"])
    await supervisor.start_child(child)
    process = supervisor._processes["short"]
    _wait_for_zombie(process.pid)

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        supervisor._send_signal("short", signal.SIGTERM)
        code = await process.wait()
        await supervisor.end_children(["short"], 5)

    assert code == 3
    assert [record.message for record in caplog.records if "returncode 255" in record.message] == []

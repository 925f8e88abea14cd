"""`up` whose reader leaves, or whose terminal is closed: nothing that it started stays."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.nats import natsserver
from tests.integration.tidegate.up import WAIT_S, Up

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up"), pytest.mark.timeout(240)]


def processes_naming(path: Path) -> list[str]:
    """The command lines of all that runs with this path in it, as our NATS has it."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(path) in line:
            lines.append(line)
    return lines


def pids_of(home: Path) -> list[int]:
    """Those that run by the home's own account; none once it has ended."""
    run = home / "run.json"
    children = json.loads(run.read_text())["children"] if run.exists() else []
    return [child["pid"] for child in children]


def is_running(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


@pytest.mark.parametrize("words", ["", "Tidegate listens on"], ids=["at once", "when it is up"])
@pytest.mark.parametrize("both", [False, True], ids=["output", "output and errors"])
def test_it_ends_with_all_that_it_started_once_nobody_reads_it(
    tmp_path: Path, words: str, *, both: bool
) -> None:
    """A pipe is read up to a line, as `up | head` does, and closed."""
    up = Up(tmp_path / "home", natsserver.free_port())
    reading, writing = os.pipe()
    with (tmp_path / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tidegate.main", "up"],
            env=up.environment,
            cwd=tmp_path,
            stdout=writing,
            stderr=writing if both else errors,
        )
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        seen = next(line for line in pipe if words.encode() in line) if words or both else b""
    pids = pids_of(up.home)
    code = process.wait(WAIT_S)

    assert words.encode() in seen
    assert code == 1
    assert [pid for pid in pids if is_running(pid)] == []
    assert processes_naming(up.home) == []
    assert not (up.home / "run.json").exists()


def test_it_ends_with_all_that_it_started_when_its_terminal_is_closed(tmp_path: Path) -> None:
    up = Up(tmp_path / "home", natsserver.free_port()).start()
    pids = pids_of(up.home)

    code = up.stop(signal.SIGHUP)

    assert code == 0
    assert pids
    assert [pid for pid in pids if is_running(pid)] == []
    assert processes_naming(up.home) == []

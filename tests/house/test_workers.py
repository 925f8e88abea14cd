"""Runs over several processes come to their end, whatever the processes do."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(400)
_OPTIONS = ["-p", "xdist", "-p", "tests.workers", "-n", "2", "--dist", "loadgroup"]

DIES = """
import os, time, pytest

@pytest.mark.xdist_group("dies")
@pytest.mark.parametrize("n", range(6))
def test_of_the_one_that_dies(n):
    if n == LAST:
        time.sleep(2)  # until nobody else has anything to do
        os._exit(1)

@pytest.mark.parametrize("n", range(30))
def test_of_the_others(n):
    pass
"""
HANGS = """
import time, pytest

def test_that_hangs():
    open("hangs", "w").close()
    time.sleep(600)

def test_that_ends():
    pass
"""


def run_tests(where: Path, text: str) -> subprocess.Popen[str]:
    (where / "test_it.py").write_text(text)
    (where / "pytest.ini").write_text("[pytest]")
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *_OPTIONS],
        cwd=where,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("last", [3, 4, 5])
def test_what_a_process_that_dies_had_left_is_run_by_another(tmp_path: Path, last: int) -> None:
    run = run_tests(tmp_path, DIES.replace("LAST", str(last)))
    said, _ = run.communicate(timeout=300)

    assert run.returncode == 1
    assert "1 failed, 35 passed" in said
    assert f"crashed while running 'test_it.py::test_of_the_one_that_dies[{last}]@dies'" in said


def test_an_interrupted_run_names_what_has_no_end_and_looks_at_it_again(tmp_path: Path) -> None:
    run = run_tests(tmp_path, HANGS)
    wait_for((tmp_path / "hangs").exists, seconds=200)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=300)

    failed = json.loads((tmp_path / ".pytest_cache/v/cache/lastfailed").read_text())
    assert "WITHOUT AN END: test_it.py::test_that_hangs" in said
    assert failed == {"test_it.py::test_that_hangs": True}

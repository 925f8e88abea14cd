"""Some hundreds of seeds under every fault, and the bugs that they must find.

The seeds run in a process of their own, whose hash seed is 0: what fails there fails anywhere. Time
and chance are the run's there, and nobody else's.
"""

import os
import subprocess
import sys

import pytest

from tests import ROOT
from tests.simulation.pool.campaign import run_twice
from tests.simulation.pool.planted import PLANTED
from tests.simulation.pool.run import Mode, simulate

pytestmark = pytest.mark.slow

SEEDS = 200
SEEDS_OF_A_BUG = 400


def simulation(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the program to its end; what it does is not measured for coverage, only slowed by it."""
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation.pool", "--processes", "2", *arguments],
        cwd=ROOT,
        env=environment | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(600)
def test_nothing_is_oversold_lost_or_said_by_the_wrong_one_whatever_happens() -> None:
    ended = simulation("--seeds", str(SEEDS))

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{SEEDS} seeds, each twice" in ended.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize("plant", PLANTED)
def test_planted_bug_is_found_and_the_seed_that_found_it_is_told(plant: str) -> None:
    ended = simulation("--seeds", str(SEEDS_OF_A_BUG), "--plant", plant)

    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert f"--plant {plant} --trace" in ended.stdout


@pytest.mark.parametrize("mode", ["safety", "liveness"])
def test_run_has_what_it_is_to_judge(mode: Mode) -> None:
    """A run in which nothing was granted, refused, elected or broken would find nothing."""
    runs = [simulate(seed, mode) for seed in range(5)]

    trace = "\n".join(line for run in runs for line in run.trace)
    assert sum(run.granted for run in runs) > 20
    assert sum(run.elections for run in runs) > 10
    assert all(word in trace for word in (" crash ", " pause ", " hold ", " cut ", " noise "))
    assert [run.findings for run in runs] == [[]] * 5


def test_seed_is_the_same_run_again_and_another_one_is_another() -> None:
    result = run_twice(1, "safety")

    assert result.findings == []
    assert simulate(1, "safety").trace != simulate(3, "safety").trace

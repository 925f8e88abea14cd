"""Upgraded, used, and taken back: by the code of 0.1.0 as its commit has it, in real processes.

docs/how-to/upgrade.md has the same steps.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from runtime.nats import natsserver
from tests import ROOT
from tests.integration.tidegate.up import Up
from tests.upgrade.test_golden_homes import unpacked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
COMMIT = "fb705045"
"""Of 0.1.0, as its golden homes were made."""


@pytest.fixture(scope="module")
def first_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of 0.1.0, where this clone has it."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "archive", COMMIT], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this clone has not the commit of 0.1.0")
    folder = tmp_path_factory.mktemp("first") / "code"
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def module_of(code: Path) -> str:
    """Where the command line is, which has moved since."""
    return "tidegate.main" if (code / "tidegate" / "main.py").exists() else "tidegate.cli.main"


def up_by(code: Path, home: Path) -> Up:
    """An `up` of this code in a home."""
    made = Up(home, natsserver.free_port(), module_of(code))
    made.environment["PYTHONPATH"] = str(code)
    return made


def run_by(code: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of this code to its end."""
    environment = {**os.environ, "PYTHONPATH": str(code), "TIDEGATE_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", module_of(code), *words],
        cwd=home.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def used_units(up: Up) -> int:
    done = up.run("audit", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return sum(one["used"] for one in json.loads(done.stdout)["totals"])


def test_home_is_upgraded_used_and_taken_back_from_its_backup(
    first_version: Path, tmp_path: Path
) -> None:
    """0.1.0 backs up; today goes on, calls and audits; 0.1.0 goes on from its backup."""
    home, backup = tmp_path / "home", tmp_path / "before.tar"
    unpacked("0.1.0-demo", home)
    old = up_by(first_version, home)
    try:
        old.start()
        assert old.curl()["data"]
        before = used_units(old)
        done = old.run("backup", str(backup))
        assert done.returncode == 0, done.stderr
    finally:
        old.stop()

    today = up_by(ROOT, home)
    try:
        today.start()
        assert today.curl()["data"]
        assert used_units(today) == before + 1
    finally:
        today.stop()

    back = tmp_path / "back"
    restored = run_by(first_version, back, "restore", str(backup))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    again = up_by(first_version, back)
    try:
        again.start()
        assert used_units(again) == before
        assert again.curl()["data"]
    finally:
        again.stop()


def test_backup_of_the_first_version_is_restored_by_this_one(
    first_version: Path, tmp_path: Path
) -> None:
    home, backup, back = tmp_path / "home", tmp_path / "before.tar", tmp_path / "back"
    unpacked("0.1.0-demo", home)
    old = up_by(first_version, home)
    try:
        old.start()
        before = used_units(old)
        assert old.run("backup", str(backup)).returncode == 0
    finally:
        old.stop()

    restored = run_by(ROOT, back, "restore", str(backup))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    today = up_by(ROOT, back)
    try:
        today.start()
        assert used_units(today) == before
        assert today.curl()["data"]
    finally:
        today.stop()

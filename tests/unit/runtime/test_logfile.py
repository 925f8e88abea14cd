"""The log file of several processes: whole lines, moved away by one of them, nothing lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.process.logfile import AppendedLog
from tests import ROOT

CHILD = """
import os, sys
from pathlib import Path
from runtime.process import logs
log = logs.configure_logs("child")
log.info("first")
print("printed", flush=True)
os.write(2, b"a traceback\\n")
"""


def test_lines_are_appended_and_a_file_that_was_moved_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.process.logfile._LOOK_EVERY_S", 0.0)
    path = tmp_path / "a.log"
    path.write_bytes(b"before\n")
    log = AppendedLog(path, whole_output=False)

    log.info(b"one")
    path.rename(tmp_path / "a.log.1")
    log.info(b"two")
    log.error(b"three")

    assert (tmp_path / "a.log.1").read_bytes() == b"before\none\n"
    assert path.read_bytes() == b"two\nthree\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_line_that_cannot_be_written_stops_nobody() -> None:
    log = AppendedLog(Path("/dev/full"), whole_output=False)

    log.info(b"one")

    with pytest.raises(OSError, match="No space left"):
        os.write(log._file, b"as the file says")


def test_process_sends_its_log_and_all_else_into_the_file_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tidegate.log"

    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "TIDEGATE_LOG_FILE": str(path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=True,
    )

    first, *others = path.read_text().splitlines()
    assert '"event":"first"' in first
    assert others == ["printed", "a traceback"]
    assert (done.stdout, done.stderr) == (b"", b"")

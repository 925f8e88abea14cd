"""`tidegate up` for tests: a process, its home, and what it says."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import ROOT
from tests.waiting import wait_for

WAIT_S = 90


class Up:
    """One `tidegate up` and what it says."""

    def __init__(
        self, home: Path, port: int, module: str = "tidegate.main", **variables: str
    ) -> None:
        """`module` is the command line of another version, whose code is on its path."""
        self.home = home
        self.port = port
        self.module = module
        self.told = home.with_suffix(".log")
        self.environment = {
            **os.environ,
            "TIDEGATE_HOME": str(home),
            "TIDEGATE_PORT": str(port),
            "TIDEGATE_LOG_FORMAT": "json",
            "PYTHONPATH": str(ROOT),
            **variables,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Up":
        # A file of its own: children of one that was killed may still write into the last.
        self.told.unlink(missing_ok=True)
        with self.told.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, "up"],
                env=self.environment,
                cwd=self.home.parent,
                stdout=out,
                stderr=out,
            )
        wait_for(lambda: "curl -s" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()
        return self

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a verb in the same home to its end."""
        return subprocess.run(
            [sys.executable, "-m", self.module, *arguments],
            env={**self.environment, **variables},
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )

    def said(self) -> str:
        return self.told.read_text()

    def events(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
        return [line for line in lines if line["service"] == "up"]

    def child(self, name: str) -> dict[str, Any]:
        children = json.loads((self.home / "run.json").read_text())["children"]
        return next(child for child in children if child["name"] == name)

    def curl(self) -> dict[str, Any]:
        """Paste the line that was printed."""
        line = re.search(r"^curl .*$", self.said(), re.MULTILINE)
        assert line is not None
        done = subprocess.run(
            ["sh", "-c", line[0]],
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def stop(self, number: int = signal.SIGINT) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(WAIT_S)

"""What stands in the docs to be typed, run as it stands: in a folder of its own, by a real shell.

A block of `sh` is run to its end and must exit 0. Above one stands, where it is so, what only a
comment can say: `<!-- stays: COMMAND -->`, it goes on running and is ready once COMMAND succeeds;
`<!-- stop -->`, all that goes on ends as by Ctrl-C, the last first.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests import ROOT

READY_S = 120
_BLOCK = re.compile(
    r"^<!-- (?P<said>[^\n]+) -->$|^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A block of a page: of which language, what it says, and what stands above it."""

    kind: str
    text: str
    said: str = ""


def blocks_of(page: str) -> list[Block]:
    """Take a page apart; an order that stands alone is a block without text."""
    said = ""
    blocks = []
    for found in _BLOCK.finditer((ROOT / "docs" / page).read_text()):
        if found["said"] == "stop":
            blocks.append(Block("stop", ""))
        elif found["said"]:
            said = found["said"]
        else:
            blocks.append(Block(found["kind"], found["text"], said))
            said = ""
    return blocks


class Typist:
    """Somebody who types what a page says, in a clone of his own."""

    def __init__(self, clone: Path, instead: Mapping[str, str], **variables: str) -> None:
        """Lie in `clone`; `instead` replaces what only another machine has, such as ports."""
        self.clone = clone
        self._instead = instead
        self._running: list[subprocess.Popen[bytes]] = []
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        self.said: list[str] = []
        self._furnish()

    def _furnish(self) -> None:
        """Lay out what a clone has, with a `.venv` that is set up: that of these tests."""
        self.clone.mkdir(parents=True)
        shutil.copy(ROOT / "Makefile", self.clone)
        shutil.copy(ROOT / "pyproject.toml", self.clone)
        shutil.copytree(ROOT / "requirements", self.clone / "requirements")
        binaries = self.clone / ".venv" / "bin"
        binaries.mkdir(parents=True)
        program = binaries / "tidegate"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m tidegate.main "$@"\n')
        program.chmod(0o755)
        for made in (".uv", ".runtime"):
            (self.clone / ".venv" / made).touch()

    def type_page(self, page: str) -> None:
        """Type every block of shell of a page, in order."""
        for block in blocks_of(page):
            if block.kind == "stop":
                self.stop()
            elif block.kind == "sh":
                self.type_block(block)

    def type_block(self, block: Block) -> str:
        """Type one; what it printed."""
        text, said = block.text, block.said
        for before, after in self._instead.items():
            text, said = text.replace(before, after), said.replace(before, after)
        if said.startswith("stays: "):
            self._start(text, said.removeprefix("stays: "))
            return ""
        done = subprocess.run(
            ["sh", "-euc", text],
            cwd=self.clone,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=READY_S,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        self.said.append(done.stdout)
        return done.stdout

    def _start(self, text: str, ready: str) -> None:
        """Start what goes on, and wait until it is ready."""
        with (self.clone / f"typed-{len(self._running)}.log").open("ab") as out:
            process = subprocess.Popen(
                ["sh", "-euc", text],
                cwd=self.clone,
                env=self.environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._running.append(process)
        deadline = time.monotonic() + READY_S
        while subprocess.run(["sh", "-c", ready], capture_output=True, check=False).returncode:
            log = Path(out.name).read_text()
            assert process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.2)

    def stop(self) -> None:
        """End all that goes on, the last first."""
        for process in reversed(self._running):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(READY_S)
        self._running.clear()

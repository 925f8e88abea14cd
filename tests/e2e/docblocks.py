"""What stands in the docs to be typed, run as it stands: in a folder of its own, by a real shell.

A block is run to its end and must exit 0. Above one stands, where it is so, what only a comment
can say:

`<!-- stays: COMMAND -->`   it goes on running, is ready once COMMAND succeeds; `$SAID` is a file
                            of what it says
`<!-- pasted: TEXT -->`     what is given to it to read
`<!-- file: NAME -->`       it is no command but what a file says
`<!-- stop -->`             all that goes on ends as by Ctrl-C, the last first
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from tests import ROOT

READY_S = 120
COMMANDS = frozenset({"sh", "python", "js", "console"})
"""What can be run."""
_BLOCK = re.compile(
    r"^<!-- (?P<said>[^\n]+) -->$"
    r"|^(?P<indent> *)```(?P<kind>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_STOP, _STAYS, _PASTED, _FILE = "stop", "stays: ", "pasted: ", "file: "


class Block(NamedTuple):
    """A block of a page: of which language, what it says, and what stands above it."""

    kind: str
    text: str
    said: str = ""


def all_pages() -> list[str]:
    """Every page of the docs, from the repository's root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def blocks_of(page: str) -> list[Block]:
    """Take a page apart; an order that stands alone is a block without text."""
    said = ""
    blocks = []
    for found in _BLOCK.finditer((ROOT / page).read_text()):
        if found["said"] == _STOP:
            blocks.append(Block(_STOP, ""))
        elif found["said"]:
            said = found["said"]
        else:
            blocks.append(Block(found["kind"], dedent(found["text"]), said))
            said = ""
    return blocks


class Typist:
    """Somebody who types what a page says, in a clone of his own."""

    def __init__(self, clone: Path, instead: Mapping[str, str], **variables: str) -> None:
        """Stand in `clone`, a new one unless it is there.

        `instead` replaces what only another machine has, such as ports.
        """
        self.clone = clone
        self.instead = dict(instead)
        self.ready_s = READY_S
        self._running: list[subprocess.Popen[bytes]] = []
        if not clone.exists():
            furnish_clone(clone)
        self.environment = {
            **{name: value for name, value in os.environ.items() if "TIDEGATE" not in name},
            "PATH": f"{clone / '.venv' / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            **variables,
        }
        self.said: list[str] = []

    def type_page(self, page: str, but: Collection[Block] = ()) -> None:
        """Type every block of a page, in order, except those of `but`."""
        for block in blocks_of(page):
            if block.kind == _STOP:
                self.stop()
            elif block not in but:
                self.type_block(block)

    def type_block(self, block: Block) -> None:
        """Type one, if it is a command or a file."""
        text, said = self.as_here(block.text), self.as_here(block.said)
        if said.startswith(_FILE):
            file = self.clone / said.removeprefix(_FILE)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        elif block.kind not in {"sh", "python"}:
            assert block.kind not in COMMANDS, block
        elif said.startswith(_STAYS):
            self._start(self._command(block.kind, text), said.removeprefix(_STAYS))
        else:
            self._run(self._command(block.kind, text), said.removeprefix(_PASTED))

    def as_here(self, text: str) -> str:
        """Put what there is here in the place of what the page has."""
        for before, after in self.instead.items():
            text = text.replace(before, after)
        return text

    def _command(self, kind: str, text: str) -> list[str]:
        return ["sh", "-euc", text] if kind == "sh" else [sys.executable, "-c", text]

    def _run(self, command: list[str], pasted: str) -> None:
        done = subprocess.run(
            command,
            cwd=self.clone,
            env=self.environment,
            input=pasted and f"{pasted}\n",
            capture_output=True,
            text=True,
            timeout=self.ready_s,
            check=False,
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
        self.said.append(done.stdout)

    def _start(self, command: list[str], ready: str) -> None:
        """Start what goes on, and wait until it is ready."""
        with (self.clone / f"typed-{secrets.token_hex(4)}.log").open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=self.clone,
                env=self.environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._running.append(process)
        environment = {**self.environment, "SAID": out.name}
        deadline = time.monotonic() + self.ready_s
        asked = ["sh", "-c", ready]
        while subprocess.run(asked, cwd=self.clone, env=environment, check=False).returncode:
            log = Path(out.name).read_text()
            assert process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.2)

    def stop(self) -> None:
        """End all that goes on, the last first."""
        for process in reversed(self._running):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(self.ready_s)
        self._running.clear()


def furnish_clone(clone: Path) -> None:
    """Lay out what a clone has, with a `.venv` that is set up: that of these tests."""
    clone.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", clone)
    shutil.copy(ROOT / "pyproject.toml", clone)
    shutil.copytree(ROOT / "requirements", clone / "requirements")
    binaries = clone / ".venv" / "bin"
    binaries.mkdir(parents=True)
    write_program(binaries / "tidegate", f'exec {sys.executable} -P -m tidegate.main "$@"')
    for made in (".uv", ".runtime"):
        (clone / ".venv" / made).touch()


def write_program(path: Path, text: str) -> None:
    """Write a program for a shell."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)

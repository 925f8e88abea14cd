"""Every command of the page, run in an empty folder; what it shows today."""

import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests import ROOT
from tests.walk.page import Block, Step
from tests.walk.terminal import COLUMNS, Terminal
from tests.walk.volatile import IdNames, as_folded

PORTS = ("8080", "9001", "9002")
FOLDER = "/srv/tidegate"
"""Where the page plays; the real folder's name is as long, so that lines are."""
_INTERRUPT = "^C"


class Shown(NamedTuple):
    """What a step showed: as the page has it, and the lines that the terminal had to fold."""

    lines: list[str]
    too_long: list[str]


class Day:
    """A folder, and the terminals that go on."""

    def __init__(self, folder: Path, programs: Path) -> None:
        """Begin in an empty folder; `programs` is where `tidegate` lies."""
        self._folder = folder
        ports = dict(zip(PORTS, _free_ports(), strict=True))
        replaced = [(str(folder), FOLDER), *((real, named) for named, real in ports.items())]
        self._names = IdNames(replaced)
        self._environment = {
            **{name: value for name, value in os.environ.items() if "TIDEGATE" not in name},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TIDEGATE_PORT": ports["8080"],
            "TIDEGATE_API": f"http://127.0.0.1:{ports['8080']}",
            "TZ": "UTC",
            "LANG": "C.UTF-8",
        }
        self._terminals: dict[str, Terminal] = {}

    def run_block(self, block: Block) -> Iterator[tuple[Step, Shown]]:
        """Run its steps, in order."""
        for step in block.steps:
            command = self._names.as_real(step.command)
            if block.terminal and step.typed:
                terminal = Terminal(command, self._folder, self._environment)
                self._terminals[block.terminal] = terminal
                terminal.read_until(self._names.as_real(block.ready))
            elif block.terminal and block.ready == _INTERRUPT:
                terminal = self._terminals.pop(block.terminal)
                terminal.interrupt()
                terminal.read_to_end()
            elif block.terminal:
                terminal = self._terminals[block.terminal]
                terminal.read_until(self._names.as_real(block.ready))
            else:
                terminal = Terminal(command, self._folder, self._environment)
                terminal.read_to_end([self._names.as_real(answer) for answer in block.answers])
            yield step, self._shown(terminal)
            if terminal not in self._terminals.values():
                terminal.close()

    def _shown(self, terminal: Terminal) -> Shown:
        lines = [self._names.as_on_page(line) for line in terminal.screen.take_lines()]
        folded = [part for line in lines for part in as_folded(line, COLUMNS)]
        return Shown(folded, [line for line in lines if len(line) > COLUMNS])

    def close(self) -> None:
        """End whatever goes on, the last first."""
        for terminal in reversed(self._terminals.values()):
            terminal.close()


@contextmanager
def begun_day(parent: Mapping[str, str] = os.environ) -> Iterator[Day]:
    """Begin a day in an empty folder, and clear everything away behind it."""
    with (
        tempfile.TemporaryDirectory(prefix="", dir="/tmp") as folder,
        tempfile.TemporaryDirectory(dir=parent.get("TMPDIR")) as programs,
    ):
        assert len(folder) == len(FOLDER), folder
        program = Path(programs) / "tidegate"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m tidegate.main "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        day = Day(Path(folder), Path(programs))
        try:
            yield day
        finally:
            day.close()


def _free_ports() -> list[str]:
    """Find free ports of four digits, so that lines are as long as with those of the page."""
    free: list[str] = []
    for port in range(7000 + os.getpid() % 2000, 9999):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        free.append(str(port))
        if len(free) == len(PORTS):
            return free
    raise AssertionError("there are no free ports of four digits")

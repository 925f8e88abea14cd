"""A stand-in for `systemctl`: `python -m tests.e2e.systemctl ROOT VERB …`.

It does by the unit below ROOT what systemd would, as far as the pages ask: what it starts has the
unit's own environment and folder, and ends as the unit says.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from configparser import ConfigParser
from pathlib import Path

_INHERITED = ("PATH", "PYTHONPATH", "TIDEGATE_PORT", "TMPDIR")
"""What is this machine's own, and no part of the unit."""
_READY_S = 60


class Unit(ConfigParser):
    """A unit file, in which a name may stand several times."""

    def __init__(self, file: Path) -> None:
        """Read it."""
        super().__init__(strict=False, interpolation=None)
        self.optionxform = str  # type: ignore[assignment,method-assign]
        text = file.read_text()
        self.variables = dict(
            line.removeprefix("Environment=").split("=", 1)
            for line in text.splitlines()
            if line.startswith("Environment=")
        )
        self.read_string(text)


def main() -> None:
    """Do what is asked."""
    root, verb, *rest = sys.argv[1:]
    folder = Path(root)
    unit = Unit(folder / "etc" / "systemd" / "system" / "tidegate.service")
    pid = folder / "pid"
    if verb == "stop":
        stop_unit(unit, pid)
    elif verb == "start" or (verb, rest[:1]) == ("enable", ["--now"]):
        start_unit(unit, folder, pid)
    elif verb != "daemon-reload":
        raise SystemExit(f"expected stop, start, enable --now or daemon-reload, got {verb}")


def start_unit(unit: Unit, folder: Path, pid: Path) -> None:
    """Start it, and wait until it is ready: whoever types takes as long as that."""
    service = unit["Service"]
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    with (folder / "journal").open("ab") as journal:
        process = subprocess.Popen(
            shlex.split(service["ExecStart"]),
            cwd=service["WorkingDirectory"],
            env={**inherited, **unit.variables},
            stdin=subprocess.DEVNULL,
            stdout=journal,
            stderr=journal,
            start_new_session=True,
        )
    pid.write_text(str(process.pid))
    deadline = time.monotonic() + _READY_S
    while not gateway_is_ready():
        assert process.poll() is None, (folder / "journal").read_text()
        assert time.monotonic() < deadline, (folder / "journal").read_text()
        time.sleep(0.2)


def gateway_is_ready() -> bool:
    """Whether its gateway says so."""
    url = f"http://127.0.0.1:{os.environ['TIDEGATE_PORT']}/readyz"
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


def stop_unit(unit: Unit, pid: Path) -> None:
    """End it by SIGTERM, as `KillMode=mixed` does at first: its main process alone."""
    if not pid.exists():
        return
    number = int(pid.read_text())
    pid.unlink()
    os.kill(number, signal.SIGTERM)
    deadline = time.monotonic() + float(unit["Service"]["TimeoutStopSec"])
    while process_runs(number) and time.monotonic() < deadline:
        time.sleep(0.1)


def process_runs(number: int) -> bool:
    """Whether a process has not ended; one that nobody waited for has."""
    try:
        state = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return not state.rpartition(")")[2].startswith(" Z")


if __name__ == "__main__":
    main()

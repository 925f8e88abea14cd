"""What an `up` that was killed left running: it is ended before the home is used again."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from runtime.environment import Home
from tidegate.console.errors import CommandError

_SERVICES_S = 40.0
_NATS_S = 20.0
_LOOK_EVERY_S = 0.1


def end_leftovers(home: Home) -> list[str]:
    """Wait for the services an earlier `up` left (they end without it), then end its NATS.

    Returns what was still there. Raises `CommandError` when something does not end.
    """
    if not home.run.exists():
        return []
    try:
        children = json.loads(home.run.read_text())["children"]
        pids = {str(child["name"]): int(child["pid"]) for child in children}
    except (ValueError, KeyError, TypeError):
        return []
    nats = pids.pop("nats", 0)
    running = {name: pid for name, pid in pids.items() if is_ours(pid, "tidegate")}
    _await_end(running, _SERVICES_S)
    if is_ours(nats, str(home.nats_conf.with_name("server.conf"))):
        os.kill(nats, signal.SIGTERM)
        running["nats"] = nats
        _await_end({"nats": nats}, _NATS_S)
    return sorted(running)


def _await_end(pids: dict[str, int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for name, pid in pids.items():
        while _command_line(pid):
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{name} (process {pid}) of an earlier `up` still runs; end it first"
                )
            time.sleep(_LOOK_EVERY_S)


def is_ours(pid: int, words: str) -> bool:
    """Tell whether this process is ours: a number alone may have passed to another."""
    return words in _command_line(pid)


def _command_line(pid: int) -> str:
    """The command line of a process; empty when there is none."""
    if pid <= 0:
        return ""
    file = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            return file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    command = ["ps", "-o", "command=", "-p", str(pid)]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return listing.stdout.strip()

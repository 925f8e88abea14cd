"""`tidegate stack restart`: a service that `up` runs in this home, ended and started again."""

import json
import os
import signal
import time
from typing import Any

import typer

from runtime.environment import Home, read_environment
from runtime.settings import SettingsError
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.stack.leftovers import is_ours
from tidegate.stack.supervisor import ChildProcess, unready_reason

_LOOK_EVERY_S = 0.1
_READY_S = 90.0
app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def stack() -> None:
    """Start a service of `up` again.

    Example: tidegate stack restart analytics
    """


@app.command("restart")
def restart_service(
    service: str = typer.Argument(
        help="gateway (each in turn), pool, balancer, analytics, nats, or a child's own name."
    ),
    *,
    within: float = typer.Option(60.0, "--within", min=1.0, help="Seconds it has to end in."),
    kill: bool = typer.Option(False, "--kill", help="Kill it if it has not ended by then."),
    as_json: bool = output.JSON,
) -> None:
    """End a service that `up` runs in this home, and wait until it is ready again.

    It drains first: open answers of a gateway end, and so it may take as long as they do; the
    others go on. What it is still at after --within is told, and killed only with --kill: answers
    that a gateway is killed at are outcomes nobody knows.

    Example: tidegate stack restart gateway
    """
    home = read_environment().home
    restarted = []
    for name in _names_of(home, service):
        before = _child_record(home, name)
        _end_process(name, int(before["pid"]), within, kill=kill)
        restarted.append(_await_ready(home, before))
        if not as_json:
            output.print_line(f"{name}: process {restarted[-1]['pid']} is ready")
    if as_json:
        output.print_json({"data": restarted})


def _names_of(home: Home, service: str) -> list[str]:
    """Find the children that are meant. Raises `SettingsError`, `CommandError` where none run."""
    names = [child["name"] for child in _children_of(home)]
    meant = [name for name in names if name == service]
    if service == "gateway":
        meant = [name for name in names if name.partition("-")[0] == service]
    if not meant:
        expected = ", ".join(dict.fromkeys(["gateway", *names]))
        raise SettingsError(f"there is no {service!r}: expected one of {expected}")
    return meant


def _children_of(home: Home) -> list[dict[str, Any]]:
    """Read who runs here. Raises `CommandError`."""
    try:
        children: list[dict[str, Any]] = json.loads(home.run.read_text())["children"]
    except (OSError, ValueError, KeyError):
        raise CommandError(
            f"no `tidegate up` runs in {home.path}: expected its run.json there; services that"
            " somebody else started (systemd, Compose) are restarted by whoever did"
        ) from None
    return children


def _child_record(home: Home, name: str) -> dict[str, Any]:
    return next(child for child in _children_of(home) if child["name"] == name)


def _end_process(name: str, pid: int, within_s: float, *, kill: bool) -> None:
    """Ask a process to end, and wait until it has. Raises `CommandError`."""
    words = "nats-server" if name == "nats" else "tidegate"
    if not is_ours(pid, words):
        return  # it died by itself a moment ago: `up` starts it again
    os.kill(pid, signal.SIGTERM)
    if _has_ended(pid, words, within_s):
        return
    if not kill:
        raise CommandError(
            f"{name} (process {pid}) is still at what it had begun after {within_s:g} s; it ends by"
            " itself when that is over and is started again then; --kill ends it now"
        )
    os.kill(pid, signal.SIGKILL)
    _has_ended(pid, words, within_s)


def _has_ended(pid: int, words: str, within_s: float) -> bool:
    """Wait for the end of a process; false when it has not come in this time."""
    deadline = time.monotonic() + within_s
    while is_ours(pid, words):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _await_ready(home: Home, before: dict[str, Any]) -> dict[str, Any]:
    """Wait until `up` has started it again, and it is ready. Raises `CommandError`."""
    deadline = time.monotonic() + _READY_S
    name, reason = before["name"], "`up` has not started it"
    while time.monotonic() < deadline:
        now = _child_record(home, name)
        if now["pid"] != before["pid"]:
            child = ChildProcess(
                name=name,
                command=[],
                health_port=int(now["health_port"]),
                ready_path=now["ready_path"],
            )
            reason = unready_reason(child) or "" if child.health_port else ""
            if not reason:
                return now
        time.sleep(_LOOK_EVERY_S)
    raise CommandError(f"{name} is not ready after {_READY_S:g} s: {reason}")

"""Children of `up`: started, watched, started again when they die, and ended in order.

Theory of operation. Each child has a watch, a task that waits for its process:

    running -- it exits -----------------------------> waiting, longer each time it died at once
    waiting -- the wait is over ---------------------> running (another process, the same child)
            -- it cannot be started -----------------> waiting
    any     -- `end_children`: SIGTERM, then SIGKILL -> ended, and its watch with it
            -- `kill_all`: SIGKILL -----------------> ended by the watch, which sees the exit

Its order is the caller's: nothing here knows who needs whom. `run.json` is written at every start,
so that an `up` after one that was killed finds what it left. The other direction needs no word of
it: a service that loses this process ends by itself.

What is ugly: `restart_child` only ends a child, and its watch takes that for a death: the log says
so. Nor does a start that fails have a state of its own: the watch waits for the old process once
more, which has exited, and so counts another death. `_processes` has, between two lives, the
process of the last one, which takes no signal; what is in `_ending` never leaves it.
"""

import asyncio
import json
import os
import signal
import sys
import urllib.error
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from runtime.nats import natsserver
from runtime.process.logfile import open_appended
from runtime.process.logs import Log
from tidegate.console import direct

_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_SETTLED_S = 30.0
_LOOK_EVERY_S = 0.05
_ASK_TIMEOUT_S = 2.0
_USAGE = 2
_READY = "/readyz"


class ChildProcess(msgspec.Struct, kw_only=True):
    """One process: how to start it, and what became of it.

    The last three change from life to life, under whoever holds it: it is the child that is held,
    not one of its lives, and `unready_reason` asks whichever there is.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = {}
    health_port: int = 0
    """0: it has none."""
    ready_path: str = _READY
    """Another one: the port is not a health port, but the child's own."""
    pid: int = 0
    restarts: int = 0
    exit_code: int | None = None
    """Of its last life."""


class Supervisor:
    """Keeps children alive; `run.json` in the home always says which they are."""

    def __init__(self, run_file: Path, url: str, log: Log, output: Path | None = None) -> None:
        """Nothing is started yet; `url` is where the gateways will listen.

        What children print goes where this process prints, or into `output`.
        """
        self._output = output
        self._run_file = run_file
        self._url = url
        self._log = log
        self._children: dict[str, ChildProcess] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._ending: set[str] = set()

    async def start_child(self, child: ChildProcess) -> None:
        """Start a child and watch it from here on."""
        assert child.name not in self._children, "its watch would be lost, and go on"
        self._children[child.name] = child
        await self._spawn_child(child)
        self._watches[child.name] = asyncio.create_task(self._watch_child(child))

    async def wait_until_ready(self, names: Sequence[str], seconds: float) -> str | None:
        """Wait until each child says it is ready; why one does not, else None.

        A child that calls its configuration wrong is not waited for.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        for name in names:
            child = self._children[name]
            while reason := await asyncio.to_thread(unready_reason, child):
                if child.exit_code == _USAGE:
                    return f"{name} refuses to start: its own words stand above"
                if asyncio.get_running_loop().time() > deadline:
                    return f"{name} is not ready after {seconds:g} s: {reason}"
                await asyncio.sleep(_LOOK_EVERY_S)
        return None

    async def end_children(self, names: Sequence[str], seconds: float) -> None:
        """Ask these to end, together, and kill what has not ended in time."""
        running = [name for name in names if name in self._processes]
        # First: a watch that sees an exit from here on takes it for what was wanted.
        self._ending.update(running)
        for name in running:
            self._send_signal(name, signal.SIGTERM)
        waits = [asyncio.create_task(self._processes[name].wait()) for name in running]
        if waits:
            await asyncio.wait(waits, timeout=seconds)
        for name, wait in zip(running, waits, strict=True):
            if not wait.done():
                self._log.warning("child_killed", child=name, after_s=seconds)
                self._send_signal(name, signal.SIGKILL)
                await wait
            # It may be waiting before another start, and not for the process.
            self._watches[name].cancel()
            with suppress(asyncio.CancelledError):
                await self._watches[name]

    async def restart_child(self, name: str, seconds: float) -> None:
        """Ask one to end, and kill it if it has not in time: it is started again as if it died."""
        process = self._processes[name]
        self._send_signal(name, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await process.wait()
        self._send_signal(name, signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill every child with SIGKILL; none of them is started again."""
        self._ending.update(self._processes)
        for name in self._processes:
            self._send_signal(name, signal.SIGKILL)

    def _send_signal(self, name: str, number: int) -> None:
        process = self._processes[name]
        if process.returncode is None:
            # Not by its own method: that looks whether it has ended, and takes the exit code away
            # from the loop, which then says 255 and warns of an unknown child.
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    async def _spawn_child(self, child: ChildProcess) -> None:
        """Start its process, and write down that it runs."""
        environment = {
            **os.environ,
            **child.environment,
            "TIDEGATE_SUPERVISOR": str(os.getpid()),
            "TIDEGATE_HEALTH_PORT": str(child.health_port if child.ready_path == _READY else 0),
        }
        # A session of its own: Ctrl-C reaches `up` alone, which ends its children in order.
        into = open_appended(self._output) if self._output else None
        try:
            process = await asyncio.create_subprocess_exec(
                *child.command, env=environment, start_new_session=True, stdout=into, stderr=into
            )
        finally:
            if into is not None:
                os.close(into)
        child.pid = process.pid
        self._processes[child.name] = process
        self._write_run_file()

    async def _watch_child(self, child: ChildProcess) -> None:
        """Start the child again whenever it dies, slower each time it does so at once."""
        loop = asyncio.get_running_loop()
        fails = 0
        while True:
            started = loop.time()
            child.exit_code = await self._processes[child.name].wait()
            if child.name in self._ending:
                return
            # Who ran well for a while died of something else than the times before.
            fails = 0 if loop.time() - started > _SETTLED_S else fails
            wait_s = _BACKOFF_S[min(fails, len(_BACKOFF_S) - 1)]
            fails += 1
            # Code 0: somebody asked it to end, and it did what it had to.
            tell = self._log.error if child.exit_code else self._log.info
            tell("child_died", child=child.name, code=child.exit_code, again_in_s=wait_s)
            await asyncio.sleep(wait_s)
            if child.name in self._ending:
                return
            assert child.exit_code is not None, "what runs is not started again"
            child.restarts += 1
            try:
                await self._spawn_child(child)
            except OSError as error:
                self._log.warning("child_not_started", child=child.name, error=str(error))
                continue
            self._log.info("child_restarted", child=child.name, pid=child.pid)

    def _write_run_file(self) -> None:
        """Write down who runs."""
        children = [
            {
                "name": child.name,
                "pid": child.pid,
                "health_port": child.health_port,
                "ready_path": child.ready_path,
                "restarts": child.restarts,
            }
            for child in self._children.values()
        ]
        # Moved into place: whoever reads it, at whatever moment, reads it whole.
        partial = self._run_file.with_suffix(".partial")
        run = {"supervisor": os.getpid(), "url": self._url, "children": children}
        partial.write_text(json.dumps(run, indent=1))
        partial.replace(self._run_file)


def verb_command(*arguments: str) -> list[str]:
    """Make the command that runs a verb with this very interpreter.

    Without the current folder on its path (`-P`): a `demo.py` that lies there is not our demo.
    """
    return [sys.executable, "-P", "-m", "tidegate.main", *arguments]


def service_child(name: str, *arguments: str, environment: Mapping[str, str]) -> ChildProcess:
    """Make a child that has a health port."""
    return ChildProcess(
        name=name,
        command=verb_command(*arguments),
        environment=dict(environment),
        health_port=natsserver.free_port(),
    )


def unready_reason(child: ChildProcess) -> str | None:
    """Why a process is not ready; None when it is."""
    url = f"http://127.0.0.1:{child.health_port}{child.ready_path}"
    try:
        with direct.open_url(url, _ASK_TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return _said_reason(error.read()) or f"answers {error.code}"
    except OSError as error:
        return f"does not answer yet ({error})"


def _said_reason(body: bytes) -> str | None:
    """Read why a process says it is not ready; None when it does not say."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    if not isinstance(answer, dict):
        return None
    reason = answer.get("reason") or answer.get("error")  # the second is nats-server's
    return str(reason) if reason else None

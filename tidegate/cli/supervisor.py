"""Children of `up`: started, watched, started again when they die, and ended in order."""

import asyncio
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tidegate.runtime import natsserver
from tidegate.runtime.logs import Log

_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_SETTLED_S = 30.0
_LOOK_EVERY_S = 0.05


class Child(msgspec.Struct, kw_only=True):
    """One process: how to start it, and what became of it."""

    name: str
    command: list[str]
    environment: dict[str, str] = {}
    health_port: int = 0
    """0: it has none."""
    pid: int = 0
    restarts: int = 0


class Supervisor:
    """Keeps children alive; `run.json` in the home always says which they are."""

    def __init__(self, run_file: Path, log: Log) -> None:
        """Nothing is started yet."""
        self._run_file = run_file
        self._log = log
        self._children: dict[str, Child] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._ending: set[str] = set()

    async def start(self, child: Child) -> None:
        """Start a child and watch it from here on."""
        self._children[child.name] = child
        await self._spawn(child)
        self._watches[child.name] = asyncio.create_task(self._watch(child))

    async def ready(self, names: Sequence[str], seconds: float) -> str:
        """Wait until each child answers `/readyz`; the reason of the one that does not."""
        deadline = asyncio.get_running_loop().time() + seconds
        reason = ""
        for name in names:
            port = self._children[name].health_port
            while reason := await asyncio.to_thread(_unready, port):
                if asyncio.get_running_loop().time() > deadline:
                    return f"{name}: {reason}"
                await asyncio.sleep(_LOOK_EVERY_S)
        return ""

    async def end(self, names: Sequence[str], seconds: float) -> None:
        """Ask these to end, together, and kill what has not ended in time."""
        found = [name for name in names if name in self._processes]
        self._ending.update(found)
        for name in found:
            self._signal(name, signal.SIGTERM)
        waits = [asyncio.create_task(self._processes[name].wait()) for name in found]
        if waits:
            await asyncio.wait(waits, timeout=seconds)
        for name, wait in zip(found, waits, strict=True):
            if not wait.done():
                self._log.warning("killed", child=name, after_s=seconds)
                self._signal(name, signal.SIGKILL)
                await wait
            self._watches[name].cancel()
        self._told()

    def kill_all(self) -> None:
        """End everything at once."""
        self._ending.update(self._processes)
        for name in self._processes:
            self._signal(name, signal.SIGKILL)

    def _signal(self, name: str, number: int) -> None:
        process = self._processes[name]
        if process.returncode is None:
            process.send_signal(number)

    async def _spawn(self, child: Child) -> None:
        environment = {
            **os.environ,
            **child.environment,
            "TIDEGATE_SUPERVISOR": str(os.getpid()),
            "TIDEGATE_HEALTH_PORT": str(child.health_port),
        }
        process = await asyncio.create_subprocess_exec(
            *child.command, env=environment, start_new_session=True
        )
        child.pid = process.pid
        self._processes[child.name] = process
        self._told()

    async def _watch(self, child: Child) -> None:
        """Start the child again whenever it dies, slower each time it does so at once."""
        loop = asyncio.get_running_loop()
        fails = 0
        while True:
            started = loop.time()
            code = await self._processes[child.name].wait()
            if child.name in self._ending:
                return
            fails = 0 if loop.time() - started > _SETTLED_S else fails + 1
            wait_s = _BACKOFF_S[min(fails, len(_BACKOFF_S)) - 1 if fails else 0]
            self._log.error("child_died", child=child.name, code=code, again_in_s=wait_s)
            await asyncio.sleep(wait_s)
            if child.name in self._ending:
                return
            child.restarts += 1
            await self._spawn(child)
            self._log.info("child_restarted", child=child.name, pid=child.pid)

    def _told(self) -> None:
        """Write down who runs."""
        told = [
            {
                "name": child.name,
                "pid": child.pid,
                "health_port": child.health_port,
                "restarts": child.restarts,
            }
            for child in self._children.values()
        ]
        partial = self._run_file.with_suffix(".partial")
        partial.write_text(json.dumps({"supervisor": os.getpid(), "children": told}, indent=1))
        partial.replace(self._run_file)


def tidegate(*arguments: str) -> list[str]:
    """Make the command that runs a verb with this very interpreter."""
    return [sys.executable, "-m", "tidegate.cli.main", *arguments]


def service(name: str, *arguments: str, environment: Mapping[str, str]) -> Child:
    """Make a child that has a health port."""
    return Child(
        name=name,
        command=tidegate(*arguments),
        environment=dict(environment),
        health_port=natsserver.free_port(),
    )


def _unready(port: int) -> str:
    """Why the process on this health port is not ready; empty when it is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return str(json.loads(error.read()).get("reason", error.code))
    except (OSError, ValueError) as error:
        return f"does not answer yet ({error})"

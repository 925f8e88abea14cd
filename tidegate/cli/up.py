"""`tidegate up`: NATS, the four services and, without servers of your own, four demo servers."""

import asyncio
import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from tidegate.cli.configuration import Configuration, load
from tidegate.cli.supervisor import Child, Supervisor, service, tidegate
from tidegate.runtime import logs, natsserver
from tidegate.runtime.environment import Environment, Home, environment
from tidegate.runtime.settings import SettingsError

_READY_S = 90.0
_DEMO_SERVERS: list[dict[str, Any]] = [
    {
        "id": "server-1",
        "region": "asia-east",
        "priority": 1,
        "weight": 3,
        "max_sessions": 200,
        "capabilities": ["image", "video", "avatar"],
    },
    {
        "id": "server-2",
        "region": "asia-east",
        "priority": 2,
        "weight": 2,
        "max_sessions": 150,
        "capabilities": ["image", "video"],
    },
    {
        "id": "server-3",
        "region": "us-west",
        "priority": 3,
        "weight": 2,
        "max_sessions": 100,
        "capabilities": ["image"],
    },
    {
        "id": "server-4",
        "region": "europe-west",
        "priority": 4,
        "weight": 1,
        "max_sessions": 100,
        "capabilities": ["image", "video"],
    },
]
"""The servers of the original (docs: its code's table)."""


def up(config: str = typer.Option("", help="Configuration file (TIDEGATE_CONFIG).")) -> None:
    """Run the whole stack in the foreground until Ctrl-C.

    Example: tidegate up --config my.toml
    """
    if config:
        os.environ["TIDEGATE_CONFIG"] = config
    found = environment()
    configuration = load(found)
    _port_is_free(found)
    found.home.path.mkdir(parents=True, exist_ok=True)
    with _locked(found.home):
        sys.exit(asyncio.run(_Stack(found, configuration).run()))


class _Stack:
    """Everything that `up` starts, and the order in which it ends."""

    def __init__(self, found: Environment, configuration: Configuration) -> None:
        self.environment = found
        self.configuration = configuration
        self.home = found.home
        self.log = logs.configure("up")
        self.supervisor = Supervisor(found.home.run, self.log)
        self.shared = {
            "TIDEGATE_HOME": str(found.home.path),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        if found.config is not None:
            self.shared["TIDEGATE_CONFIG"] = str(found.config.absolute())
        self.demos: list[str] = []
        self.gateways: list[str] = []

    async def run(self) -> int:
        """Start, say where it is, wait for the end, drain; the exit code."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop, stop)
        code = 0
        try:
            starting = asyncio.create_task(self._start())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stop.wait()
            else:
                starting.cancel()
        except SettingsError as error:
            print(f"tidegate: {error}", file=sys.stderr)
            code = 1
        finally:
            await self._drain()
        return code

    def _asked_to_stop(self, stop: asyncio.Event) -> None:
        """Drain the first time, kill the second."""
        if stop.is_set():
            self.supervisor.kill_all()
        stop.set()

    async def _start(self) -> None:
        """Start everything in order. Raises `SettingsError` when it does not get ready."""
        await self._verb("migrate", "--secrets")
        if self.environment.nats_url is None:
            await self._start_nats()
        await self._verb("migrate")
        if not self.configuration.servers:
            await self._start_demos()
        for name in ("pool", "balancer", "analytics"):
            await self.supervisor.start(service(name, name, environment=self.shared))
        for number in range(1, self.configuration.gateway.workers + 1):
            name = "gateway" if number == 1 else f"gateway-{number}"
            self.gateways.append(name)
            await self.supervisor.start(service(name, "gateway", environment=self.shared))
        names = ["pool", "balancer", "analytics", *self.gateways]
        reason = await self.supervisor.ready(names, _READY_S)
        if reason:
            raise SettingsError(f"not ready after {_READY_S:g} s: {reason}")
        self._told()

    async def _verb(self, *arguments: str) -> None:
        """Run a one-shot step. Raises `SettingsError` when it fails."""
        process = await asyncio.create_subprocess_exec(
            *tidegate(*arguments),
            env={**os.environ, **self.shared},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, told = await process.communicate()
        if process.returncode:
            reason = told.decode().strip().removeprefix("tidegate: ")
            raise SettingsError(f"tidegate {' '.join(arguments)} failed: {reason}")

    async def _start_nats(self) -> None:
        port = natsserver.free_port()
        config = self.home.nats_conf.with_name("server.conf")
        config.write_text(natsserver.configuration(self.home.nats_store, port, self.home.nats_conf))
        url = f"nats://127.0.0.1:{port}"
        command = natsserver.command(config, self.home.path / "nats.log")
        await self.supervisor.start(Child(name="nats", command=command))
        await asyncio.to_thread(natsserver.wait_for_port, url, 20)
        self.home.nats_url.write_text(url + "\n")

    async def _start_demos(self) -> None:
        """Start the demo servers, on the same ports for the life of the home."""
        kept = self.home.path / "demo-ports.json"
        ports: dict[str, int] = json.loads(kept.read_text()) if kept.exists() else {}
        tables = []
        for server in _DEMO_SERVERS:
            name = str(server["id"])
            port = ports.get(name, 0)
            if not port or not _free("127.0.0.1", port):
                port = ports[name] = natsserver.free_port()
            tables.append({**server, "url": f"http://127.0.0.1:{port}"})
            ledger = self.home.path / f"{name}.ledger"
            arguments = ("--port", str(port), "--ledger", str(ledger))
            arguments += ("--region", str(server["region"]))
            child = Child(
                name=f"demo-{name}",
                command=tidegate("demo", "server", *arguments),
                environment=self.shared,
            )
            self.demos.append(child.name)
            await self.supervisor.start(child)
        kept.write_text(json.dumps(ports))
        servers = self.home.path / "demo-servers.json"
        servers.write_text(json.dumps(tables))
        self.shared["TIDEGATE_DEMO_SERVERS"] = str(servers)

    async def _drain(self) -> None:
        """End the doors first and the log last."""
        self.log.info("draining")
        await self.supervisor.end(self.gateways, 45)
        await self.supervisor.end(["balancer", "pool", "analytics"], 20)
        await self.supervisor.end(self.demos, 5)
        await self.supervisor.end(["nats"], 20)
        self.log.info("stopped")

    def _told(self) -> None:
        """Say where everything is, with a line that works when pasted."""
        found = self.environment
        host = "127.0.0.1" if found.host in {"0.0.0.0", "::"} else found.host  # noqa: S104
        key = _shown(self.home.client_key)
        print(
            f"\nTidegate listens on http://{host}:{found.port}\n"
            f"client key    {key}\n"
            f"operator key  {_shown(self.home.operator_key)}\n\n"
            f"curl -s http://{host}:{found.port}/v1/images/generations"
            f' -H "Authorization: Bearer $(cat {key})"'
            " -H 'Content-Type: application/json'"
            ' -d \'{"model":"jimeng-4.0","prompt":"a tide gate at dawn"}\'\n\n'
            "Ctrl-C stops everything.\n",
            flush=True,
        )


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


@contextmanager
def _locked(home: Home) -> Iterator[None]:
    """Keep the home to ourselves. Raises `SettingsError` when another `up` has it."""
    with (home.path / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(
                f"TIDEGATE_HOME: another `tidegate up` runs in {home.path}"
            ) from None
        yield


def _port_is_free(found: Environment) -> None:
    if found.port and not _free(found.host, found.port):
        raise SettingsError(
            f"TIDEGATE_PORT: something listens on {found.host}:{found.port} already"
        )


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True

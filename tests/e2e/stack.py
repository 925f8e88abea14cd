"""The whole stack as real processes, part by part, for tests that kill, pause and cut them."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from runtime.nats import natsserver
from tests import ROOT
from tests.e2e.asked import Asked
from tidegate.main import verb_application

WAIT_S = 60
_BEHIND = frozenset({"pool", "balancer", "analytics"})
"""The services that a gateway talks to until its end."""


def _in_a_loop() -> bool:
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        return True
    return False


class Stack(Asked):
    """A home, a nats-server with its accounts, and whatever services a test starts."""

    def __init__(self, home: Path, **settings: str) -> None:
        """Make secrets, NATS and streams; `settings` are `TIDEGATE_…` overrides."""
        self.home = home
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.health: dict[str, int] = {}
        self._behind: list[str] = []
        self.ports: dict[str, int] = {}
        home.mkdir(parents=True, exist_ok=True)
        (home / "test-home").touch()
        self.offset_file = home / "clock-offset"
        self.environment = {
            **os.environ,
            "TIDEGATE_HOME": str(home),
            "TIDEGATE_LOG_FORMAT": "json",
            "TIDEGATE_POOL_PROVISIONER_KIND": "generated",
            "TIDEGATE_CLOCK_OFFSET_FILE": str(self.offset_file),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "",
            **settings,
        }
        self.nats_port = natsserver.free_port()
        self._nats_started = False

    def set_clock(self, offset_s: float) -> None:
        """Shift the clock of every process: one that looks meanwhile finds a whole number there."""
        beside = self.offset_file.with_suffix(".new")
        beside.write_text(str(offset_s))
        beside.replace(self.offset_file)

    def configure(self, toml: str) -> None:
        """Write the configuration file."""
        path = self.home / "tidegate.toml"
        path.write_text(toml)
        self.environment["TIDEGATE_CONFIG"] = str(path)

    def servers_toml(self, *names: str, **extra: str) -> str:
        """Write `[[servers]]` for demo servers by name."""
        tables = []
        for name in names:
            more = extra.get(name.replace("-", "_"), "")
            tables.append(
                f'[[servers]]\nid = "{name}"\nurl = "{self.demo_url(name)}"\nregion = "test"\n'
                f'max_sessions = 5000\ncapabilities = ["image", "video", "avatar"]\n{more}\n'
            )
        return "\n".join(tables)

    def demo_url(self, name: str) -> str:
        """The address a demo server has or will have."""
        return f"http://127.0.0.1:{self.ports.setdefault(name, natsserver.free_port())}"

    # ----------------------------------------------------------------- starting

    def tidegate(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end."""
        return subprocess.run(
            [sys.executable, "-m", "tidegate.main", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            cwd=self.home,
            check=False,
            **more,
        )

    def here(self, *arguments: str) -> Result:
        """Run a verb to its end in this process: one of its own imports everything again."""
        with contextlib.chdir(self.home):
            done = CliRunner().invoke(
                verb_application(arguments[0]), arguments, env=self.environment
            )
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    def start_nats(self) -> None:
        """Make secrets, start nats-server, make streams."""
        self._migrate("--secrets")
        config = self.home / "secrets" / "test-server.conf"
        config.write_text(
            natsserver.configuration_text(
                self.home / "nats", self.nats_port, self.home / "secrets" / "nats.conf"
            )
        )
        self.restart_nats()
        (self.home / "nats.url").write_text(f"nats://127.0.0.1:{self.nats_port}")
        if not self._nats_started:
            self._migrate()
            self._nats_started = True

    def _migrate(self, *arguments: str) -> None:
        """Run `tidegate migrate`, in this process where that can be."""
        if threading.current_thread() is threading.main_thread() and not _in_a_loop():
            self.here("migrate", *arguments)
        else:
            made = self.tidegate("migrate", *arguments)
            assert made.returncode == 0, made.stderr

    def restart_nats(self) -> None:
        """Start nats-server on the port and the store it had."""
        config = self.home / "secrets" / "test-server.conf"
        self.processes["nats"] = natsserver.start_server(
            config, self.home / "nats.log", self.nats_port
        )

    def start(self, name: str, *arguments: str, **environment: str) -> None:
        """Start a process of ours; its output goes to `<name>.log` in the home."""
        self.health[name] = natsserver.free_port()
        if arguments[0] in _BEHIND:
            self._behind.append(name)
        out = (self.home / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "tidegate.main", *arguments],
            env={
                **self.environment,
                "TIDEGATE_HEALTH_PORT": str(self.health[name]),
                **environment,
            },
            stdout=out,
            stderr=out,
            cwd=self.home,
        )
        out.close()

    def start_demo(self, name: str, *arguments: str) -> None:
        """Start a demo server with a ledger file of its own."""
        port = self.demo_url(name).rsplit(":", 1)[1]
        ledger = str(self.home / f"{name}.ledger")
        self.start(name, "demo", "server", "--port", port, "--ledger", ledger, *arguments)

    def start_gateway(self, name: str = "gateway") -> None:
        """Start a gateway on a port of its own."""
        port = self.ports.setdefault(name, natsserver.free_port())
        self.start(name, "gateway", TIDEGATE_PORT=str(port))

    def start_all(self, *demos: str, gateways: int = 1, being: tuple[str, ...] = ()) -> "Stack":
        """Start everything and wait until it is ready; `being` is how each demo server is."""
        self.start_nats()
        for demo in demos:
            self.start_demo(demo, *being)
        for service in ("pool", "balancer", "analytics"):
            self.start(service, service)
        names = ["gateway", *(f"gateway-{number}" for number in range(2, gateways + 1))]
        for name in names:
            self.start_gateway(name)
        for demo in demos:
            self.wait_url(f"{self.demo_url(demo)}/ping")
        self.ready("pool", "balancer", "analytics", *names)
        return self

    # ----------------------------------------------------------------- waiting

    def ready(self, *names: str) -> None:
        """Wait until each is ready."""
        for name in names:
            self.wait_url(f"http://127.0.0.1:{self.health[name]}/readyz", name)

    def wait_url(self, url: str, name: str = "") -> None:
        """Wait for a 200."""
        deadline = time.monotonic() + WAIT_S
        reason = "nothing"
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return
            except urllib.error.HTTPError as error:
                reason = error.read().decode()
                error.close()
            except OSError as error:
                reason = str(error)
            process = self.processes.get(name)
            if process is not None and process.poll() is not None:
                break
            time.sleep(0.05)
        log = self.home / f"{name}.log"
        told = log.read_text()[-4000:] if log.exists() else ""
        raise AssertionError(f"{name} {url}: {reason}\n{told}")

    # ----------------------------------------------------------------- asking

    @property
    def client_key(self) -> str:
        """The first client key."""
        return (self.home / "client.key").read_text().strip()

    @property
    def operator_key(self) -> str:
        """The first admin key."""
        return (self.home / "operator.key").read_text().strip()

    def url(self, gateway: str = "gateway") -> str:
        """A gateway's address."""
        return f"http://127.0.0.1:{self.ports[gateway]}"

    # ----------------------------------------------------------------- ending

    def open_call(self, body: bytes, promised: int | None = None) -> socket.socket:
        """Send a request for an image, or a part of it, over a socket of its own."""
        connection = socket.create_connection(("127.0.0.1", self.ports["gateway"]))
        connection.sendall(
            b"POST /v1/images/generations HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
            + f"Authorization: Bearer {self.client_key}\r\n".encode()
            + f"Content-Length: {promised or len(body)}\r\n\r\n".encode()
            + body
        )
        return connection

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to one process; a deadly one is waited for."""
        process = self.processes[name]
        process.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            process.wait(40)

    def close(self) -> None:
        """End everything that runs, NATS last.

        Gateways end before those whom they still have something to tell: else they wait for them.
        """
        front = [name for name in self.processes if name not in {*self._behind, "nats"}]
        for names in (front, self._behind, ["nats"]):
            running = [self.processes[name] for name in names if name in self.processes]
            for process in running:
                if process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.send_signal(signal.SIGCONT)
                        process.terminate()
            for process in running:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

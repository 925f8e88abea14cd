"""The whole stack as containers, under a project name of its own, for tests that break them."""

import json
import os
import re
import secrets
import shutil
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from runtime.nats import natsserver
from tests import ROOT
from tests.e2e.asked import Asked

IMAGE = "tidegate:test"
RECOVERY_S = 120
_SERVER = """
[[servers]]
id = "{id}"
url = "http://{host}:9001"
region = "test"
max_sessions = 5000
capabilities = ["image", "video", "avatar"]
"""
_HEALTHY = ["python", "-IS", "/opt/tidegate/bin/healthy.py"]


def run_command(*words: str, **more: Any) -> str:
    """Run a command to its end; what it said. Fails the test when the command fails."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, **more)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def cloned(folder: Path) -> Path:
    """What a fresh clone would hold: the files of the repository, and nothing else."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, run_command(*words, cwd=ROOT).split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


class Containers(Asked):
    """One Compose project in a clone of its own."""

    def __init__(self, folder: Path, *overlays: str, profile: str = "demo") -> None:
        """Start nothing yet; `overlays` are further Compose files."""
        self.folder = cloned(folder)
        self.project = f"tidegate-test-{secrets.token_hex(3)}"
        self.port = natsserver.free_port()
        self.demo_ports = {name: natsserver.free_port() for name in ("server-1", "server-2")}
        self.names = {"one": "server-1", "two": "server-2"}
        files = ("docker-compose.yml", *overlays, "tests/compose/servers.yml")
        self._words = ["docker", "compose", "-p", self.project, "--progress", "quiet"]
        self._words += [word for file in files for word in ("-f", file)]
        if profile:
            self._words += ["--profile", profile]
        mine = {name: text for name, text in os.environ.items() if not name.startswith("TIDEGATE_")}
        self.environment = {
            **mine,
            "TIDEGATE_IMAGE": IMAGE,
            "TIDEGATE_PORT": str(self.port),
            **{f"SERVER_{name[-1]}_PORT": str(port) for name, port in self.demo_ports.items()},
        }

    def configure(self, toml: str) -> None:
        """Write the configuration file where a user would."""
        (self.folder / "tidegate.toml").write_text(toml)

    def servers(self) -> str:
        """The `[[servers]]` of a configuration: the demo servers that can be asked."""
        return "".join(_SERVER.format(id=name, host=host) for name, host in self.names.items())

    # ----------------------------------------------------------------- Compose

    def compose(self, *words: str, **more: Any) -> str:
        """Run `docker compose` to its end; what it said."""
        return run_command(*self._words, *words, cwd=self.folder, env=self.environment, **more)

    def up(self, *words: str) -> None:
        """Bring it up; fails with what every container said when it does not come up."""
        try:
            self.compose("up", "--wait", *words)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()[-6000:]}") from None

    def down(self) -> None:
        """End it and leave nothing behind."""
        self.compose("--profile", "cli", "down", "--volumes", "--remove-orphans", "--timeout", "60")

    def tidegate(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a verb of `tidegate` as the operator."""
        return subprocess.run(
            [*self._words, "run", "--rm", "-T", "cli", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def said(self, *services: str) -> str:
        """What containers wrote."""
        return self.compose("logs", "--no-color", *services)

    def states(self) -> dict[str, dict[str, Any]]:
        """Every container of the project, by its name without the project's."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        found = [json.loads(line) for line in lines if line]
        return {one["Name"].removeprefix(f"{self.project}-"): one for one in found}

    def well(self) -> bool:
        """Whether every container is healthy, or has done its work."""
        return all(
            one["ExitCode"] == 0 if one["State"] == "exited" else one["Health"] == "healthy"
            for one in self.states().values()
        )

    # ----------------------------------------------------------------- one container

    def named(self, name: str) -> str:
        """The engine's name of a container."""
        return f"{self.project}-{name}"

    def inspect(self, name: str, form: str = "{{json .}}") -> Any:
        """What the engine knows of a container."""
        return json.loads(run_command("docker", "inspect", "--format", form, self.named(name)))

    def execute(self, name: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run something in a container."""
        return subprocess.run(
            ["docker", "exec", self.named(name), *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )

    def metrics(self, name: str) -> str:
        """The metrics of a container of ours; nothing while it has none."""
        return self.execute(name, *_HEALTHY, "8081", "/metrics").stdout

    def leader(self, service: str) -> str:
        """The container that leads a service, or nothing."""
        metric = re.compile(rf"^tidegate_{service}_leading 1\.0$", re.MULTILINE)
        found = [name for name in self.of(service) if metric.search(self.metrics(name))]
        return found[0] if len(found) == 1 else ""

    def of(self, service: str) -> list[str]:
        """The containers of a service."""
        return [name for name, one in self.states().items() if one["Service"] == service]

    def who(self, role: str) -> str:
        """The one container, or the leader of several."""
        names = self.of(role)
        if len(names) == 1:
            return names[0]
        self.eventually(lambda: bool(self.leader(role)), expected=True, seconds=RECOVERY_S)
        return self.leader(role)

    def docker(self, verb: str, name: str) -> None:
        """Kill, start, stop, pause or unpause a container."""
        run_command("docker", verb, self.named(name))

    def disconnect(self, name: str, network: str) -> None:
        """Pull the plug."""
        run_command(
            "docker", "network", "disconnect", f"{self.project}_{network}", self.named(name)
        )

    def connect(self, name: str, network: str) -> None:
        """Put it back, under the names that Compose gave it."""
        service = self.inspect(name, '{{json (index .Config.Labels "com.docker.compose.service")}}')
        aliases = ("--alias", service, "--alias", self.named(name))
        full = f"{self.project}_{network}"
        run_command("docker", "network", "connect", *aliases, full, self.named(name))

    # ----------------------------------------------------------------- asking

    def kept(self, file: str) -> str:
        """A file of the operator's home, as the documentation says how to read it."""
        words = ("run", "--rm", "-T", "--entrypoint", "cat", "cli", file)
        return self.compose(*words).strip()

    @cached_property
    def client_key(self) -> str:  # type: ignore[override]
        """The first client key."""
        return self.kept("client.key")

    @cached_property
    def operator_key(self) -> str:  # type: ignore[override]
        """The first admin key."""
        return self.kept("operator.key")

    def url(self, gateway: str = "gateway") -> str:
        """The one gateway's address."""
        assert gateway == "gateway"
        return f"http://127.0.0.1:{self.port}"

    def demo_url(self, name: str) -> str:
        """A demo server's address from outside."""
        return f"http://127.0.0.1:{self.demo_ports[self.names.get(name, name)]}"

    def answers(self, status: int = 200) -> bool:
        """Whether a call is answered so."""
        try:
            return self.image().status_code == status
        except httpx.HTTPError:
            return False

    def recovered(self) -> None:
        """Wait until everything is well, calls are answered and no lease is open."""
        self.eventually(self.answers, expected=True, seconds=RECOVERY_S)
        self.eventually(self.well, expected=True, seconds=RECOVERY_S)
        self.wait_for_ends(RECOVERY_S)

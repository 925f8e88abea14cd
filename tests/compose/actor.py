"""The ground of chaos that is a Compose project, and how its evidence is gathered.

The log is read from outside, at NATS's own address on the bridge of its network: Linux alone.
"""

import re
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos.campaign import Way
from tests.chaos.ground import BALANCER, LIMITS, SESSIONS, Ground
from tests.chaos.plan import Action, Role
from tests.compose.containers import RECOVERY_S, Containers

_SERVICES = {
    Role.POOL_LEADER: "pool",
    Role.BALANCER_LEADER: "balancer",
    Role.GATEWAY: "gateway",
    Role.ANALYTICS: "analytics",
}
CLUSTER = "docker-compose.cluster.yml"
_NETWORK = "log"
_FREEZES_MAX = 10


class Actor(Ground):
    """One gateway, pool and balancer with a standby each, analytics, NATS, two demo servers."""

    stack: Containers

    def __init__(self, folder: Path, *overlays: str) -> None:
        """Start nothing yet."""
        super().__init__()
        self.stack = Containers(folder, *overlays)
        limits = "".join(
            f"[services.{service}]\ndaily_limit = {limit}\n" for service, limit in LIMITS.items()
        )
        self.stack.configure(
            f"[pool]\nmin_size = {SESSIONS}\nmax_size = {SESSIONS}\n"
            'session_concurrency = 8\nlease_ttl = "20s"\n'
            '[pool.provisioner]\nkind = "generated"\n'
            f"[balancer]\n{BALANCER}{limits}{self.stack.servers()}"
        )

    def begin(self) -> None:
        """Bring it up."""
        self.stack.up("--build")
        self._password = self.stack.kept("secrets/auditor.nats")

    def end(self) -> None:
        """Tear it down; what every container said is kept beside the clone."""
        try:
            (self.stack.folder.parent / "containers.log").write_text(self.stack.said())
        finally:
            self.stack.down()

    def gateways(self) -> Mapping[str, str]:
        """The one."""
        return {"gateway-1": self.stack.url()}

    # ------------------------------------------------------------ as an actor

    @property
    def ways(self) -> Mapping[Action, Way]:
        """The engine's verbs."""
        docker = self.stack.docker
        return {
            Action.KILL: Way(partial(docker, "kill"), partial(docker, "start")),
            Action.PAUSE: Way(self._pause, partial(docker, "unpause")),
            Action.RESTART: Way(partial(docker, "stop"), partial(docker, "start")),
            Action.DISCONNECT: Way(
                partial(self.stack.disconnect, network=_NETWORK),
                partial(self.stack.connect, network=_NETWORK),
            ),
        }

    def players(self, role: Role) -> Sequence[str]:
        """Who plays a role now; of leaders, whoever says that it leads, else all."""
        if role in {Role.NATS, Role.STREAM_LEADER}:
            members = self.members()
            leader = leader_of_the_stream(self.stack, members)
            return [leader] if role is Role.STREAM_LEADER and leader else members
        names = self.stack.of(_SERVICES[role])
        leader = self.stack.leader(_SERVICES[role]) if len(names) > 1 else ""
        return [leader] if leader else names

    def standbys(self, name: str) -> Sequence[str]:
        """The others of its kind."""
        of_nats = name.startswith("nats")
        kind = self.members() if of_nats else self.stack.of(name.rpartition("-")[0])
        return [one for one in kind if one != name]

    def members(self) -> list[str]:
        """The NATS servers: one, or those of a cluster."""
        return [name for name in self.stack.states() if name.startswith("nats")]

    def _pause(self, name: str) -> None:
        """Freeze it. On a busy machine the engine may need more than one try."""
        for _ in range(_FREEZES_MAX - 1):
            try:
                self.stack.docker("pause", name)
            except AssertionError:
                time.sleep(0.5)
            else:
                return
        self.stack.docker("pause", name)

    def ready(self, name: str) -> bool:
        """Ask where its health check asks."""
        if name.startswith("nats"):
            words = ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8222/healthz"]
        else:
            words = ["python", "-IS", "/opt/tidegate/bin/healthy.py", "8081", "/readyz"]
        return self.stack.execute(name, *words).returncode == 0

    # ------------------------------------------------------------ evidence

    def calm(self) -> str:
        """Wait until all is well and every lease has its end; why it is not so."""
        try:
            self.stack.recovered()
        except AssertionError:
            told = {name: one["Status"] for name, one in self.stack.states().items()}
            return f"not well after {RECOVERY_S} s: {told}"
        return ""

    def addresses(self) -> list[str]:
        """Where NATS is now: a container that was away may have come back elsewhere."""
        found = []
        for name in self.members():
            networks: dict[str, Any] = self.stack.inspect(name)["NetworkSettings"]["Networks"]
            found.append(networks.get(f"{self.stack.project}_{_NETWORK}", {}).get("IPAddress"))
        assert any(found), "NATS is on no network"
        return [address for address in found if address]

    def auditor_urls(self) -> list[str]:
        """Where NATS is now, for the auditor."""
        return [f"nats://auditor:{self._password}@{address}:4222" for address in self.addresses()]


def leader_of_the_stream(stack: Containers, members: Sequence[str]) -> str:
    """The NATS container that leads the event log's stream, or nothing."""
    url = "http://127.0.0.1:8222/jsz?streams=true"
    for member in members:
        told = stack.execute(member, "wget", "-q", "-O", "-", url).stdout
        found = re.search(r'"name": "EVT".*?"leader": "([\w-]+)"', told, re.DOTALL)
        if found:
            return f"{found[1]}-1"
    return ""

"""The ground of chaos that is a Compose project, and how its evidence is gathered.

The log is read from outside, at NATS's own address on the bridge of its network: Linux alone.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from runtime.eventlog import EventLog, LogError
from tests.chaos.campaign import Way
from tests.chaos.evidence import LogRead, digest, merged
from tests.chaos.plan import Action, Role
from tests.chaos.run import LIMITS, SERVER_FAULTS, SESSIONS
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


class Actor:
    """One gateway, pool and balancer with a standby each, analytics, NATS, two demo servers."""

    def __init__(self, folder: Path, *overlays: str) -> None:
        """Start nothing yet."""
        self.stack = Containers(folder, *overlays)
        limits = "".join(
            f"[services.{service}]\ndaily_limit = {limit}\n" for service, limit in LIMITS.items()
        )
        self.stack.configure(
            f"[pool]\nmin_size = {SESSIONS}\nmax_size = {SESSIONS}\n"
            'session_concurrency = 8\nlease_ttl = "20s"\n'
            '[pool.provisioner]\nkind = "generated"\n'
            f'[balancer]\nprobe_interval = "2s"\n{limits}{self.stack.servers()}'
        )
        self.seen: dict[int, str] = {}
        """Every envelope read while it went on, by its sequence."""

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

    def break_servers(self) -> None:
        """Have the demo servers be slow, and fail now and then."""
        for demo in self.stack.names:
            found = httpx.post(f"{self.stack.demo_url(demo)}/demo/faults", json=SERVER_FAULTS)
            assert found.status_code == 200, found.text

    def mend_servers(self) -> None:
        """End their faults."""
        for demo in self.stack.names:
            self.stack.faults(demo)

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

    async def watch_log(self) -> None:
        """Read the log as it grows, for ever; what was read once was stored."""
        while True:
            with contextlib.suppress(NatsError, LogError, OSError, AssertionError):
                async with self._auditor() as client:
                    after = max(self.seen, default=0)
                    async for batch in EventLog(client).follow_from(["evt.>"], after):
                        for stored in batch:
                            self.seen[stored.sequence] = digest(stored.body)
            await asyncio.sleep(0.5)

    async def read_log(self) -> LogRead:
        """Read the whole log."""
        log = LogRead()
        async with self._auditor() as client:
            events = EventLog(client)
            upto = (await events.stream_state()).last_sequence
            async for batch in events.read_range("evt.>", 0, upto):
                for stored in batch:
                    log.hear(stored)
        return log

    def calm(self) -> str:
        """Wait until all is well and every lease has its end; why it is not so."""
        try:
            self.stack.recovered()
        except AssertionError:
            told = {name: one["Status"] for name, one in self.stack.states().items()}
            return f"not well after {RECOVERY_S} s: {told}"
        return ""

    def ledgers(self) -> tuple[dict[str, dict[str, dict[str, int]]], dict[str, int]]:
        """What the demo servers served: by day, credential and service; and times by request."""
        found = [
            httpx.get(f"{self.stack.demo_url(demo)}/demo/ledger").json()
            for demo in self.stack.names
        ]
        accepted: dict[str, int] = {}
        for ledger in found:
            for request_id, times in ledger["requests"].items():
                accepted[request_id] = accepted.get(request_id, 0) + times
        return merged(*(ledger["days"] for ledger in found)), accepted

    def addresses(self) -> list[str]:
        """Where NATS is now: a container that was away may have come back elsewhere."""
        found = []
        for name in self.members():
            networks: dict[str, Any] = self.stack.inspect(name)["NetworkSettings"]["Networks"]
            found.append(networks.get(f"{self.stack.project}_{_NETWORK}", {}).get("IPAddress"))
        assert any(found), "NATS is on no network"
        return [address for address in found if address]

    @contextlib.asynccontextmanager
    async def _auditor(self) -> AsyncIterator[Client]:
        async def unheard(_: Exception) -> None:
            await asyncio.sleep(0)

        addresses = await asyncio.to_thread(self.addresses)
        client = await nats.connect(
            [f"nats://auditor:{self._password}@{address}:4222" for address in addresses],
            inbox_prefix=b"_INBOX_auditor",
            max_reconnect_attempts=2,
            reconnect_time_wait=0.2,
            connect_timeout=5,
            ping_interval=2,
            error_cb=unheard,
        )
        try:
            yield client
        finally:
            with contextlib.suppress(NatsError):
                await client.close()


def leader_of_the_stream(stack: Containers, members: Sequence[str]) -> str:
    """The NATS container that leads the event log's stream, or nothing."""
    url = "http://127.0.0.1:8222/jsz?streams=true"
    for member in members:
        told = stack.execute(member, "wget", "-q", "-O", "-", url).stdout
        found = re.search(r'"name": "EVT".*?"leader": "([\w-]+)"', told, re.DOTALL)
        if found:
            return f"{found[1]}-1"
    return ""

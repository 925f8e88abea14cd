"""The ground that is a stack of processes on this machine, and how its evidence is gathered."""

import asyncio
import contextlib
import re
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import httpx
import nats
from nats.aio.client import Client

from runtime.eventlog import EventLog
from tests.chaos.campaign import Way
from tests.chaos.evidence import LogRead, digest, merged
from tests.chaos.plan import Action, Role
from tests.chaos.run import LIMITS, SERVER_FAULTS, SESSIONS
from tests.e2e.stack import Stack

GATEWAYS = ("gateway", "gateway-2")
POOLS = ("pool", "pool-2")
BALANCERS = ("balancer", "balancer-2")
DEMOS = ("one", "two")
_CALM_S = 90.0


class Processes:
    """Two gateways, pool and balancer with a standby each, analytics, NATS, two demo servers."""

    def __init__(self, home: Path, limits: Mapping[str, int] = LIMITS) -> None:
        """Start nothing yet."""
        settings = {
            "TIDEGATE_POOL_MIN_SIZE": str(SESSIONS),
            "TIDEGATE_POOL_MAX_SIZE": str(SESSIONS),
            "TIDEGATE_POOL_SESSION_CONCURRENCY": "8",
            "TIDEGATE_POOL_LEASE_TTL": "20s",
        } | {
            f"TIDEGATE_SERVICES_{service.upper()}_DAILY_LIMIT": str(limit)
            for service, limit in limits.items()
        }
        self.stack = Stack(home, **settings)
        self.seen: dict[int, str] = {}
        """Every envelope read while it went on, by its sequence."""

    def begin(self) -> None:
        """Start everything and wait until it is ready."""
        stack = self.stack
        stack.configure('[balancer]\nprobe_interval = "2s"\n' + stack.servers_toml(*DEMOS))
        stack.start_all(*DEMOS, gateways=len(GATEWAYS))
        stack.start(POOLS[1], "pool")
        stack.start(BALANCERS[1], "balancer")
        stack.ready(POOLS[1], BALANCERS[1])

    def break_servers(self) -> None:
        """Have the demo servers be slow, and fail now and then."""
        for demo in DEMOS:
            found = httpx.post(f"{self.stack.demo_url(demo)}/demo/faults", json=SERVER_FAULTS)
            assert found.status_code == 200, found.text

    def mend_servers(self) -> None:
        """End their faults."""
        for demo in DEMOS:
            self.stack.faults(demo)

    def end(self) -> None:
        """End everything; what it said lies in its home."""
        self.stack.close()

    def gateways(self) -> Mapping[str, str]:
        """Where each is asked."""
        return {name: self.stack.url(name) for name in GATEWAYS}

    # ------------------------------------------------------------ as an actor

    @property
    def ways(self) -> Mapping[Action, Way]:
        """Signals."""
        return {
            Action.KILL: Way(self.stack.kill, self._start),
            Action.PAUSE: Way(self._signalled(signal.SIGSTOP), self._signalled(signal.SIGCONT)),
            Action.RESTART: Way(self._signalled(signal.SIGTERM), self._start),
        }

    def players(self, role: Role) -> Sequence[str]:
        """Who plays a role now; of leaders, whoever says that it leads, else all."""
        if role is Role.GATEWAY:
            return GATEWAYS
        if role is Role.POOL_LEADER:
            return self._leading("tidegate_pool_leading", POOLS)
        if role is Role.BALANCER_LEADER:
            return self._leading("tidegate_balancer_leading", BALANCERS)
        return (str(role),)

    def standbys(self, name: str) -> Sequence[str]:
        """The others of its kind."""
        kinds = (GATEWAYS, POOLS, BALANCERS)
        return [one for kind in kinds if name in kind for one in kind if one != name]

    def _signalled(self, signal_: signal.Signals) -> Callable[[str], None]:
        return lambda name: self.stack.kill(name, signal_)

    def _start(self, name: str) -> None:
        """Start it again; a gateway on the port it had."""
        if name == "nats":
            self.stack.restart_nats()
        elif name in GATEWAYS:
            self.stack.start_gateway(name)
        else:
            self.stack.start(name, name.partition("-")[0])

    def ready(self, name: str) -> bool:
        """Ask its health port; nats-server has none and is ready when its port answers."""
        if name == "nats":
            return True
        return self._get(name, "/readyz") is not None

    def _leading(self, metric: str, names: Sequence[str]) -> Sequence[str]:
        found = []
        for name in names:
            told = self._get(name, "/metrics") or ""
            if re.search(rf"^{metric} 1(\.0)?$", told, re.MULTILINE):
                found.append(name)
        return found or names

    def _get(self, name: str, path: str) -> str | None:
        """The body of a 200; None for anything else."""
        url = f"http://127.0.0.1:{self.stack.health[name]}{path}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                body: bytes = answer.read()
                return body.decode()
        except OSError:
            return None

    # ------------------------------------------------------------ evidence

    async def watch_log(self) -> None:
        """Read the log as it grows, for ever; what was read once was stored."""
        async with self._auditor() as client:
            after = max(self.seen, default=0)
            async for batch in EventLog(client).follow_from(["evt.>"], after):
                for stored in batch:
                    self.seen[stored.sequence] = digest(stored.body)

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
        """Wait until every process is ready and every lease has its end; why it is not so."""
        names = (*GATEWAYS, *POOLS, *BALANCERS, "analytics")
        try:
            self.stack.ready(*names)
            self.stack.eventually(self._open_leases, 0, _CALM_S)
        except AssertionError as error:
            return str(error).replace("\n", " ")[:2000]
        return ""

    def _open_leases(self) -> int | None:
        try:
            return self.stack.open_leases()
        except (AssertionError, httpx.HTTPError):
            return None

    def ledgers(self) -> tuple[dict[str, dict[str, dict[str, int]]], dict[str, int]]:
        """What the demo servers served: by day, credential and service; and times by request."""
        found = [httpx.get(f"{self.stack.demo_url(demo)}/demo/ledger").json() for demo in DEMOS]
        accepted: dict[str, int] = {}
        for ledger in found:
            for request_id, times in ledger["requests"].items():
                accepted[request_id] = accepted.get(request_id, 0) + times
        return merged(*(ledger["days"] for ledger in found)), accepted

    @contextlib.asynccontextmanager
    async def _auditor(self) -> AsyncIterator[Client]:
        password = (self.stack.home / "secrets" / "auditor.nats").read_text().strip()

        async def unheard(_: Exception) -> None:
            await asyncio.sleep(0)

        client = await nats.connect(
            f"nats://auditor:{password}@127.0.0.1:{self.stack.nats_port}",
            inbox_prefix=b"_INBOX_auditor",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            error_cb=unheard,
        )
        try:
            yield client
        finally:
            await client.close()

"""The ground that is a stack of processes on this machine, and how its evidence is gathered."""

import re
import signal
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.chaos.campaign import Way
from tests.chaos.ground import BALANCER, DEMOS, LIMITS, SESSIONS, Ground
from tests.chaos.plan import Action, Role
from tests.e2e.stack import Stack

GATEWAYS = ("gateway", "gateway-2")
POOLS = ("pool", "pool-2")
BALANCERS = ("balancer", "balancer-2")
_CALM_S = 90.0


class Processes(Ground):
    """Two gateways, pool and balancer with a standby each, analytics, NATS, two demo servers."""

    stack: Stack

    def __init__(self, home: Path, limits: Mapping[str, int] = LIMITS) -> None:
        """Start nothing yet."""
        super().__init__()
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

    def begin(self) -> None:
        """Start everything and wait until it is ready."""
        stack = self.stack
        stack.configure(f"[balancer]\n{BALANCER}{stack.servers_toml(*DEMOS)}")
        stack.start_all(*DEMOS, gateways=len(GATEWAYS))
        stack.start(POOLS[1], "pool")
        stack.start(BALANCERS[1], "balancer")
        stack.ready(POOLS[1], BALANCERS[1])

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

    def calm(self) -> str:
        """Wait until every process is ready and every lease has its end; why it is not so."""
        names = (*GATEWAYS, *POOLS, *BALANCERS, "analytics")
        try:
            self.stack.ready(*names)
            self.stack.wait_for_ends(_CALM_S)
        except AssertionError as error:
            return str(error).replace("\n", " ")[:2000]
        return ""

    def auditor_urls(self) -> list[str]:
        """Where nats-server is, for the auditor."""
        password = (self.stack.home / "secrets" / "auditor.nats").read_text().strip()
        return [f"nats://auditor:{password}@127.0.0.1:{self.stack.nats_port}"]

"""Servers measured by their probes when an operator asks: many at once, each one after the other.

What is measured is the way from the balancer to a server that has nothing to do, with the first
probe's connection in it. It says nothing of how long work takes there, and changes nothing: what
is recommended is for the operator to do.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from contracts.balancer import ProbeServers, Server, ServersProbed
from contracts.base import Failed, Reply
from runtime.texts import as_quoted
from services.balancer.domain import Fleet, Measured, recommend_weights
from services.balancer.probes import Prober, probe_failure
from services.balancer.settings import BalancerSection

PROBES_MAX = 100
_WHOLE_S = 10.0
"""Whatever is not asked by then is not asked: the reply is waited for."""
_AT_ONCE_MAX = 32
_DEAD_AFTER = 3
"""One that has answered none of so many is asked no more."""


class Measuring:
    """Measures servers of the fleet."""

    def __init__(
        self,
        client: Prober,
        fleet: Callable[[], Fleet],
        settings: Callable[[], BalancerSection],
    ) -> None:
        """Ask by this client, with the patience of the settings."""
        self._client = client
        self._fleet = fleet
        self._settings = settings

    async def measure_servers(self, command: ProbeServers) -> Reply:
        """Measure one server or all of them."""
        if not 1 <= command.probes <= PROBES_MAX:
            message = f"probes: expected 1 to {PROBES_MAX}, got {command.probes}"
            return Failed(code="bad_request", message=message)
        members = self._fleet().members
        if command.server_id and command.server_id not in members:
            message = f"server_id: there is no server {as_quoted(command.server_id)}"
            return Failed(code="not_found", message=message)
        servers = [
            member.server
            for server_id, member in members.items()
            if command.server_id in {"", server_id}
        ]
        return ServersProbed(servers=recommend_weights(await self._measure(servers, command)))

    async def _measure(self, servers: Sequence[Server], command: ProbeServers) -> list[Measured]:
        places = asyncio.Semaphore(_AT_ONCE_MAX)
        ends_at = time.perf_counter() + _WHOLE_S

        async def measure_in_turn(server: Server) -> Measured:
            async with places:
                return await self._measure_server(server, command.probes, ends_at)

        return list(await asyncio.gather(*map(measure_in_turn, servers)))

    async def _measure_server(self, server: Server, probes: int, ends_at: float) -> Measured:
        """Ask one server again and again."""
        good_ms: list[float] = []
        lost, failure = 0, ""
        for _ in range(probes):
            began_at = time.perf_counter()
            patience_s = min(self._settings().probe_timeout, ends_at - began_at)
            if patience_s <= 0:
                failure = failure or "there was no time left to ask it"
                break
            wrong = await probe_failure(self._client, server, patience_s)
            if wrong is None:
                good_ms.append((time.perf_counter() - began_at) * 1000)
            else:
                lost, failure = lost + 1, wrong
                if not good_ms and lost >= _DEAD_AFTER:
                    break
        return Measured(server_id=server.server_id, good_ms=good_ms, lost=lost, failure=failure)

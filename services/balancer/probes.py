"""Active probes: GET /ping of every server, each on a watch of its own.

A server that is up is asked every `probe_interval`; one that is not, sooner at first (a boot must
not wait for an interval), then ever more slowly up to that interval.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import httpx

from contracts.balancer import Health, Server
from contracts.base import ServerId
from runtime.addresses import ForbiddenAddressError, refused_host, resolved
from services.balancer.domain import Fleet
from services.balancer.settings import BalancerSection

_AGAIN_FIRST_S = 0.1
_PORTS = {"http": 80, "https": 443}
_FAILURE_CHARACTERS_MAX = 200

Report = Callable[[ServerId, str], None]
"""Told every result: whose, and what failed (empty for a good probe)."""


def prober() -> httpx.AsyncClient:
    """Make the HTTP client of the probes: no proxy, and no redirect followed."""
    return httpx.AsyncClient(
        timeout=None,  # noqa: S113 (`ping` bounds the whole exchange)
        trust_env=False,
        follow_redirects=False,
        headers={"user-agent": "tidegate-probe"},
    )


async def ping(client: httpx.AsyncClient, url: str, timeout_s: float) -> str:
    """Ask a server whether it lives; return what failed, empty when it answered with a 2xx."""
    try:
        async with asyncio.timeout(timeout_s):
            parsed = httpx.URL(url)
            await resolved(parsed.host, parsed.port or _PORTS[parsed.scheme])
            async with client.stream("GET", f"{url.rstrip('/')}/ping") as response:
                # httpx looked the name up again, maybe to another end.
                reached = response.extensions["network_stream"].get_extra_info("server_addr")
                failed = "" if response.is_success else f"status {response.status_code}"
                return refused_host(str(reached[0])) or failed
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except ForbiddenAddressError as error:
        return str(error)[:_FAILURE_CHARACTERS_MAX]
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"[:_FAILURE_CHARACTERS_MAX]


class Probes:
    """A watch for every server of the fleet."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        fleet: Callable[[], Fleet],
        chance: Callable[[], float],
    ) -> None:
        """`chance` (0 up to 1) jitters the intervals."""
        self._client = client
        self._fleet = fleet
        self._chance = chance
        self._changed = asyncio.Event()
        self._hastened: dict[ServerId, asyncio.Event] = {}

    def fleet_changed(self) -> None:
        """Watch the servers that are there now."""
        self._changed.set()

    def hasten(self, server_id: ServerId) -> None:
        """Ask one server now."""
        if server_id in self._hastened:
            self._hastened[server_id].set()

    async def run(self, settings: Callable[[], BalancerSection], report: Report) -> None:
        """Watch until cancelled; `settings` is read anew for every probe."""
        watches: dict[ServerId, tuple[str, asyncio.Task[None]]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                servers = {one: member.server for one, member in self._fleet().members.items()}
                for server_id, (url, watch) in [*watches.items()]:
                    if server_id not in servers or servers[server_id].url != url:
                        watch.cancel()
                        del watches[server_id], self._hastened[server_id]
                for server_id, server in servers.items():
                    if server_id not in watches:
                        self._hastened[server_id] = asyncio.Event()
                        watches[server_id] = (
                            server.url,
                            group.create_task(self._watch(server, settings, report)),
                        )
                await self._changed.wait()
                self._changed.clear()

    async def _watch(
        self, server: Server, settings: Callable[[], BalancerSection], report: Report
    ) -> None:
        again_s = _AGAIN_FIRST_S
        hastened = self._hastened[server.server_id]
        while True:
            was_up = self._up(server.server_id)
            section = settings()
            failure = await ping(self._client, server.url, section.probe_timeout)
            report(server.server_id, failure)
            if failure and not was_up:
                wait_s = min(again_s, section.probe_interval)
                again_s = wait_s * 2
            else:
                wait_s, again_s = section.probe_interval, _AGAIN_FIRST_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s * (0.9 + 0.2 * self._chance())):
                    await hastened.wait()
            hastened.clear()

    def _up(self, server_id: ServerId) -> bool:
        member = self._fleet().members.get(server_id)
        return member is not None and member.health is Health.UP

"""Active probes: GET `probe_path` of every server, each on a watch of its own.

A server that is up is asked every `probe_interval`; one that is not, sooner at first (a boot must
not wait for an interval), then ever more slowly up to that interval. Of a large fleet at most
`_AT_ONCE_MAX` are asked at once.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import httpx
import msgspec

from contracts.balancer import Health, Server
from contracts.base import ServerId
from runtime.addresses import (
    ForbiddenAddressError,
    address_objection,
    refuse_forbidden,
    resolve_allowed,
    system_words,
)
from runtime.texts import as_quoted
from services.balancer.domain import Fleet
from services.balancer.settings import BalancerSection

_AGAIN_FIRST_S = 0.1
_PORTS = {"http": 80, "https": 443}
_FAILURE_CHARACTERS_MAX = 200
_AT_ONCE_MAX = 128
"""Whoever is not asked yet waits outside of the time that its answer may take."""
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=32)
"""A bound of the client's own would be waited for within that time: those that hang would have
those that are well called silent."""
_BODY_BYTES_MAX = 65_536

Report = Callable[[ServerId, str | None], None]
"""Told every result: whose, and what failed (None for a good probe)."""


class Way(httpx.AsyncBaseTransport):
    """The way to servers: straight, or through the proxy that calls go through."""

    def __init__(self) -> None:
        """Go straight."""
        self._straight = httpx.AsyncHTTPTransport(trust_env=False, limits=_LIMITS)
        self._proxied: httpx.AsyncHTTPTransport | None = None
        # Not closed at once: a probe may still be under way there.
        self._left: list[httpx.AsyncHTTPTransport] = []
        self._url = ""

    @property
    def is_straight(self) -> bool:
        """Whether what is reached is the server itself."""
        return self._proxied is None

    def go_through(self, proxy_url: str) -> None:
        """Go through this proxy from now on, or straight where it is empty."""
        if proxy_url == self._url:
            return
        self._url = proxy_url
        if self._proxied is not None:
            self._left.append(self._proxied)
        self._proxied = (
            httpx.AsyncHTTPTransport(proxy=proxy_url, trust_env=False, limits=_LIMITS)
            if proxy_url
            else None
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask."""
        return await (self._proxied or self._straight).handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in (self._straight, self._proxied, *self._left):
            if transport is not None:
                await transport.aclose()


class Prober(httpx.AsyncClient):
    """The HTTP client of the probes: no proxy of the environment, and no redirect followed."""

    def __init__(self) -> None:
        """Go straight, at first."""
        self.way = Way()
        super().__init__(
            timeout=None,
            trust_env=False,
            follow_redirects=False,
            transport=self.way,
            headers={"user-agent": "tidegate-probe", "accept-encoding": "identity"},
        )


def probe_client() -> Prober:
    """Make the HTTP client of the probes; `probe_failure` bounds the whole exchange."""
    return Prober()


async def probe_failure(client: Prober, server: Server, timeout_s: float) -> str | None:
    """Ask a server whether it lives; return what failed, None when it answered as it should."""
    try:
        async with asyncio.timeout(timeout_s):
            url = f"{server.url.rstrip('/')}{server.probe_path}"
            parsed, straight = httpx.URL(url), client.way.is_straight
            looked_up = resolve_allowed if straight else refuse_forbidden
            await looked_up(parsed.host, parsed.port or _PORTS[parsed.scheme])
            async with client.stream("GET", url) as response:
                if straight:
                    # httpx looked the name up again, maybe to another end. Asked before the body
                    # is read: behind it the connection may be gone.
                    reached = response.extensions["network_stream"].get_extra_info("server_addr")
                    if objection := address_objection(str(reached[0])):
                        return objection
                return await _answer_failure(response, server)
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except ForbiddenAddressError as error:
        return str(error)[:_FAILURE_CHARACTERS_MAX]
    except (httpx.ConnectError, OSError) as error:
        return f"no connection: {system_words(error)}"[:_FAILURE_CHARACTERS_MAX]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"{type(error).__name__}: {error}"[:_FAILURE_CHARACTERS_MAX]


async def _answer_failure(response: httpx.Response, server: Server) -> str | None:
    """Say what is wrong with an answer; of its body no more is read than has to be."""
    wanted, status = server.probe_status, response.status_code
    if wanted and status != wanted:
        return f"status {status}, expected {wanted}"
    if not wanted and not response.is_success:
        return f"status {status}"
    if not server.probe_body:
        return None
    expected, body = server.probe_body.encode(), b""
    async for chunk in response.aiter_raw(_BODY_BYTES_MAX):
        body += chunk
        if expected in body[:_BODY_BYTES_MAX]:
            return None
        if len(body) >= _BODY_BYTES_MAX:
            break
    return f"the body does not hold {as_quoted(server.probe_body)}"


class _Watch(msgspec.Struct, frozen=True):
    """A server that is watched: as it was asked, by which task."""

    asked: tuple[str, str, int, str]
    task: asyncio.Task[None]


def _asked_of(server: Server) -> tuple[str, str, int, str]:
    """What a probe asks of a server, and expects: another one is begun where it changes."""
    return server.url, server.probe_path, server.probe_status, server.probe_body


class Probes:
    """A watch for every server of the fleet."""

    def __init__(
        self,
        client: Prober,
        fleet: Callable[[], Fleet],
        chance: Callable[[], float],
    ) -> None:
        """`chance` (0 up to 1) jitters the intervals."""
        self._client = client
        self._fleet = fleet
        self._chance = chance
        self._changed = asyncio.Event()
        self._hastened: dict[ServerId, asyncio.Event] = {}
        self._places = asyncio.Semaphore(_AT_ONCE_MAX)

    def go_through(self, proxy_url: str) -> None:
        """Go through this proxy from now on, or straight where it is empty."""
        self._client.way.go_through(proxy_url)

    def fleet_changed(self) -> None:
        """Watch the servers that are there now."""
        self._changed.set()

    def hasten_probe(self, server_id: ServerId) -> None:
        """Ask one server now."""
        if server_id in self._hastened:
            self._hastened[server_id].set()

    async def run(self, settings: Callable[[], BalancerSection], report: Report) -> None:
        """Watch until cancelled; `settings` is read anew for every probe."""
        watches: dict[ServerId, _Watch] = {}
        self._hastened = {}  # those of an earlier term have nobody who waits for them
        async with asyncio.TaskGroup() as group:
            while True:
                servers = {
                    server_id: member.server for server_id, member in self._fleet().members.items()
                }
                for server_id, watch in [*watches.items()]:
                    server = servers.get(server_id)
                    if server is None or _asked_of(server) != watch.asked:
                        watch.task.cancel()
                        del watches[server_id], self._hastened[server_id]
                for server_id, server in servers.items():
                    if server_id not in watches:
                        self._hastened[server_id] = asyncio.Event()
                        watching = self._watch_server(server, settings, report)
                        watches[server_id] = _Watch(_asked_of(server), group.create_task(watching))
                assert self._hastened.keys() == watches.keys(), "who is watched can be hastened"
                await self._changed.wait()
                self._changed.clear()

    async def _watch_server(
        self, server: Server, settings: Callable[[], BalancerSection], report: Report
    ) -> None:
        """Ask one server for ever, with jitter, and sooner while it is down."""
        again_s = _AGAIN_FIRST_S
        hastened = self._hastened[server.server_id]
        while True:
            async with self._places:
                was_up = self._is_up(server.server_id)
                section = settings()
                failure = await probe_failure(self._client, server, section.probe_timeout)
            report(server.server_id, failure)
            # `was_up` is of before this probe: the first failure waits a whole interval.
            if failure is not None and not was_up:
                wait_s = min(again_s, section.probe_interval)
                again_s = wait_s * 2
            else:
                wait_s, again_s = section.probe_interval, _AGAIN_FIRST_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s * (0.9 + 0.2 * self._chance())):
                    await hastened.wait()
            hastened.clear()

    def _is_up(self, server_id: ServerId) -> bool:
        member = self._fleet().members.get(server_id)
        return member is not None and member.health is Health.UP

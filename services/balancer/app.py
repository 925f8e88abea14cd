"""The balancer's composition root: follow, be elected, lead, drain."""

import asyncio
import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress

import httpx
from nats.errors import Error as NatsError

from contracts.balancer import BalancerEvent, Health, ServerHealthChanged
from contracts.base import Instant, ServerId, WriterId
from services.balancer.domain import Balancer, configured, health_due, probed, swept
from services.balancer.handlers import Doors
from services.balancer.metrics import Metrics
from services.balancer.probes import Probes, prober
from services.balancer.settings import Settings
from services.balancer.store import Journal
from tidegate.runtime import health, lifecycle, logs
from tidegate.runtime.broker import broker, connected, nats_url
from tidegate.runtime.clock import clock
from tidegate.runtime.environment import Environment
from tidegate.runtime.eventlog import LogUnavailableError
from tidegate.runtime.logs import Log
from tidegate.runtime.settings import SettingsError

_USER = "balancer"
_LOOK_EVERY_S = 2.0
_SWEEP_EVERY_S = 1.0
_DRAIN_S = 3.0


async def run(stop: asyncio.Event, environment: Environment, load: Callable[[], Settings]) -> None:
    """Serve until `stop`. Raises `SettingsError` for a configuration that is wrong at boot."""
    logger = logs.configure("balancer")
    settings = load()
    made = broker(nats_url(environment, _USER), _USER, logger)
    client = await connected(made)
    balancer = Balancer()
    journal = Journal(
        client,
        balancer,
        WriterId(f"balancer-{uuid.uuid4().hex[:12]}"),
        clock(environment.clock_offset_file),
        logger,
    )
    metrics = Metrics(balancer)
    journal.on_commit(metrics.journalled)
    doors = Doors(made, client, journal, metrics, logger)
    async with prober() as http:
        leader = Leader(journal, doors, metrics, http, settings, logger)
        try:
            await lifecycle.until(
                stop,
                health.serve(environment.health_port, leader.unready, metrics.registry),
                journal.leadership.serve(leader.lead),
                leader.watch(load),
            )
        finally:
            with suppress(NatsError, TimeoutError, ConnectionError):
                async with asyncio.timeout(_DRAIN_S):
                    await client.drain()
            logger.info("stopped")


class Leader:
    """What a balancer does while it leads."""

    def __init__(
        self,
        journal: Journal,
        doors: Doors,
        metrics: Metrics,
        http: httpx.AsyncClient,
        settings: Settings,
        logger: Log,
    ) -> None:
        """Nothing starts before `lead`."""
        self._settings = settings
        self._journal = journal
        self._balancer = journal.balancer
        self._doors = doors
        self._metrics = metrics
        self._logger = logger
        self._due = doors.health_reported
        self._probes = Probes(
            http,
            fleet=lambda: self._balancer.fleet,
            settings=lambda: self._settings.balancer,
            report=self._probed,
            chance=random.random,
        )
        journal.on_commit(self._committed)

    def unready(self) -> str:
        """Say why this process is not ready; empty while it follows a leader, or leads well."""
        leadership = self._journal.leadership
        if not leadership.leading:
            led = leadership.following and self._journal.writer.link.sequence
            return "" if led else "nobody leads yet"
        members = self._balancer.fleet.members.values()
        return "" if any(member.healthy for member in members) else "no healthy server"

    async def lead(self) -> None:
        """Answer, probe, and journal what happens to the servers. Raises `DeposedError`."""
        self._balancer.start_anew()
        try:
            # Before the doors: the end of whatever is selected here comes later in the log.
            after = await self._log_end()
            await self._doors.open()
            self._metrics.leading = True
            self._due.set()
            await lifecycle.until(
                asyncio.Event(),
                self._journal.tail(after),
                self._keep_house(),
                self._doors.administer(),
                self._probes.run(),
            )
        finally:
            self._metrics.leading = False
            await self._doors.close()

    async def watch(self, load: Callable[[], Settings]) -> None:
        """Read the configuration again as it changes; a wrong one changes nothing."""
        complaint = ""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                settings = load()
            except SettingsError as error:
                if str(error) != complaint:
                    complaint = str(error)
                    self._logger.warning("configuration_refused", error=complaint)
                continue
            complaint = ""
            if settings != self._settings:
                self._settings = settings
                self._due.set()

    async def _log_end(self) -> int:
        while True:
            try:
                return (await self._journal.log.state()).last_sequence
            except LogUnavailableError as error:
                self._logger.warning("log_unavailable", error=str(error))
                await asyncio.sleep(_SWEEP_EVERY_S)

    async def _keep_house(self) -> None:
        """Journal what is due as soon as it is, and release exchanges past their deadline."""
        while True:
            self._due.clear()
            try:
                await self._journal.commit(self._decide)
            except LogUnavailableError as error:
                self._logger.warning("not_journalled", error=str(error))
            late = swept(self._balancer, self._journal.now())
            if late:
                self._logger.warning("released_at_deadline", leases=len(late))
            with suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_EVERY_S):
                    await self._due.wait()

    def _decide(self, now: Instant) -> Sequence[BalancerEvent]:
        settings = self._settings
        servers = [section.server() for section in settings.servers]
        applied = configured(self._balancer.fleet, settings.balancer.strategy, servers)
        # What the configuration changes decides which server's health still matters.
        return applied or health_due(self._balancer, now, settings.balancer.probe_failures)

    def _probed(self, server_id: ServerId, failure: str) -> None:
        probed(self._balancer, server_id, failure)
        self._metrics.probed(server_id, failure)
        self._due.set()

    def _committed(self, events: Sequence[BalancerEvent]) -> None:
        self._probes.fleet_changed()
        for event in events:
            if isinstance(event, ServerHealthChanged) and event.health is Health.DOWN:
                self._probes.hasten(event.server_id)

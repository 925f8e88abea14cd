"""What a balancer does while it leads: answer, probe, and journal what happens to the servers."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from contracts.balancer import BalancerEvent, Health, HeldConfiguration, ServerHealthChanged
from contracts.base import Instant, ServerId
from runtime.eventlog import UNWRITABLE, LogUnavailableError
from runtime.process import lifecycle
from runtime.process.logs import Log
from runtime.settings import SettingsError
from services.balancer.domain import configured, health_due, held, probed, swept
from services.balancer.handlers import Doors
from services.balancer.metrics import Metrics
from services.balancer.probes import Probes
from services.balancer.settings import Settings
from services.balancer.store import Journal

_LOOK_EVERY_S = 2.0
_SWEEP_EVERY_S = 1.0


class Leader:
    """One process's duties; `lead` runs them all until the leadership is lost."""

    def __init__(
        self,
        journal: Journal,
        doors: Doors,
        probes: Probes,
        metrics: Metrics,
        settings: Settings,
        logger: Log,
    ) -> None:
        """Nothing starts before `lead`."""
        self._settings = settings
        self._applied: Settings | None = None
        """What the fleet is known to follow, so that it need not be compared again."""
        self._journal = journal
        self._balancer = journal.balancer
        self._doors = doors
        self._metrics = metrics
        self._logger = logger
        self._open_up()
        self._due = doors.health_reported
        self._probes = probes
        probes.go_through(settings.proxy)
        journal.on_commit(self._committed)

    def unready(self) -> str:
        """Say why this process is not ready; empty while it follows a leader, or leads well."""
        leadership = self._journal.leadership
        if not leadership.is_reachable:
            return "NATS is not reachable"
        if self._journal.writer.unwritable_s:
            return UNWRITABLE
        if not leadership.leading:
            led = leadership.following and self._journal.writer.link.sequence
            return "" if led else "nobody leads yet"
        members = self._balancer.fleet.members.values()
        return "" if any(member.healthy for member in members) else "no healthy server"

    async def lead(self) -> None:
        """Answer, probe, and journal what happens to the servers. Raises `DeposedError`."""
        self._balancer.start_anew()
        self._applied = None
        try:
            # Before the doors: the end of whatever is selected here comes later in the log.
            after = await self._journal.end()
            await self._doors.open()
            self._metrics.leading = True
            self._due.set()
            await lifecycle.until_stopped(
                asyncio.Event(),
                self._journal.tail(after),
                self._journal.prove(),
                self._keep_house(),
                self._doors.administer(),
                self._probes.run(lambda: self._settings.balancer, self._probed),
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
                self._open_up()
                self._probes.go_through(settings.proxy)
                self._due.set()
                for server_id in self._balancer.fleet.members:
                    self._probes.hasten(server_id)

    def _open_up(self) -> None:
        """Let servers of one's own in, but where sessions are made up for the demo's."""
        urls = frozenset(section.url for section in self._settings.servers)
        self._balancer.open_to = urls if self._settings.made_up else None

    async def _keep_house(self) -> None:
        """Journal what is due as soon as it is, and release exchanges past their deadline."""
        clock = asyncio.get_running_loop().time
        sweep_at = 0.0
        while True:
            self._due.clear()
            try:
                # Without events only to prove that the log takes writes (ADR 26).
                await self._journal.commit(self._decide, confirm=self._journal.writer.write_due)
            except LogUnavailableError as error:
                self._logger.warning("not_journalled", error=str(error))
            if clock() >= sweep_at:
                sweep_at = clock() + _SWEEP_EVERY_S
                late = swept(self._balancer, self._journal.now())
                if late:
                    self._logger.warning("released_at_deadline", leases=len(late))
            with suppress(TimeoutError):
                async with asyncio.timeout_at(sweep_at):
                    await self._due.wait()

    def _decide(self, now: Instant) -> Sequence[BalancerEvent]:
        settings = self._settings
        if settings is not self._applied:
            strategy = settings.balancer.strategy
            servers = [section.server() for section in settings.servers]
            fleet, demo = self._balancer.fleet, settings.demo
            self._hold(held(fleet, strategy, servers, demo=demo))
            if self._balancer.held is None:
                changes = configured(fleet, strategy, servers, demo=demo)
                if changes:
                    return changes
                self._applied = settings
        return health_due(self._balancer, now, settings.balancer.probe_failures)

    def _hold(self, wanted: HeldConfiguration | None) -> None:
        """Let a configuration wait, and say once which and why."""
        if wanted is not None and wanted != self._balancer.held:
            self._logger.warning(
                "configuration_held",
                reason=wanted.reason,
                removes=wanted.removes,
                accept=f"tidegate config accept {wanted.digest}",
            )
        self._balancer.held = wanted

    def _probed(self, server_id: ServerId, failure: str) -> None:
        probed(self._balancer, server_id, failure)
        self._metrics.probed(server_id, failure)
        self._due.set()

    def _committed(self, events: Sequence[BalancerEvent]) -> None:
        # What is due next may depend on what was just journalled.
        self._due.set()
        self._probes.fleet_changed()
        for event in events:
            if isinstance(event, ServerHealthChanged) and event.health is Health.DOWN:
                self._probes.hasten(event.server_id)

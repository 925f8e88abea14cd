"""What a balancer does while it leads: answer, probe, and journal what happens to the servers."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from contracts.balancer import (
    BalancerEvent,
    Health,
    HeldConfiguration,
    ServerHealthChanged,
    StrategyFailed,
)
from contracts.base import Instant, ServerId, ServiceType
from runtime.eventlog import UNWRITABLE, LogUnavailableError
from runtime.process import lifecycle
from runtime.process.logs import Log
from runtime.settings import SettingsError
from services.balancer.custom.host import CustomStrategies
from services.balancer.domain import (
    HealthBounds,
    awaited_probes,
    configuration_events,
    configuration_hold,
    health_due,
    release_overdue,
    silence_events,
    switch_events,
    take_probe,
)
from services.balancer.handlers import BalancerDoors
from services.balancer.handover import Handover
from services.balancer.metrics import Metrics
from services.balancer.probes import Probes
from services.balancer.settings import BalancerSection, Settings
from services.balancer.store import BalancerJournal
from services.balancer.strategies import is_custom

_LOOK_EVERY_S = 2.0
_SWEEP_EVERY_S = 1.0
_RETIRING_LOOKS = 2
"""So many looks later servers of one's own come to those of the demo."""


class BalancerLeader:
    """One process's duties; `lead_term` runs them all until the leadership is lost."""

    def __init__(
        self,
        journal: BalancerJournal,
        doors: BalancerDoors,
        probes: Probes,
        handover: Handover,
        custom: CustomStrategies,
        metrics: Metrics,
        settings: Settings,
        logger: Log,
    ) -> None:
        """Nothing starts before `lead_term`."""
        self._settings = settings
        self._applied: Settings | None = None
        """What the fleet is known to follow, so that it need not be compared again."""
        self._journal = journal
        self._balancer = journal.balancer
        self._doors = doors
        self._handover = handover
        self._custom = custom
        self._metrics = metrics
        self._logger = logger
        self._open_up()
        self._due = journal.health_changed
        self._apply_bounds()
        self._probes = probes
        probes.go_through(settings.proxy)
        journal.on_commit(self._on_commit)

    @property
    def section(self) -> BalancerSection:
        """What an operator turned, as it is now."""
        return self._settings.balancer

    def unready_reason(self) -> str | None:
        """Say why this process is not ready; None while it follows a leader, or leads well."""
        leadership = self._journal.leadership
        if not leadership.is_reachable:
            return "NATS is not reachable"
        if self._journal.writer.unwritable_s:
            return UNWRITABLE
        if not leadership.leading:
            if leadership.unfitness and not leadership.hears_leader:
                return leadership.unfitness
            led = leadership.following and self._journal.writer.link.sequence
            return None if led else "nobody leads yet"
        members = self._balancer.fleet.members.values()
        return None if any(member.is_healthy for member in members) else "no healthy server"

    async def lead_term(self) -> None:
        """Answer, probe, and journal what happens to the servers. Raises `DeposedError`."""
        self._balancer.start_anew()
        self._applied = None
        self._custom.use_strategies(self._own_strategies())
        try:
            # Before the doors: the end of whatever is selected here comes later in the log.
            end = await self._journal.log_end()
            after = await self._handover.take_over(self._balancer, end, self._journal.log_now())
            await self._apply_configuration()
            await self._doors.open_doors()
            self._metrics.leading = True
            self._due.set()
            await lifecycle.until_stopped(
                asyncio.Event(),
                self._journal.follow_pool(after),
                self._journal.keep_proving(),
                self._run_upkeep(),
                self._handover.keep_handing_on(self._balancer, self._journal),
                self._doors.run_administration(),
                self._doors.run_measurings(),
                self._probes.run(lambda: self.section, self._on_probe),
            )
        finally:
            self._metrics.leading = False
            await self._doors.close()
            await self._custom.close()

    async def _apply_configuration(self) -> None:
        """Let nobody be sent to a server that the configuration has no more, or elsewhere.

        Where nothing can be journalled, the servers of the log go on.
        """
        try:
            while self._settings is not self._applied:
                await self._journal.commit(self._decide_due)
                if self._balancer.held_configuration is not None:
                    return
        except LogUnavailableError as error:
            self._logger.warning("not_journalled", error=str(error))

    async def watch_settings(self, load: Callable[[], Settings]) -> None:
        """Read the configuration again as it changes; a wrong one changes nothing."""
        complaint: str | None = None
        looks = 0
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                settings = load()
            except SettingsError as error:
                if str(error) != complaint:
                    complaint = str(error)
                    self._logger.warning("configuration_refused", error=complaint)
                continue
            complaint = None
            looks += 1
            if settings == self._settings:
                looks = 0
            elif not (self._settings.made_up and not settings.made_up and looks <= _RETIRING_LOOKS):
                # The pool, which looks as often, has retired the sessions that were made up.
                self._settings = settings
                self._apply_bounds()
                self._open_up()
                self._probes.go_through(settings.proxy)
                self._due.set()
                for server_id in self._balancer.fleet.members:
                    self._probes.hasten_probe(server_id)

    def _apply_bounds(self) -> None:
        """Let health be judged by the settings in force."""
        section = self._settings.balancer
        self._balancer.judge_by(
            HealthBounds(
                probe_failures=section.probe_failures,
                consecutive_failures=section.consecutive_failures,
                max_ejected=section.max_ejected,
                ejection_base_s=float(section.ejection_base),
                ejection_cap_s=float(section.ejection_cap),
                slow_start_s=float(section.slow_start),
                eject_slower=section.eject_slower,
            )
        )

    def _open_up(self) -> None:
        """Let servers of one's own in, but where sessions are made up for the demo's.

        And know which service types there are.
        """
        urls = frozenset(section.url for section in self._settings.servers)
        self._balancer.open_to = urls if self._settings.made_up else None
        self._balancer.service_types = frozenset(self._settings.services)

    async def _run_upkeep(self) -> None:
        """Journal what is due as soon as it is, and release exchanges past their deadline."""
        clock = asyncio.get_running_loop().time
        sweep_at = 0.0
        while True:
            self._due.clear()
            await self._journal_due()
            if clock() >= sweep_at:
                sweep_at = clock() + _SWEEP_EVERY_S
                await self._sweep()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(sweep_at):
                    await self._due.wait()

    async def _journal_due(self) -> None:
        """Journal what is due; what cannot be is due again at the next look."""
        accused = [*self._balancer.accused]
        try:
            # Without events only to prove that the log takes writes (ADR 26).
            await self._journal.commit(self._decide_due, confirm=self._journal.writer.write_due)
        except LogUnavailableError as error:
            self._logger.warning("not_journalled", error=str(error))
            return
        for server_id in accused:
            if server_id in self._balancer.accused:
                del self._balancer.accused[server_id]
                why = "out already, or the last"
                self._logger.warning("not_ejected", servers=[server_id], reason=why)

    async def _sweep(self) -> None:
        """Look at what time alone changes: deadlines, silence, ejections that are over."""
        now = self._journal.log_now()
        late = release_overdue(self._balancer, now)
        if late:
            self._logger.warning("released_at_deadline", leases=len(late))
        for server_id in awaited_probes(self._balancer, now):
            self._probes.hasten_probe(server_id)
        if not silence_events(self._balancer, now):
            return
        try:
            await self._journal.commit(lambda now: silence_events(self._balancer, now))
        except LogUnavailableError as error:
            self._logger.warning("not_journalled", error=str(error))

    def _decide_due(self, now: Instant) -> Sequence[BalancerEvent]:
        """Decide what the file changes; and when that is in force, what else has changed."""
        settings = self._settings
        if settings is not self._applied:
            fleet, configured = self._balancer.fleet, settings.as_configured()
            self._hold_configuration(configuration_hold(fleet, configured))
            if self._balancer.held_configuration is None:
                changes = configuration_events(fleet, configured)
                if changes:
                    return changes
                # Only when it is in the log: an append that came to nothing is decided again.
                self._applied = settings
        balancer = self._balancer
        switched = switch_events(
            balancer.rule_watch,
            balancer.fleet,
            balancer.member_standings(),
            map(ServiceType, settings.services),
            now,
        )
        return [
            *health_due(balancer, now),
            *switched,
            *self._custom.failures_due(balancer.strategies_failed, now),
        ]

    def _hold_configuration(self, wanted: HeldConfiguration | None) -> None:
        """Let a configuration wait, and say once which and why."""
        if wanted is not None and wanted != self._balancer.held_configuration:
            self._logger.warning(
                "configuration_held",
                reason=wanted.reason,
                removes=wanted.removes,
                accept=f"tidegate config accept {wanted.digest}",
            )
        self._balancer.held_configuration = wanted

    def _on_probe(self, server_id: ServerId, failure: str | None) -> None:
        take_probe(self._balancer, server_id, failure, self._journal.log_now())
        self._metrics.count_probe(server_id, failure)
        self._due.set()

    def _own_strategies(self) -> set[str]:
        """Those of an operator's own that are in force while this process leads."""
        return {name for name in self._balancer.fleet.strategies_in_force() if is_custom(name)}

    def _on_commit(self, events: Sequence[BalancerEvent]) -> None:
        # What is due next may depend on what was just journalled.
        self._due.set()
        self._probes.fleet_changed()
        self._custom.use_strategies(self._own_strategies())
        for event in events:
            if isinstance(event, StrategyFailed):
                self._custom.forget_failures(event.strategy, event.failures)
            if isinstance(event, ServerHealthChanged) and event.health is Health.DOWN:
                self._probes.hasten_probe(event.server_id)

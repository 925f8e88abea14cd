"""What a process does while it leads its shard: policy, doors, the writer's loop."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from contracts.base import Failed
from runtime.eventlog import EventLog, LogUnavailableError
from runtime.eventlog.writer import SubjectWriter
from runtime.process import lifecycle
from runtime.process.logs import Log
from runtime.settings import SettingsError
from services.pool import generated
from services.pool import settings as configuration
from services.pool.bucket import CredentialsUnavailableError
from services.pool.checking import AccountChecks
from services.pool.commits.batches import POLICY, CommandBatch
from services.pool.commits.committer import Committer
from services.pool.handlers import PoolDoors
from services.pool.keeping import SessionKeeper
from services.pool.keys.rotator import KeyRotator
from services.pool.settings import Settings
from services.pool.store import CredentialStore, PoolLedger

_SETTINGS_EVERY_S, _STATE_EVERY_S = 2.0, 2.0
_PAUSE_S, _FINISH_S, _FULL = 0.5, 5.0, 0.9
_SHRED_EVERY_S = 1.0
_NO_POLICY = "no policy is in force yet"


class PoolLeader:
    """One term after the other of leading a shard."""

    def __init__(
        self,
        load: Callable[[], Settings],
        keeper: SessionKeeper,
        log: EventLog,
        writer: SubjectWriter,
        ledger: PoolLedger,
        credentials: CredentialStore,
        committer: Committer,
        doors: PoolDoors,
        *,
        rotator: KeyRotator,
        checks: AccountChecks,
        logger: Log,
    ) -> None:
        """Read the settings. Raises `SettingsError`."""
        self._load = load
        self._settings = keeper.settings = load()
        self._keeper = keeper
        self._checks = checks
        self._log, self._writer = log, writer
        self._ledger = ledger
        self._credentials = credentials
        self._committer = committer
        self._doors = doors
        self._rotator = rotator
        self._logger = logger
        self._hold_logged = False
        self._stop, self._ended = asyncio.Event(), asyncio.Event()
        self._ended.set()
        self._applied: tuple[str, str] | None = None
        self._refused = ""
        keeper.begin_term(_NO_POLICY)

    @property
    def missing(self) -> str:
        """What this leader still lacks; empty when it is ready."""
        return self._keeper.missing

    async def lead_term(self) -> None:
        """Lead until deposed or told to finish. Raises `DeposedError`."""
        self._keeper.begin_term(_NO_POLICY)
        self._applied = None
        self._ended.clear()
        self._committer.begin_term()
        done = asyncio.Event()
        try:
            await self._prepare_credentials()
            if self._stop.is_set():
                return
            await lifecycle.until_stopped(
                done,
                self._run_committer(done),
                self._run_term(),
                self._watch_log(),
                self._watch_fleet(),
                self._rotator.run(),
                self._shred_removed(),
                self._end_in_order(done),
            )
        finally:
            await self._doors.close()
            self._committer.end_waits()
            self._ended.set()

    async def finish_term(self) -> None:
        """Shut the doors, answer what is queued, and end the term."""
        self._stop.set()
        await self._ended.wait()

    async def _run_committer(self, done: asyncio.Event) -> None:
        await self._committer.run()
        done.set()

    async def _end_in_order(self, done: asyncio.Event) -> None:
        """Once told to finish, let the writer's loop come to its end."""
        await self._stop.wait()
        await self._doors.drain_doors()
        self._committer.finish_term()
        await asyncio.sleep(_FINISH_S)
        self._logger.warning("unanswered_at_the_end", commands=self._committer.unanswered_count)
        done.set()

    async def _prepare_credentials(self) -> None:
        """Learn what ciphertexts there are, or be told to finish while they cannot be read."""
        ready = asyncio.Event()

        async def wait_for_stop() -> None:
            await self._stop.wait()
            ready.set()

        await lifecycle.until_stopped(ready, self._learn_credentials(ready), wait_for_stop())

    async def _learn_credentials(self, ready: asyncio.Event) -> None:
        while not ready.is_set():
            try:
                await self._credentials.catch_up()
                self._credentials.find_unheld(self._ledger.state)
                ready.set()
            except CredentialsUnavailableError as error:
                self._logger.warning("credentials_unavailable", reason=str(error))
                await asyncio.sleep(_PAUSE_S)

    async def _shred_removed(self) -> None:
        """Take out, for ever, the ciphertexts of sessions that were removed."""
        while True:
            await asyncio.sleep(_SHRED_EVERY_S)
            try:
                count = await self._credentials.shred_removed(self._ledger.state)
            except CredentialsUnavailableError as error:
                self._logger.warning("credentials_unavailable", reason=str(error))
                await asyncio.sleep(_SETTINGS_EVERY_S)
            else:
                if count:
                    self._logger.info("credentials_shredded", count=count)

    async def _run_term(self) -> None:
        """Put the policy in force, open the doors, and look after both policy and sessions."""
        await self._apply_policy()
        while self._applied is None and self._ledger.state.policy_source is None:
            await asyncio.sleep(_PAUSE_S)
            await self._apply_policy()
        self._keeper.note_supply()
        await self._doors.open_doors()
        # A hook may take its time; settings are followed meanwhile.
        never = asyncio.Event()
        await lifecycle.until_stopped(
            never,
            self._follow_settings(),
            self._keeper.keep_sessions(),
            self._keeper.sweep_sessions(),
            self._checks.check_sessions(),
        )

    async def _follow_settings(self) -> None:
        while True:
            await asyncio.sleep(_SETTINGS_EVERY_S)
            self._reload_settings()
            await self._apply_policy()

    def _reload_settings(self) -> None:
        try:
            self._settings = self._keeper.settings = self._load()
        except SettingsError as error:
            if str(error) != self._refused:
                self._logger.error("settings_refused", reason=str(error))  # noqa: TRY400
            self._refused = str(error)
        else:
            self._refused = ""

    async def _apply_policy(self) -> None:
        """Journal the policy of the settings, unless it comes from the same content as before."""
        source = configuration.source_digest(self._settings)
        if (source, self._settings.file) == self._applied:
            self._note_restored(source)
            return
        if self._is_held():
            return
        # A new leader's policy is mostly that of the one before it: nothing to journal, and
        # nothing to wait for while the doors are shut.
        if source != self._ledger.state.policy_source:
            item = (configuration.policy_of(self._settings), source, "configuration")
            answer = await self._committer.submit_own(CommandBatch(POLICY, [item]))
            if isinstance(answer, Failed):
                self._note_refused(answer.message)
                return
        self._ledger.policy_trouble = ""
        self._keeper.apply_settings()
        self._applied = (source, self._settings.file)
        self._logger.info("policy_in_force", source=source)

    def _note_refused(self, reason: str) -> None:
        """Tell once why the policy is not applied; it is tried again at every look."""
        if reason != self._ledger.policy_trouble:
            self._logger.warning("policy_not_applied", reason=reason)
        self._ledger.policy_trouble = reason

    def _note_restored(self, source: str) -> None:
        """Tell that the settings are those in force again, where others were refused between."""
        if self._ledger.policy_trouble:
            self._logger.info("policy_in_force", source=source)
        self._ledger.policy_trouble = ""

    def _is_held(self) -> bool:
        """Tell whether the policy of settings that name no server waits, as the balancer's does."""
        settings, has_policy = self._settings, self._ledger.state.policy_source is not None
        on_hold = has_policy and self._keeper.fleet.holds_back(
            demo=settings.demo, serverless=settings.serverless
        )
        if on_hold and self._keeper.fleet.has_own and not self._hold_logged:
            self._logger.warning("policy_held", reason="no configuration names the servers")
        self._hold_logged = on_hold and self._keeper.fleet.has_own
        return on_hold

    async def _watch_log(self) -> None:
        """Keep the last tenth of the log for ends of leases, and tell when it takes no writes."""
        warned = False
        while True:
            unwritable_s = self._writer.unwritable_s
            if warned != bool(unwritable_s):
                warned = not warned
                word = "log_takes_no_writes" if warned else "log_takes_writes_again"
                self._logger.warning(word, seconds=unwritable_s)
            with suppress(LogUnavailableError):
                state = await self._log.stream_state()
                full = 0 < state.bytes_max * _FULL < state.bytes
                if full != self._committer.full:
                    self._logger.warning("log_nearly_full", full=full, bytes=state.bytes)
                self._committer.full = full
            await asyncio.sleep(_STATE_EVERY_S)

    async def _watch_fleet(self) -> None:
        """Know from the balancer's log whose servers there are, where that decides anything."""
        while True:
            if self._settings.demo or self._settings.serverless:
                with suppress(LogUnavailableError):
                    async for fleet in generated.follow_fleet(self._log):
                        self._keeper.fleet = fleet
            await asyncio.sleep(_PAUSE_S)

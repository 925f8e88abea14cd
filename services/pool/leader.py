"""What a process does while it leads its shard: policy, doors, the writer's loop, sessions."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from contracts.base import Failed
from contracts.pool import AddSessions, SessionStatus
from runtime.credentials import Credential
from runtime.eventlog import EventLog, LogUnavailableError
from runtime.eventlog.writer import SubjectWriter
from runtime.process import lifecycle
from runtime.process.logs import Log
from runtime.settings import SettingsError
from services.pool import generated
from services.pool import settings as configuration
from services.pool.batches import ADMIN, POLICY, CommandBatch, admin_kind
from services.pool.bucket import CredentialsUnavailableError
from services.pool.committer import Committer
from services.pool.domain import wanted_sessions
from services.pool.handlers import SESSIONS_MAX, PoolDoors
from services.pool.keys.rotator import KeyRotator
from services.pool.provisioners import (
    Provisioner,
    ProvisionError,
    account_lookup,
    make_provisioner,
    session_addition,
    texts_of_sessions,
)
from services.pool.settings import Settings
from services.pool.store import CredentialStore, PoolLedger

_SETTINGS_EVERY_S, _STATE_EVERY_S = 2.0, 2.0
_PAUSE_S, _FINISH_S, _FULL = 0.5, 5.0, 0.9


class PoolLeader:
    """One term after the other of leading a shard."""

    def __init__(
        self,
        load: Callable[[], Settings],
        identity_key: str,
        log: EventLog,
        writer: SubjectWriter,
        ledger: PoolLedger,
        credentials: CredentialStore,
        committer: Committer,
        doors: PoolDoors,
        *,
        rotator: KeyRotator,
        logger: Log,
    ) -> None:
        """Read the settings. Raises `SettingsError`."""
        self._load = load
        self._settings = load()
        self._identity_key = identity_key
        self._log, self._writer = log, writer
        self._ledger = ledger
        self._credentials = credentials
        self._committer = committer
        self._doors = doors
        self._rotator = rotator
        self._logger = logger
        self._provisioner = Provisioner()
        self._fleet = generated.FleetOrigin()
        self._hold_logged = False
        self._stop, self._ended = asyncio.Event(), asyncio.Event()
        self._ended.set()
        self._applied: tuple[str, str] | None = None
        self._supplanted = False
        """Another kind was written, and it is not looked yet for sessions that were generated."""
        self._refused = self._complaint = ""
        self.missing = "no policy is in force yet"
        """What this leader still lacks; empty when it is ready."""

    async def lead_term(self) -> None:
        """Lead until deposed or told to finish. Raises `DeposedError`."""
        self.missing = "no policy is in force yet"
        self._applied, self._fleet = None, generated.FleetOrigin()
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
                self._end_in_order(done),
            )
        finally:
            await self._doors.close()
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
                ready.set()
            except CredentialsUnavailableError as error:
                self._logger.warning("credentials_unavailable", reason=str(error))
                await asyncio.sleep(_PAUSE_S)

    async def _run_term(self) -> None:
        """Put the policy in force, open the doors, and look after both policy and sessions."""
        await self._apply_policy()
        while self._applied is None and self._ledger.state.policy_source is None:
            await asyncio.sleep(_PAUSE_S)
            await self._apply_policy()
        # Whoever asks before the first sessions are there is told so, not that all is used up.
        state = self._ledger.state
        state.note_supply(growing=wanted_sessions(state) > 0, empty=False)
        await self._doors.open_doors()
        # A hook may take its time; settings are followed meanwhile.
        never = asyncio.Event()
        await lifecycle.until_stopped(never, self._follow_settings(), self._keep_sessions())

    async def _follow_settings(self) -> None:
        while True:
            await asyncio.sleep(_SETTINGS_EVERY_S)
            self._reload_settings()
            await self._apply_policy()

    async def _keep_sessions(self) -> None:
        while True:
            await self._provision_sessions()
            await asyncio.sleep(_PAUSE_S)

    def _reload_settings(self) -> None:
        try:
            self._settings = self._load()
        except SettingsError as error:
            if str(error) != self._refused:
                self._logger.error("settings_refused", reason=str(error))  # noqa: TRY400
            self._refused = str(error)
        else:
            self._refused = ""

    async def _apply_policy(self) -> None:
        """Journal the policy of the settings, unless it comes from the same content as before."""
        source = configuration.source_digest(self._settings)
        if (source, self._settings.file) == self._applied or self._is_held():
            return
        # A new leader's policy is mostly that of the one before it: nothing to journal, and
        # nothing to wait for while the doors are shut.
        if source != self._ledger.state.policy_source:
            item = (configuration.policy_of(self._settings), source, "configuration")
            answer = await self._committer.submit_own(CommandBatch(POLICY, [item]))
            if isinstance(answer, Failed):
                self._logger.warning("policy_not_applied", reason=answer.message)
                return
        settings, section = self._settings, self._settings.pool.provisioner
        kind, services = settings.provisioner_kind, settings.services
        self._provisioner = make_provisioner(section, kind, services, settings.file)
        self._supplanted = section.kind not in {None, generated.GENERATED}
        self._applied = (source, settings.file)
        self._logger.info("policy_in_force", source=source)

    def _is_held(self) -> bool:
        """Tell whether the policy of settings that name no server waits, as the balancer's does."""
        settings, has_policy = self._settings, self._ledger.state.policy_source is not None
        on_hold = has_policy and self._fleet.holds_back(
            demo=settings.demo, serverless=settings.serverless
        )
        if on_hold and self._fleet.has_own and not self._hold_logged:
            self._logger.warning("policy_held", reason="no configuration names the servers")
        self._hold_logged = on_hold and self._fleet.has_own
        return on_hold

    async def _provision_sessions(self) -> None:
        """Add sessions until the provisioner has no more that the pool wants."""
        if self._demo_is_to_come():
            return
        try:
            if self._supplanted:
                await self._retire_generated()
            while lacking := await self._fetch_lacking():
                await self._add_sessions(lacking)
        except (ProvisionError, CredentialsUnavailableError) as error:
            self._log_complaint(str(error), "no_sessions_made")
            self.missing = "" if self._ledger.state.standing[SessionStatus.ACTIVE] else str(error)
        self._ledger.state.note_supply(growing=False)

    def _demo_is_to_come(self) -> bool:
        """Tell whether sessions are made up once the log says that the servers are the demo's."""
        by_default = self._settings.pool.provisioner.kind is None and self._settings.demo
        if not by_default or (self._fleet.is_demo and not self._fleet.has_own):
            return False
        self.missing = "" if self._fleet.has_own else "the demo's servers are not in force yet"
        return True

    async def _retire_generated(self) -> None:
        """Retire what was made up: somebody wrote down that sessions come from elsewhere."""
        if made_up := generated.sessions_generated(self._ledger.state):
            reason = f"sessions come from {self._settings.provisioner_kind!r} now"
            commands = generated.retirement_commands(made_up, reason)
            answer = await self._committer.submit_own(CommandBatch(ADMIN, commands))
            if isinstance(answer, Failed):
                raise ProvisionError(f"generated sessions were not retired: {answer.message}")
            self._logger.info("generated_sessions_retired", count=len(made_up))
        self._supplanted = False

    async def _fetch_lacking(self) -> list[Credential]:
        """Ask the provisioner for a batch that the pool lacks, and renew what it has anew."""
        state, key = self._ledger.state, self._identity_key
        room = min(max(state.policy.max_size - state.size, 0), SESSIONS_MAX)
        wanted = wanted_sessions(state)
        state.note_supply(growing=state.growing or wanted > 0)
        is_known = account_lookup(state.sessions, key)
        lacking = await self._provisioner.lacking_credentials(wanted, is_known, room)
        self._log_complaint(self._provisioner.complaint)
        texts = texts_of_sessions(self._provisioner.take_standing(), state.sessions, key)
        if renewed := await self._credentials.renew_credentials(texts):
            self._logger.info("credentials_renewed", count=renewed)
        state.note_supply(empty=not lacking and state.size < max(state.policy.min_size, 1))
        self.missing = self.missing if lacking else ""
        return lacking

    async def _add_sessions(self, lacking: list[Credential]) -> None:
        """Add one batch. Raises `ProvisionError`."""
        state, key, kind = self._ledger.state, self._identity_key, self._settings.provisioner_kind
        state.note_supply(growing=True)
        if self.missing:  # one that is ready stays so while its pool grows
            self.missing = f"sessions are being made: {state.size} of {state.policy.min_size}"
        named = [(new.session_identity(key), new) for new in lacking]
        # The ciphertext first: a session of the log always has a credential.
        sealed = self._credentials.seal_credentials((name, new.credential) for name, new in named)
        await self._credentials.put_ciphertexts(sealed)
        command = AddSessions(items=[session_addition(*pair) for pair in named], by="provisioner")
        answer = await self._committer.submit_own(CommandBatch(admin_kind(kind), [command]))
        if isinstance(answer, Failed):
            raise ProvisionError(f"sessions were not added: {answer.message}")
        self._logger.info("sessions_added", count=len(named), origin=kind)

    def _log_complaint(self, complaint: str, event: str = "credentials_refused") -> None:
        """Say once which credentials are of no use, or why there are none to be had."""
        if complaint and complaint != self._complaint:
            self._logger.error(event, reason=complaint)
        self._complaint = complaint

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
                        self._fleet = fleet
            await asyncio.sleep(_PAUSE_S)

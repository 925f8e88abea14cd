"""What a leader does to keep its pool filled, and no larger than it is used.

It asks the provisioner and adds what it names; every ten seconds it looks for sessions that were
not used for long, and for those that retired long ago.

How many are wanted, and whether growth is held, the domain decides (`decide/keeping/growth.py`);
here is what asks, seals, and has it journalled. A provisioner that has none is left alone for a
while: a hook by itself, for up to a minute (`provisioners/hook.py`).
"""

import asyncio
from datetime import datetime, timedelta

from contracts.base import Failed, SessionId
from contracts.pool import AddSessions, Done, SessionStatus
from runtime.credentials import Credential
from runtime.process.logs import Log
from services.pool import domain, generated
from services.pool.bucket import CredentialsUnavailableError
from services.pool.commits.batches import (
    ADMIN,
    FORGET,
    GROWTH,
    RETIRE_STALE,
    CommandBatch,
    admin_kind,
)
from services.pool.commits.committer import Committer
from services.pool.domain import Growth, free_places, growth_of
from services.pool.domain.upkeep import PROVISIONER, REMADE
from services.pool.handlers import SESSIONS_MAX
from services.pool.provisioners import (
    Provisioner,
    ProvisionError,
    account_lookup,
    make_provisioner,
    session_addition,
    session_of_account,
    texts_of_sessions,
)
from services.pool.settings import Settings
from services.pool.store import CredentialStore, PoolLedger

_TOLD = 5
_PAUSE_S = 0.5
_SWEEP_EVERY_S = 10.0
_HOPED_FOR = timedelta(minutes=2)
"""For so long whoever fails to make sessions counts as about to: it is asked again meanwhile."""
_LOOKED_AT_ONCE = 1000
"""Sessions that a sweep looks at before it lets others have their turn."""


class SessionKeeper:
    """Adds sessions to the pool of one leader, one term after the other."""

    def __init__(
        self,
        identity_key: str,
        ledger: PoolLedger,
        credentials: CredentialStore,
        committer: Committer,
        *,
        logger: Log,
    ) -> None:
        """Nothing is asked before `keep_sessions`."""
        self.settings = Settings()
        """Those that were read last."""
        self.fleet = generated.FleetOrigin()
        """Whose servers there are, as far as the log was read for it."""
        self.missing = ""
        """What the pool still lacks to be ready; empty when it is."""
        self._identity_key = identity_key
        self._ledger = ledger
        self._credentials = credentials
        self._committer = committer
        self._logger = logger
        self._provisioner = Provisioner()
        self._supplanted = False
        """Another kind was written, and it is not looked yet for sessions that were generated."""
        self._complaint = ""
        self._failing_since: datetime | None = None
        """When asking for sessions failed first, if it still does."""

    def begin_term(self, missing: str) -> None:
        """Start a term that lacks what is `missing`."""
        self.missing = missing
        self.fleet = generated.FleetOrigin()

    def apply_settings(self) -> None:
        """Ask whom the settings name: their policy is in force."""
        settings = self.settings
        section, kind = settings.pool.provisioner, settings.provisioner_kind
        self._provisioner = make_provisioner(section, kind, settings.services, settings.file)
        self._supplanted = section.kind not in {None, generated.GENERATED}
        self._ledger.state.note_supply(empty=not self._provisioner.has_source)

    def note_supply(self) -> None:
        """Have whoever asks before the first sessions are there told so, not that all is used."""
        growth = growth_of(self._ledger.state, self._committer.log_now())
        self._ledger.state.note_supply(growing=self._may_ask(growth) and growth.wanted > 0)

    async def keep_sessions(self) -> None:
        """Look for ever whether sessions are lacking, and add what there is of them."""
        while True:
            await self._provision_sessions()
            await asyncio.sleep(_PAUSE_S)

    async def sweep_sessions(self) -> None:
        """Retire, for ever, what is stale and can be made again; forget what retired long ago."""
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            await self._sweep_once()

    async def _sweep_once(self) -> None:
        """Look at every session, some at a time; retire and forget a hundred at the most."""
        state, kind = self._ledger.state, self.settings.provisioner_kind
        names, now = [*state.sessions], self._committer.log_now()
        stale: list[SessionId] = []
        retired: list[SessionId] = []
        for start in range(0, len(names), _LOOKED_AT_ONCE):
            some = names[start : start + _LOOKED_AT_ONCE]
            stale += domain.stale_sessions(state, some, kind, now)
            retired += domain.long_retired(state, some, now)
            await asyncio.sleep(0)
        before = state.size
        if stale:
            items = [(name, kind) for name in stale[: domain.SWEPT_MAX]]
            await self._committer.submit_own(CommandBatch(RETIRE_STALE, items))
        if retired:
            await self._committer.submit_own(CommandBatch(FORGET, [retired[: domain.SWEPT_MAX]]))
        if (count := before - state.size) > 0:
            self._logger.info("stale_sessions_retired", count=count)

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
            self._note_failure(error)
            return
        self._failing_since, self._ledger.supply_trouble = None, ""
        self._ledger.state.note_supply(growing=False)

    def _note_failure(self, error: Exception) -> None:
        """Say why there are none. One that failed just now may be back before anybody gives up."""
        state, now = self._ledger.state, self._committer.log_now()
        self._log_complaint(str(error), "no_sessions_made")
        self._ledger.supply_trouble = str(error)
        self._failing_since = self._failing_since or now
        growth = growth_of(state, now)
        hoped = self._may_ask(growth) and growth.wanted > 0
        hoped = hoped and now - self._failing_since < _HOPED_FOR
        # A pool that has none yet waits for it; one that is used up has nothing to wait for.
        state.note_supply(empty=state.size > 0 and not hoped, growing=hoped)
        self.missing = "" if state.standing[SessionStatus.ACTIVE] else str(error)

    def _demo_is_to_come(self) -> bool:
        """Tell whether sessions are made up once the log says that the servers are the demo's."""
        by_default = self.settings.pool.provisioner.kind is None and self.settings.demo
        if not by_default or (self.fleet.is_demo and not self.fleet.has_own):
            return False
        self.missing = "" if self.fleet.has_own else "the demo's servers are not in force yet"
        return True

    async def _retire_generated(self) -> None:
        """Retire what was made up: somebody wrote down that sessions come from elsewhere."""
        if made_up := generated.sessions_generated(self._ledger.state):
            reason = f"sessions come from {self.settings.provisioner_kind!r} now"
            commands = generated.retirement_commands(made_up, reason)
            answer = await self._committer.submit_own(CommandBatch(ADMIN, commands))
            if isinstance(answer, Failed):
                raise ProvisionError(f"generated sessions were not retired: {answer.message}")
            self._logger.info("generated_sessions_retired", count=len(made_up))
        self._supplanted = False

    @property
    def _buys(self) -> bool:
        """Whether what the provisioner makes may cost something."""
        return self.settings.provisioner_kind in REMADE

    def _may_ask(self, growth: Growth) -> bool:
        return growth.hold is None or not self._buys

    async def _fetch_lacking(self) -> list[Credential]:
        """Ask the provisioner for a batch that the pool lacks, and renew what it has anew."""
        state, key = self._ledger.state, self._identity_key
        growth = growth_of(state, self._committer.log_now())
        await self._tell_hold(growth)
        wanted = growth.wanted if self._may_ask(growth) else 0
        room = min(free_places(state), SESSIONS_MAX)
        state.note_supply(growing=state.growing or wanted > 0)
        is_known = account_lookup(self._is_kept_out, key)
        lacking = await self._provisioner.lacking_credentials(wanted, is_known, room)
        self._ledger.credentials_trouble = self._provisioner.complaint
        self._log_complaint(self._provisioner.complaint)
        texts = texts_of_sessions(self._provisioner.take_standing(), state.sessions, key)
        if renewed := await self._credentials.renew_credentials(texts):
            self._logger.info("credentials_renewed", count=renewed)
        has_none = not lacking and (wanted > 0 or self._never_grows())
        state.note_supply(empty=has_none or not self._provisioner.has_source)
        self.missing = self.missing if lacking else ""
        return lacking

    def _is_kept_out(self, session_id: SessionId) -> bool:
        """Whether there is such a session, which a provisioner may not bring back."""
        session = self._ledger.state.sessions.get(session_id)
        return session is not None and not session.retired_by_pool

    def _never_grows(self) -> bool:
        """Whether no call makes this pool ask for a first session."""
        policy = self._ledger.state.policy
        return not policy.min_size and policy.refresh_threshold <= 0

    async def _tell_hold(self, growth: Growth) -> None:
        """Have it journalled that growth is held, or that it is not any more."""
        before = self._ledger.state.upkeep.held
        hold = growth.hold if self._buys else None
        if (hold and hold.reason) == (before and before.reason):
            return
        answer = await self._committer.submit_own(CommandBatch(GROWTH, [not self._buys]))
        if isinstance(answer, Failed):
            raise ProvisionError(f"that growth is held was not journalled: {answer.message}")
        if hold is not None:
            self._logger.warning("growth_held", reason=hold.reason, wanted=hold.wanted)
        else:
            self._logger.info("growth_resumed")

    async def _add_sessions(self, lacking: list[Credential]) -> None:
        """Add one batch. Raises `ProvisionError`."""
        state, key, kind = self._ledger.state, self._identity_key, self.settings.provisioner_kind
        state.note_supply(growing=True)
        if self.missing:  # one that is ready stays so while its pool grows
            self.missing = f"sessions are being made: {state.places} of {state.policy.min_size}"
        named = [session_of_account(new, state.sessions, key) for new in lacking]
        # The ciphertext first: a session of the log always has a credential.
        sealed = self._credentials.seal_credentials((name, new.credential) for name, new in named)
        await self._credentials.put_additions(sealed, state)
        command = AddSessions(items=[session_addition(*pair) for pair in named], by=PROVISIONER)
        answer = await self._committer.submit_own(CommandBatch(admin_kind(kind), [command]))
        if isinstance(answer, Failed):
            raise ProvisionError(f"sessions were not added: {answer.message}")
        assert isinstance(answer, Done)
        count = len(named) - len(answer.refused)
        if answer.refused:
            told = "; ".join(f"{name}: {why}" for name, why in [*answer.refused.items()][:_TOLD])
            reason = f"{len(answer.refused)} were refused: {told}"
            if not count:
                # Asked again at once, it would name the same ones for ever.
                raise ProvisionError(reason)
            self._log_complaint(reason)
        self._logger.info("sessions_added", count=count, origin=kind)

    def _log_complaint(self, complaint: str, event: str = "credentials_refused") -> None:
        """Say once which credentials are of no use, or why there are none to be had."""
        if complaint and complaint != self._complaint:
            self._logger.error(event, reason=complaint)
        self._complaint = complaint

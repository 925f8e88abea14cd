"""A leader's checks: at uneven times it has a gateway ask after one account that is due.

What a backend says is journalled as the gateway told it, and decided like any command
(`domain/decide/keeping/checks.py`). Where no gateway is there, or none has a server to ask,
nothing is recorded, and the log line `check_not_made` says why, once.
"""

import asyncio
import random

import msgspec

from contracts import subjects
from contracts.base import Failed
from contracts.pool import CheckRecorded, CheckSession, RecordCheck, SessionChecked
from runtime.nats.bus import Bus
from runtime.nats.connection import UnansweredError, ask_command
from runtime.process.logs import Log
from services.pool.commits.batches import ADMIN, CommandBatch
from services.pool.commits.committer import Committer
from services.pool.domain import session_to_check
from services.pool.domain.records import Session
from services.pool.store import PoolLedger

_LOOK_EVERY_S = 2.0
"""How soon a changed policy is heeded where nothing is checked."""
_LOOKED_AT = 500
"""Sessions among which the next one is sought: as many as cost next to nothing."""
_TIMEOUT_S = 40.0
"""The gateway gives its server half a minute."""
_decoder = msgspec.json.Decoder(SessionChecked | Failed)


class AccountChecks:
    """Has accounts asked after while its process leads."""

    def __init__(
        self,
        client: Bus,
        ledger: PoolLedger,
        committer: Committer,
        chance: random.Random,
        *,
        logger: Log,
    ) -> None:
        """Ask nobody yet."""
        self._client = client
        self._ledger = ledger
        self._committer = committer
        self._chance = chance
        self._logger = logger
        self._trouble = ""

    async def check_sessions(self) -> None:
        """Check for ever, as often as the policy in force says."""
        while True:
            per_minute = self._ledger.state.policy.checks_per_minute
            if per_minute <= 0:
                await asyncio.sleep(_LOOK_EVERY_S)
                continue
            # From half to one and a half times the pause: a beat would be known by its evenness.
            await asyncio.sleep(60.0 / per_minute * (0.5 + self._chance.random()))
            # The policy may be another by now.
            if self._ledger.state.policy.checks_per_minute > 0:
                await self._check_next()

    async def _check_next(self) -> None:
        """Check the one of some that was heard of longest ago, if it is due."""
        sessions = self._ledger.state.sessions
        names = [*sessions]
        some = self._chance.sample(names, min(len(names), _LOOKED_AT))
        session = session_to_check(
            self._ledger.state, map(sessions.__getitem__, some), self._committer.log_now()
        )
        if session is not None:
            await self._check_session(session)

    async def _check_session(self, session: Session) -> None:
        command = CheckSession(session_id=session.session_id, region=session.region)
        try:
            reply = await ask_command(
                self._client, subjects.GATEWAY_CHECK, command, _decoder, _TIMEOUT_S
            )
        except UnansweredError as error:
            self._log_trouble(f"no gateway answers ({type(error).__name__})")
            return
        self._log_trouble(reply.message if isinstance(reply, Failed) else "")
        if isinstance(reply, SessionChecked):
            await self._record_check(reply.recorded)

    async def _record_check(self, recorded: CheckRecorded) -> None:
        batch = CommandBatch(ADMIN, [RecordCheck(recorded=recorded)])
        answer = await self._committer.submit_own(batch)
        if isinstance(answer, Failed):
            self._log_trouble(answer.message)

    def _log_trouble(self, trouble: str) -> None:
        """Say once why no check is made."""
        if trouble and trouble != self._trouble:
            self._logger.warning("check_not_made", reason=trouble)
        self._trouble = trouble

"""A lease asked for by one call, and waited for, as a gateway's journey does it."""

import asyncio
import time
from typing import Any

from contracts.base import LeaseId, lease_id
from contracts.pool import Granted, LeaseWanted, Refusal, Refused, SessionRequested, Waiting
from runtime.clock import system_clock
from runtime.nats.connection import DisconnectedError, UnansweredError
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.coalescer import RefusedBatchError
from services.gateway.relay.course.facts import CallFacts
from services.gateway.relay.course.happenings import (
    Answered,
    Happening,
    LeaseUnanswered,
    NotAsked,
    NotYet,
)
from services.gateway.relay.course.steps import AskLease, AwaitGrant
from tests.simulation.pool.ledger import Ledger, Wait
from tests.simulation.pool.processes import GatewayProcess


class Asker:
    """What one call asks the pool, and what it notes of the answers."""

    def __init__(
        self, gateway: GatewayProcess, ledger: Ledger, facts: CallFacts, affinity: str
    ) -> None:
        self.facts = facts
        self._gateway = gateway
        self._ledger = ledger
        self._affinity = affinity
        self._loop = asyncio.get_running_loop()
        self._expected: LeaseId | None = None

    async def ask_lease(self, step: AskLease) -> Happening:
        """Ask the pool, with whoever else asks in this turn."""
        if self._gateway.outbox.blocked:
            return NotAsked(GatewayError("ledger_unavailable", self._gateway.outbox.blocked))
        started, started_at = time.perf_counter(), self._loop.time()
        facts, asked_at = self.facts, system_clock()
        name = lease_id(facts.request_id, step.number)
        if step.wait_ms:
            self._expect(name)
        wanted = LeaseWanted(
            requested=SessionRequested(
                request_id=facts.request_id,
                number=step.number,
                service_type=facts.service_type,
                units=facts.units,
                asked_at=asked_at,
                gateway_id=self._gateway.gateway_id,
                key_id=facts.key_id,
                avoid_sessions=list(step.avoid_sessions),
                avoid_servers=list(step.avoid_servers),
                avoid_regions=list(step.avoid_regions),
                affinity=self._affinity,
                wait_ms=step.wait_ms,
                waiting_since=step.waiting_since,
            ),
            previous=step.previous,
            only_ask=step.only_ask,
        )
        try:
            answer = await self._gateway.pool.ask(wanted)
        except (UnansweredError, RefusedBatchError) as error:
            return LeaseUnanswered(
                str(error), not isinstance(error, DisconnectedError) or error.sent_before
            )
        self._note_answer(step, answer)
        if isinstance(answer, Waiting):
            self._note_wait(name, step, started_at)
        else:
            self._expect(None)
        return Answered(answer, (time.perf_counter() - started) * 1000, asked_at)

    def _note_wait(self, name: LeaseId, step: AskLease, asked_at: float) -> None:
        """Keep that it waits, if any session will do for it."""
        if step.avoid_sessions:
            return
        now = self._loop.time()
        wait = self._ledger.waits.get(name)
        if wait is None:
            wait = Wait(now, self.facts.service_type, self.facts.units)
            self._ledger.waits[name] = wait
        wait.heard.append((asked_at, now))

    async def await_grant(self, step: AwaitGrant) -> Happening:
        """Wait for the pool to deliver the lease, as a gateway does."""
        started = time.perf_counter()
        name = lease_id(self.facts.request_id, step.number)
        try:
            granted = await self._gateway.grants.wait_for(name, step.seconds)
        except GatewayError as refused:
            return NotAsked(refused)
        if granted is None:
            return NotYet()
        self._ledger.granted[granted.lease_id] = granted.session_id
        self._expect(None)
        return Answered(granted, (time.perf_counter() - started) * 1000)

    def _expect(self, expected: LeaseId | None) -> None:
        """Have the grant of this lease kept, and no other."""
        if expected != self._expected:
            if self._expected is not None:
                self._gateway.grants.forget(self._expected)
                if (wait := self._ledger.waits.get(self._expected)) is not None:
                    wait.end(self._loop.time())
            if expected is not None:
                self._gateway.grants.expect(expected)
            self._expected = expected

    def _note_answer(self, step: AskLease, answer: Any) -> None:
        """Keep what this answer says of the log."""
        refused = isinstance(answer, Refused)
        if step.previous is not None and not (
            refused and answer.reason is Refusal.LEDGER_UNAVAILABLE
        ):
            self._ledger.journalled[step.previous.lease_id] = step.previous
        if isinstance(answer, Granted):
            self._ledger.granted[answer.lease_id] = answer.session_id

    def forget_wait(self) -> None:
        """It waits no more."""
        self._expect(None)

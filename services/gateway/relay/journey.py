"""One request on its course: each of its steps is done; what follows from what is `course`'s."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from contracts.base import LeaseId, lease_id
from contracts.pool import Attempt, LeaseWanted, Outcome, UsageRecorded, Verdict, Waiting
from runtime.nats.connection import DisconnectedError, UnansweredError
from services.gateway.clients.answers import break_off_error
from services.gateway.clients.request import RoutedRequest
from services.gateway.dialects.credentials import dialects_able
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.summary import Summary
from services.gateway.relay.asking import affinity_of, call_of, session_requested
from services.gateway.relay.coalescer import RefusedBatchError
from services.gateway.relay.course import advance, begin, summary_of
from services.gateway.relay.course.facts import CLIENT_GONE
from services.gateway.relay.course.happenings import (
    Answered,
    BrokenOff,
    CredentialRead,
    CredentialUnreadable,
    Entered,
    Happening,
    LeaseUnanswered,
    NotAsked,
    NotYet,
    Paused,
)
from services.gateway.relay.course.stages import Passing, Sending, Stage
from services.gateway.relay.course.steps import (
    AskLease,
    AskServer,
    AwaitGrant,
    Cancel,
    Enter,
    Fail,
    FetchCredential,
    Finish,
    Pause,
    Record,
    Send,
    Step,
)
from services.gateway.relay.entry.gate import GatePlace
from services.gateway.relay.exchanges import OVERDUE
from services.gateway.relay.relay import Relay
from services.gateway.relay.upstream.exchange import Exchange
from services.gateway.relay.upstream.parts import ClientSide

RecheckKey = Callable[[RoutedRequest], object]
"""Checks whether the request's key still may. Raises `GatewayError`."""


async def serve_request(relay: Relay, side: ClientSide, recheck_key: RecheckKey) -> None:
    """Do the request, with as many leases as the outcome table allows.

    Before each, `recheck_key`: what went before takes its time. Raises `GatewayError` for every
    answer that is an error, and whatever broke the request off.
    """
    journey = Journey(relay, side, recheck_key)
    side.client.summary = journey.summary
    try:
        await journey.run_course()
    finally:
        side.client.summary = partial(summary_of, journey.stage)  # without a circle


class Journey:
    """One request on its course."""

    __slots__ = (
        "_authorization",
        "_exchange",
        "_expected",
        "_key_id",
        "_place",
        "_recheck_key",
        "_relay",
        "_side",
        "_step",
        "stage",
    )

    def __init__(self, relay: Relay, side: ClientSide, recheck_key: RecheckKey) -> None:
        """Stand at the beginning."""
        self._relay = relay
        self._side = side
        self._recheck_key = recheck_key
        self._authorization = b""
        self._key_id = side.routed.key.key_id
        self._exchange: Exchange | None = None
        self._expected: LeaseId | None = None
        """The lease that it waits for, or may have to."""
        self._place: GatePlace | None = None
        """While it stands between its admission and the departure of its request."""
        call = call_of(side.routed, relay.upstream.settings.attempts_max)
        self.stage: Stage
        self._step: Step
        self.stage, (self._step,) = begin(call)

    def summary(self) -> Summary:
        """Say what is known by now."""
        return summary_of(self.stage)

    async def run_course(self) -> None:
        """Go the whole course. Raises what `serve_request` does."""
        try:
            while (do_step := self._DOERS.get(type(self._step))) is not None:
                self._go_on(await do_step(self, self._step))
        except (Exception, asyncio.CancelledError) as broken:
            error = break_off_error(broken, gone=self._side.client.gone)
            tried = self._attempt_broken_off(overdue=OVERDUE in broken.args)
            self._go_on(BrokenOff(error=error, attempt=tried))
            raise
        finally:
            self._leave_gate()
            self._expect(None)
            self._exchange = None  # which knows this too: no circle is left for the collector
        if isinstance(self._step, Fail):
            raise self._step.error
        assert isinstance(self._step, Finish)

    def _attempt_broken_off(self, *, overdue: bool) -> Attempt | None:
        """Write down the attempt under way; one that is over is written down already."""
        if self._exchange is None or not isinstance(self.stage, (Sending, Passing)):
            return None
        return self._exchange.attempt_broken_off(overdue=overdue)

    def _go_on(self, happened: Happening) -> None:
        """Go to the next stage; what ends a lease is done before anything can come between."""
        self.stage, steps = advance(self.stage, happened, time.perf_counter())
        outbox = self._relay.outbox
        for step in steps[:-1]:
            if isinstance(step, Record):
                outbox.record_usage(step.usage)
                self._count_usage(step.usage)
            elif isinstance(step, Cancel):
                outbox.cancel_lease(step.command)
                if step.command.reason == CLIENT_GONE:
                    self._relay.admission.count_abandoned(self._key_id)
        self._step = steps[-1]

    def _count_usage(self, usage: UsageRecorded) -> None:
        """Count a call that was used, or left before anything was sent."""
        if usage.outcome is not Outcome.RELEASED:
            self._relay.admission.count_used(self._key_id)
        elif usage.verdict is Verdict.CLIENT_GONE:
            self._relay.admission.count_abandoned(self._key_id)

    async def _enter_gate(self, step: Enter) -> Happening:
        """See, behind the gate, whether a lease may and should be asked for."""
        side, relay = self._side, self._relay
        before: asyncio.Handle | None = None
        if step.previous is not None:
            # It runs if this waits: an end that only a task knows is lost with the process.
            loop = asyncio.get_running_loop()
            before = loop.call_soon(relay.outbox.record_usage, step.previous)
        try:
            if self._place is None:
                await self._go_inside()
            self._recheck_key(side.routed)
            unserved = await relay.servers.refuse_while_none(
                side.routed, side.wording.dialects, step.avoid_servers
            )
        except GatewayError as refused:
            return NotAsked(refused)
        finally:
            if before is not None:
                before.cancel()
        return Entered(unserved)

    async def _go_inside(self) -> None:
        """Wait for its turn among its key's calls, then among all of them."""
        relay = self._relay
        await relay.admission.enter(self._side.routed.key)
        try:
            self._place = await relay.gate.enter()
        except asyncio.CancelledError:
            relay.admission.leave(self._key_id)
            raise

    async def _ask_lease(self, step: AskLease) -> Happening:
        """Ask the pool, with all other requests of this turn of the loop."""
        relay = self._relay
        if relay.outbox.blocked:
            return NotAsked(GatewayError("ledger_unavailable", relay.outbox.blocked))
        started = time.perf_counter()  # a loop's own clock may be as coarse as its turns
        asked_at = relay.clock()
        self._side.client.asked_since = self._side.client.asked_since or started
        if step.wait_ms:
            self._expect(lease_id(self.stage.call.request_id, step.number))
        wanted = LeaseWanted(
            requested=session_requested(
                self.stage.call,
                self._side.routed.request,
                step,
                relay.gateway_id,
                asked_at,
                relay.upstream.settings.client_address,
                affinity_of(relay.identity_key, self._key_id, self._side.routed.affinity),
            ),
            previous=step.previous,
            only_ask=step.only_ask,
        )
        try:
            answer = await relay.pool.ask(wanted)
        except (UnansweredError, RefusedBatchError) as error:
            sent = not isinstance(error, DisconnectedError) or error.sent_before
            return LeaseUnanswered(str(error), sent)
        if not isinstance(answer, Waiting):
            self._expect(None)
        return Answered(answer, (time.perf_counter() - started) * 1000, asked_at)

    async def _await_grant(self, step: AwaitGrant) -> Happening:
        """Wait for the lease, and let others through the gate meanwhile."""
        self._leave_gate()
        started = time.perf_counter()
        name = lease_id(self.stage.call.request_id, step.number)
        try:
            granted = await self._relay.grants.wait_for(name, step.seconds)
            self._recheck_key(self._side.routed)
        except GatewayError as refused:
            return NotAsked(refused)
        if granted is None:
            return NotYet()
        self._expect(None)
        return Answered(granted, (time.perf_counter() - started) * 1000)

    def _expect(self, expected: LeaseId | None) -> None:
        """Have the grant of this lease kept, and no other."""
        if expected != self._expected:
            if self._expected is not None:
                self._relay.grants.forget(self._expected)
            if expected is not None:
                self._relay.grants.expect(expected)
            self._expected = expected

    async def _fetch_credential(self, step: FetchCredential) -> Happening:
        try:
            self._authorization = await self._relay.credentials.authorization_for(step.lease)
        except GatewayError as error:
            return CredentialUnreadable(error)
        return CredentialRead(
            tuple(dialects_able(self._side.wording.dialects, self._authorization))
        )

    async def _select_server(self, step: AskServer) -> Happening:
        side = self._side
        return await self._relay.servers.select_server(step, side.routed, side.wording.dialects)

    async def _send_request(self, step: Send) -> Happening:
        """Try a server; a success is passed on while its exchange is open."""
        relay, lease = self._relay, step.lease
        exchange = self._exchange = Exchange(
            relay.upstream,
            self._side,
            step.selected,
            self._authorization,
            step.connect_s,
            self._leave_gate,
        )
        under_way = relay.exchanges.begin_exchange(
            lease.lease_id, step.selected.server_id, lease.expires_in_s
        )
        try:
            judged = await exchange.send_and_judge()
            if judged.judgement.verdict is not Verdict.SUCCESS:
                return judged
            relay.exchanges.note_answer(under_way)
            self._go_on(judged)
            return await exchange.pass_on()
        finally:
            await exchange.close()
            relay.exchanges.end_exchange(under_way)

    def _leave_gate(self) -> None:
        if self._place is not None:
            self._relay.gate.leave(self._place)
            self._place = None
            self._relay.admission.leave(self._key_id)

    async def _pause_attempts(self, step: Pause) -> Happening:
        await asyncio.sleep(step.seconds)
        return Paused()

    _DOERS: ClassVar[Mapping[type[Step], Callable[["Journey", Any], Awaitable[Happening]]]] = {
        Enter: _enter_gate,
        AskLease: _ask_lease,
        AwaitGrant: _await_grant,
        FetchCredential: _fetch_credential,
        AskServer: _select_server,
        Send: _send_request,
        Pause: _pause_attempts,
    }
    """How each step is waited for. `Pass` is done meanwhile; `Fail` and `Finish` end the course."""

"""Clients' calls: each goes the product's own course, and meets backends that count for themselves.

What the relay does with sockets is done here with the seed: which server, how long, what it says,
whether the client is gone by then. What follows from it is `relay.course`'s, as in a gateway.
"""

import asyncio
import time
from random import Random
from typing import Any

import msgspec

from contracts import subjects
from contracts.balancer import Selected
from contracts.base import Failed, KeyId, LeaseId, RequestId, ServerId, ServiceType
from contracts.pool import (
    Attempt,
    Granted,
    RenewAnswers,
    RenewLeases,
    Verdict,
)
from runtime.nats.connection import UnansweredError, ask_command
from services.gateway.domain import Judgement
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.course import advance, begin
from services.gateway.relay.course.facts import CallFacts
from services.gateway.relay.course.happenings import (
    BrokenOff,
    Chosen,
    CredentialRead,
    Entered,
    Happening,
    Judged,
    Passed,
    Paused,
    SelectionUnanswered,
)
from services.gateway.relay.course.stages import Passing, Sending
from services.gateway.relay.course.steps import (
    AskLease,
    AskServer,
    AwaitGrant,
    Cancel,
    Enter,
    Fail,
    FetchCredential,
    Pass,
    Pause,
    Record,
    Send,
)
from tests.simulation.pool.asker import Asker
from tests.simulation.pool.ledger import Ledger
from tests.simulation.pool.processes import GatewayProcess

TYPES = (ServiceType("image"), ServiceType("video"))
_SERVERS = tuple(ServerId(f"server-{number}") for number in (1, 2, 3))
_VERDICTS = {
    Verdict.SUCCESS: 62,
    Verdict.OUTCOME_UNKNOWN: 8,
    Verdict.REJECTED: 12,
    Verdict.UNREACHABLE: 6,
    Verdict.RATE_LIMITED: 4,
    Verdict.LOGIN_EXPIRED: 4,
    Verdict.QUOTA_EXHAUSTED: 2,
    Verdict.RISK_CONTROL: 2,
}
_WAITS_S = (0.0, 0.0, 0.0, 0.4, 1.5, 5.0, 12.0, 30.0)
"""For how long calls may wait."""
_renewal_decoder = msgspec.json.Decoder(RenewAnswers | Failed)


class Call:
    """One call of a client, at one gateway."""

    def __init__(self, gateway: GatewayProcess, ledger: Ledger, chance: Random) -> None:
        self._gateway = gateway
        self._outbox = gateway.outbox
        self._life = str(gateway.life)
        self._ledger = ledger
        self._chance = chance
        self._long = chance.random() < 0.1
        affinity = f"affinity-{chance.randrange(4)}" if chance.random() < 0.2 else ""
        self._sent = False
        milliseconds = int(time.time() * 1000)
        drawn = chance.randbytes(10).hex()
        self.facts = CallFacts(
            request_id=RequestId(_uuid7(milliseconds, drawn)),
            key_id=KeyId(f"key-{chance.randrange(4)}"),
            service_type=TYPES[chance.random() < 0.3],
            units=1 if chance.random() < 0.85 else 2,
            per_item=False,
            path="/v1/images/generations",
            model="simulated",
            client_request_id="",
            bytes_in=10,
            attempts_max=3,
            started_s=time.perf_counter(),
            wait_s=chance.choice(_WAITS_S),
        )
        self._asker = Asker(gateway, ledger, self.facts, affinity)

    async def run_course(self) -> str:
        """Go the whole course; return the code that the client is answered, or `ok`."""
        self._stage, (self._step,) = begin(self.facts)
        try:
            while (do_step := self._DOERS.get(type(self._step))) is not None:
                self._go_on(await do_step(self, self._step))
        except asyncio.CancelledError:
            self._go_on(BrokenOff(attempt=self._attempt_broken_off()))
            self._ledger.answers["gone"] += 1
            raise
        finally:
            self._asker.forget_wait()
        code = self._step.error.code if isinstance(self._step, Fail) else "ok"
        self._ledger.answers[code] += 1
        return code

    def _go_on(self, happened: Happening) -> None:
        self._stage, steps = advance(self._stage, happened, time.perf_counter())
        for step in steps[:-1]:
            if isinstance(step, Record):
                self._outbox.record_usage(step.usage)
                self._ledger.recorded[step.usage.lease_id] = (self._life, step.usage)
            elif isinstance(step, Cancel):
                self._outbox.cancel_lease(step.command)
        self._step: Any = steps[-1]

    def _attempt_broken_off(self) -> Attempt | None:
        if not isinstance(self._stage, Sending | Passing):
            return None
        passing = isinstance(self._stage, Passing)
        verdict = Verdict.SUCCESS if passing else Verdict.CLIENT_GONE
        return Attempt(server_id=self._stage.selected.server_id, verdict=verdict, sent=self._sent)

    async def _enter(self, _: Enter) -> Happening:
        return Entered()

    async def _ask_lease(self, step: AskLease) -> Happening:
        return await self._asker.ask_lease(step)

    async def _await_grant(self, step: AwaitGrant) -> Happening:
        return await self._asker.await_grant(step)

    async def _fetch_credential(self, _: FetchCredential) -> Happening:
        await asyncio.sleep(0.001)
        return CredentialRead(())

    async def _ask_server(self, step: AskServer) -> Happening:
        await asyncio.sleep(0.005 * self._chance.random())
        if self._chance.random() < 0.03:
            return SelectionUnanswered(GatewayError("no_backend", "the balancer does not answer"))
        able = [server for server in _SERVERS if server not in step.avoid] or [*_SERVERS]
        chosen = self._chance.choice(able)
        return Chosen(Selected(server_id=chosen, url="http://simulated", strategy="chance"))

    async def _send(self, step: Send) -> Happening:
        """Be answered by a backend, which counts what it accepts."""
        chance, lease = self._chance, step.lease
        verdict = chance.choices([*_VERDICTS], [*_VERDICTS.values()])[0]
        if verdict is Verdict.UNREACHABLE:
            self._sent = False
            await asyncio.sleep(0.002)
        else:
            self._sent = True
            succeeds = verdict is Verdict.SUCCESS
            if succeeds or (verdict is Verdict.OUTCOME_UNKNOWN and chance.random() < 0.5):
                place = (lease.session_id, self.facts.service_type, lease.quota_day)
                self._ledger.accepted[place] += lease.units
                self._ledger.done[lease.lease_id] += lease.units
            await self._wait_for_answer(lease)
        judgement = Judgement(verdict, 200 if verdict is Verdict.SUCCESS else 500)
        if verdict is Verdict.SUCCESS:
            return Judged(judgement=judgement, replayable=True, chance=chance.random())
        server_id = step.selected.server_id
        return Judged(
            judgement=judgement,
            attempt=Attempt(server_id=server_id, verdict=verdict, sent=self._sent),
            retry_after_s=0.5 if verdict is Verdict.RATE_LIMITED else None,
            replayable=True,
            chance=chance.random(),
        )

    async def _wait_for_answer(self, lease: Granted) -> None:
        """Wait a moment; a long exchange outlives its lease's time, and may have it renewed."""
        if not self._long:
            longest_s = 1.0 if self._ledger.busy else 0.1
            await asyncio.sleep(0.001 + longest_s * self._chance.random())
            return
        renews = self._chance.random() < 0.5
        third_s = lease.expires_in_s / 3
        for _ in range(self._chance.randrange(1, 6)):
            await asyncio.sleep(third_s)
            if renews:
                await self._renew(lease.lease_id)

    async def _renew(self, lease_id: LeaseId) -> None:
        command = RenewLeases(lease_ids=[lease_id])
        bus = self._gateway.bus
        try:
            await ask_command(bus, subjects.pool_renew(), command, _renewal_decoder, 1.0)
        except UnansweredError:
            return

    async def _pass(self, _: Pass) -> Happening:
        assert isinstance(self._stage, Passing)
        await asyncio.sleep(0.001)
        server_id = self._stage.selected.server_id
        attempt = Attempt(server_id=server_id, verdict=Verdict.SUCCESS, status=200, sent=True)
        return Passed(attempt=attempt, status=200, bytes_out=100)

    async def _pause(self, step: Pause) -> Happening:
        await asyncio.sleep(step.seconds)
        return Paused()

    _DOERS = {
        Enter: _enter,
        AskLease: _ask_lease,
        AwaitGrant: _await_grant,
        FetchCredential: _fetch_credential,
        AskServer: _ask_server,
        Send: _send,
        Pass: _pass,
        Pause: _pause,
    }


def _uuid7(milliseconds: int, drawn: str) -> str:
    stamp = f"{milliseconds:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{drawn[:3]}-8{drawn[3:6]}-{drawn[6:18]}"


async def keep_calling(
    gateway: GatewayProcess, ledger: Ledger, chance: Random, calls: int, seconds: float
) -> None:
    """Let clients call one life of a gateway; some of them leave before they are answered."""
    running: dict[asyncio.Task[str], None] = {}
    loop = asyncio.get_running_loop()
    for _ in range(calls):
        # Now and then many at once: they share an envelope, and the last units.
        if chance.random() < 0.7:
            await asyncio.sleep(chance.expovariate(calls / seconds) / 0.7)
        task = loop.create_task(Call(gateway, ledger, chance).run_course())
        running[task] = None
        if chance.random() < 0.08:
            loop.call_later(chance.random() * 0.3, task.cancel)
    await asyncio.gather(*running, return_exceptions=True)
    for task in running:
        if not task.cancelled() and (error := task.exception()):
            raise error

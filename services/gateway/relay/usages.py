"""What the pool must hear: usages, cancellations, and counts of what this gateway refused itself.

All are kept, and sent again until answered. They are idempotent at the pool, so sending twice is
harmless and forgetting is not.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from nats.aio.client import Client

from contracts import subjects
from contracts.base import Failed, GatewayId, KeyId, LeaseId, RequestId, ServiceType
from contracts.pool import (
    CallsRefused,
    CancelAnswers,
    CancelLease,
    CancelLeases,
    EndAnswer,
    EndAnswers,
    EndLeases,
    Outcome,
    UsageRecorded,
    Verdict,
)
from runtime.eventlog import UNWRITABLE
from runtime.nats.connection import UnansweredError, ask
from runtime.process.logs import Log
from services.gateway.clients.request import Request
from services.gateway.domain import outcome_of
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.leavers import Leavers
from services.gateway.domain.tally import EVERY, Tally

UNACKNOWLEDGED_MAX = 10_000
"""A gateway with more usages on its hands stops leasing."""
_BATCH_MAX = 256
_TEXT_MAX = 200
_REFUSED_MAX = 1000
"""While so many counts wait for the pool, the calls go on being counted in the ones to come."""
_TIMEOUT_S = 1.0
_TIMEOUT_MAX_S = 10.0
"""Patience grows while no answer comes: a slow pool is not asked ever more."""
_AGAIN_S = 0.2
_LINGER_S = 0.01
"""Usages wait for each other: nobody waits for them, and fewer batches are fewer disk syncs."""
_ends = msgspec.json.Decoder(EndAnswers | Failed)
_cancels = msgspec.json.Decoder(CancelAnswers | Failed)


class Outbox:
    """Usages and cancellations on their way to the pool."""

    def __init__(self, client: Client, gateway_id: GatewayId, log: Log) -> None:
        """Nothing is sent before `run`."""
        self.unwritable = False
        """Whether a leader said a moment ago that the log takes no writes (ADR 26)."""
        self._client = client
        self._log = log
        self._usages: dict[LeaseId, UsageRecorded] = {}
        self._cancellations: dict[tuple[RequestId, int], CancelLease] = {}
        self._refused: list[CallsRefused] = []
        self._tally = Tally(gateway_id)
        self._timeout_s = _TIMEOUT_S
        self._awake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def record(self, usage: UsageRecorded) -> None:
        """Keep a usage until the pool has journalled it."""
        self._usages[usage.lease_id] = usage
        self._wake()

    def cancel(self, request: Request, reason: str, error: GatewayError | None = None) -> None:
        """Give a lease back that was never sent, or forbid it if it was never granted.

        `error` is what its client is answered, if that ends the call.
        """
        self._cancellations[request.request_id, request.number] = CancelLease(
            request_id=request.request_id,
            number=request.number,
            reason=reason,
            status=error.http_status if error else 0,
            error_code=error.code if error else "",
            error_message=error.message[:_TEXT_MAX] if error else "",
            key_id=request.key.key_id,
            service_type=request.service_type,
        )
        self._wake()

    def refused(self, key_id: KeyId, service_type: ServiceType, error: GatewayError) -> None:
        """Count a call of which nothing else stands in the log; told once its minute is over."""
        sort = key_id, service_type, error.code
        if self._tally.count(sort, error.http_status, datetime.now(UTC)):
            asyncio.get_running_loop().call_later(EVERY.total_seconds(), self._wake)

    def _wake(self) -> None:
        self._empty.clear()
        self._awake.set()

    def __len__(self) -> int:
        """Count what is not yet acknowledged."""
        return len(self._usages) + len(self._cancellations) + len(self._refused)

    @property
    def blocked(self) -> str:
        """Why no call may begin, for nothing more can be journalled; empty when it can be."""
        if len(self) >= UNACKNOWLEDGED_MAX:
            return "too many usages wait for the event log"
        return UNWRITABLE if self.unwritable else ""

    async def run(self) -> None:
        """Send for ever, batch by batch; what came during one batch makes up the next."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            await asyncio.sleep(_LINGER_S)
            self._tell_refused()
            while len(self):
                if not await self._send():
                    await asyncio.sleep(_AGAIN_S)
            self._empty.set()

    async def drained(self, seconds: float) -> bool:
        """Wait until everything is acknowledged; false when `seconds` were not enough.

        Calls that were only counted are told now.
        """
        self._tell_refused(everything=True)
        if len(self):
            self._wake()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _tell_refused(self, *, everything: bool = False) -> None:
        """Have the counts told whose minute is over, or all of them."""
        if len(self._refused) < _REFUSED_MAX or everything:
            self._refused += self._tally.take(datetime.now(UTC), everything=everything)

    async def _send(self) -> bool:
        """Send one batch of each kind; true when the pool answered."""
        usages = list(self._usages.values())[:_BATCH_MAX]
        cancellations = list(self._cancellations.values())[:_BATCH_MAX]
        refused = self._refused[:_BATCH_MAX]
        try:
            if usages or refused:
                await self._end(usages, refused)
            if cancellations:
                await self._cancel(cancellations)
        except UnansweredError:
            self._timeout_s = min(self._timeout_s * 2, _TIMEOUT_MAX_S)
            return False
        self._timeout_s = _TIMEOUT_S
        return True

    async def _end(self, usages: Sequence[UsageRecorded], refused: list[CallsRefused]) -> None:
        command = EndLeases(items=list(usages), refused=refused)
        reply = await ask(self._client, subjects.pool_end(), command, _ends, self._timeout_s)
        if isinstance(reply, Failed):
            self._turned_away("usages_refused", reply)
        del self._refused[: len(refused)]
        for usage, answer in zip(usages, reply.items, strict=True):
            if self._usages.get(usage.lease_id) is usage:
                del self._usages[usage.lease_id]
            if answer is EndAnswer.UNKNOWN_LEASE:
                self._log.error("unknown_lease", lease_id=usage.lease_id, outcome=usage.outcome)

    async def _cancel(self, cancellations: Sequence[CancelLease]) -> None:
        command = CancelLeases(items=list(cancellations))
        reply = await ask(self._client, subjects.pool_cancel(), command, _cancels, self._timeout_s)
        if isinstance(reply, Failed):
            self._turned_away("cancellations_refused", reply)
        for cancellation in cancellations:
            self._cancellations.pop((cancellation.request_id, cancellation.number), None)

    def _turned_away(self, what: str, failed: Failed) -> None:
        """Keep everything and try again: the pool could not take it now."""
        self._log.error(what, code=failed.code, reason=failed.message)
        raise UnansweredError(failed.code)


class Ends:
    """How the lease that a request has in hand comes to its end."""

    def __init__(self, outbox: Outbox) -> None:
        """Have the pool told by `outbox`."""
        self._outbox = outbox
        self._leavers = Leavers()

    def admit(self, request: Request) -> None:
        """Let a key whose clients leave all the time wait.

        Raises `GatewayError` (rate_limit_exceeded).
        """
        wait_s = self._leavers.wait_s(request.key.key_id, asyncio.get_running_loop().time())
        if wait_s:
            message = (
                f"too many calls of the key {request.key.name!r} were left before anything was sent"
            )
            raise GatewayError("rate_limit_exceeded", message, retry_after_s=wait_s)
        if not request.unsent:
            request.unsent = True
            self._leavers.enter(request.key.key_id)

    def depart(self, request: Request) -> None:
        """Something of the request is sent from now on, or nothing any more."""
        if request.unsent:
            request.unsent = False
            self._leavers.depart(request.key.key_id)

    def left(self, request: Request, error: GatewayError | None) -> None:
        """End whatever is open: the client is gone, or (`error`) the exchange was broken off."""
        if request.gone and not request.sent and (request.asked or request.open):
            self._leavers.left(request.key.key_id, asyncio.get_running_loop().time())
        if request.asked:
            self.forget(request, "client_gone")
        elif request.open:
            if not request.attempts and not request.sent:
                reason = "client_gone" if request.gone or error is None else "not_sent"
                self.cancel(request, reason, None if request.gone else error)
            else:
                verdict = Verdict.CLIENT_GONE
                outcome = outcome_of(verdict, sent=request.sent, answered=request.answered)
                if error is not None and request.sent:
                    verdict = Verdict.SUCCESS if request.answered else Verdict.OUTCOME_UNKNOWN
                usage = request.usage(outcome, verdict, error=error, cut=request.answered)
                self._outbox.record(usage)
            request.open = False

    def forget(self, request: Request, reason: str, error: GatewayError | None = None) -> None:
        """Cancel a lease that was asked for and not answered; `error` ends the call.

        The pool may have decided meanwhile: only it knows whether its log tells of the call.
        """
        request.asked = False
        self.cancel(request, reason, None if request.traced else error)

    def release(self, request: Request, error: GatewayError | None = None) -> None:
        """End a lease that will not be tried (again): cancelled if it never was."""
        if request.doubtful:
            usage = request.usage(Outcome.UNKNOWN, Verdict.OUTCOME_UNKNOWN, error=error)
            self.record(request, usage)
        elif request.attempts:
            usage = request.usage(Outcome.RELEASED, Verdict.UNREACHABLE, error=error)
            self.record(request, usage)
        else:
            self.cancel(request, "not_sent", error)
            request.open = False

    def cancel(self, request: Request, reason: str, error: GatewayError | None) -> None:
        """Give back a lease that was granted; `error` ends the call, and is told with it."""
        request.traced = request.traced or error is not None
        self._outbox.cancel(request, reason, error)

    def record(self, request: Request, usage: UsageRecorded) -> None:
        """End a lease by what it was used for."""
        self._outbox.record(usage)
        request.open = False
        if usage.outcome is not Outcome.RELEASED:
            self._leavers.used(usage.key_id, asyncio.get_running_loop().time())

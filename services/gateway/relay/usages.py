"""What the pool must hear: usages, cancellations, and counts of what this gateway refused itself.

All are kept, and sent again until answered. They are idempotent at the pool, so sending twice is
harmless and forgetting is not.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec

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
    UsageRecorded,
)
from runtime.clock import system_clock
from runtime.eventlog import UNWRITABLE
from runtime.nats.bus import Bus
from runtime.nats.connection import UnansweredError, ask_command
from runtime.process.logs import Log
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.tally import EVERY, RefusalCounts

UNACKNOWLEDGED_MAX = 10_000
"""A gateway with more usages on its hands stops leasing."""
_BATCH_MAX = 256
_REFUSED_MAX = 1000
"""While so many counts wait for the pool, the calls go on being counted in the ones to come."""
_TIMEOUT_S = 1.0
_TIMEOUT_MAX_S = 10.0
"""Patience grows while no answer comes: a slow pool is not asked ever more."""
_AGAIN_S = 0.2
_LINGER_S = 0.01
"""Usages wait for each other: nobody waits for them, and fewer batches are fewer disk syncs."""
_end_decoder = msgspec.json.Decoder(EndAnswers | Failed)
_cancel_decoder = msgspec.json.Decoder(CancelAnswers | Failed)


class Outbox:
    """Usages and cancellations on their way to the pool."""

    def __init__(self, client: Bus, gateway_id: GatewayId, log: Log) -> None:
        """Nothing is sent before `run`."""
        self.unwritable = False
        """Whether a leader said a moment ago that the log takes no writes (ADR 26)."""
        self._client = client
        self._log = log
        self._usages: dict[LeaseId, UsageRecorded] = {}
        self._cancellations: dict[tuple[RequestId, int], CancelLease] = {}
        self._cancelled = asyncio.Condition()
        self._refused: list[CallsRefused] = []
        self._tally = RefusalCounts(gateway_id)
        self._timeout_s = _TIMEOUT_S
        self._awake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def record_usage(self, usage: UsageRecorded) -> None:
        """Keep a usage until the pool has journalled it."""
        self._usages[usage.lease_id] = usage
        self._wake_up()

    def cancel_lease(self, command: CancelLease) -> None:
        """Give a lease back that was never sent, or forbid it if it was never granted."""
        self._cancellations[command.request_id, command.number] = command
        self._wake_up()

    async def wait_until_cancelled(self, request_id: RequestId, seconds: float) -> None:
        """Wait until the pool has heard of every lease of a request that was given back.

        After so many seconds nobody waits any more: it is told all the same.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._cancelled:
                await self._cancelled.wait_for(
                    lambda: all(of != request_id for of, _ in self._cancellations)
                )

    def count_refusal(self, key_id: KeyId, service_type: ServiceType, error: GatewayError) -> None:
        """Count a call of which nothing else stands in the log; told once its minute is over."""
        sort = key_id, service_type, error.code
        if not self._tally.is_counting(sort):
            asyncio.get_running_loop().call_later(EVERY.total_seconds(), self._wake_up)
        self._tally.count_refusal(sort, error.http_status, system_clock())

    def _wake_up(self) -> None:
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
            self._collect_refusals()
            while len(self):
                try:
                    await self._send_batches()
                except UnansweredError:
                    self._timeout_s = min(self._timeout_s * 2, _TIMEOUT_MAX_S)
                    await asyncio.sleep(_AGAIN_S)
                else:
                    self._timeout_s = _TIMEOUT_S
            self._empty.set()

    async def wait_until_empty(self, seconds: float) -> bool:
        """Wait until everything is acknowledged; false when `seconds` were not enough.

        Calls that were only counted are told now.
        """
        self._collect_refusals(everything=True)
        if len(self):
            self._wake_up()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _collect_refusals(self, *, everything: bool = False) -> None:
        """Have the counts told whose minute is over, or all of them."""
        if len(self._refused) < _REFUSED_MAX or everything:
            self._refused += self._tally.take_due(system_clock(), everything=everything)

    async def _send_batches(self) -> None:
        """Send one batch of each kind. Raises `UnansweredError`."""
        usages = list(self._usages.values())[:_BATCH_MAX]
        cancellations = list(self._cancellations.values())[:_BATCH_MAX]
        refused = self._refused[:_BATCH_MAX]
        if usages or refused:
            await self._send_ends(usages, refused)
        if cancellations:
            await self._send_cancellations(cancellations)

    async def _send_ends(
        self, usages: Sequence[UsageRecorded], refused: list[CallsRefused]
    ) -> None:
        """Have usages and counts of refusals journalled. Raises `UnansweredError`."""
        command = EndLeases(items=list(usages), refused=refused)
        reply = await ask_command(
            self._client, subjects.pool_end(), command, _end_decoder, self._timeout_s
        )
        if isinstance(reply, Failed):
            self._keep_for_later("usages_refused", reply)
        del self._refused[: len(refused)]
        for usage, answer in zip(usages, reply.items, strict=True):
            if self._usages.get(usage.lease_id) is usage:
                del self._usages[usage.lease_id]
            if answer is EndAnswer.UNKNOWN_LEASE:
                self._log.error("unknown_lease", lease_id=usage.lease_id, outcome=usage.outcome)

    async def _send_cancellations(self, cancellations: Sequence[CancelLease]) -> None:
        command = CancelLeases(items=list(cancellations))
        reply = await ask_command(
            self._client, subjects.pool_cancel(), command, _cancel_decoder, self._timeout_s
        )
        if isinstance(reply, Failed):
            self._keep_for_later("cancellations_refused", reply)
        for cancellation in cancellations:
            self._cancellations.pop((cancellation.request_id, cancellation.number), None)
        async with self._cancelled:
            self._cancelled.notify_all()

    def _keep_for_later(self, what: str, failed: Failed) -> None:
        """Keep everything and try again: the pool could not take it now."""
        self._log.error(what, code=failed.code, reason=failed.message)
        raise UnansweredError(failed.code)

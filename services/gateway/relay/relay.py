"""Lease → select → stream → record: the way of one generation request.

A lease covers tries at one server after another as long as nothing was sent; what a session is
refused for is tried again with another lease. Whatever happens, including the client's going
away at any moment, the lease in hand gets its one end here.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Never

from contracts.balancer import Selected, ServerFailed
from contracts.base import GatewayId
from contracts.pool import (
    Free,
    Granted,
    LeaseWanted,
    Outcome,
    Refusal,
    Refused,
    Verdict,
)
from runtime.clock import Clock
from runtime.nats.connection import DisconnectedError, UnansweredError
from services.gateway.clients.answers import Client
from services.gateway.clients.headers import Rate
from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Upload
from services.gateway.dialects.credentials import able_with
from services.gateway.domain import (
    another_session,
    client_error,
    failure_error,
    outcome_of,
    pause_before,
    refusal_error,
)
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.coalescer import BalancerCoalescer, PoolCoalescer, RefusedBatchError
from services.gateway.relay.credentials import Credentials
from services.gateway.relay.exchange import Exchange
from services.gateway.relay.exchanges import OpenExchanges
from services.gateway.relay.result import Result
from services.gateway.relay.servers import Servers
from services.gateway.relay.usages import Ends, Outbox

_UNTOLD = frozenset({Refusal.STALE_REQUEST, Refusal.CANCELLED, Refusal.LEDGER_UNAVAILABLE})
"""Refusals that the pool does not journal."""
_LATE_MAX = 2
"""How often a lease may be asked for again because its `send_by` had passed."""


class Relay:
    """Relays generation requests; its parts are made by `app`."""

    def __init__(
        self,
        gateway_id: GatewayId,
        pool: PoolCoalescer,
        balancer: BalancerCoalescer,
        credentials: Credentials,
        exchange: Exchange,
        exchanges: OpenExchanges,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        """Hold the parts."""
        self.exchange = exchange
        self._gateway_id = gateway_id
        self._pool = pool
        self._credentials = credentials
        self._exchanges = exchanges
        self._outbox = outbox
        self._ends = Ends(outbox)
        self._servers = Servers(balancer, self._ends)
        self._clock = clock

    async def serve(
        self,
        request: Request,
        upload: Upload,
        client: Client,
        rate: Rate,
        look_again: Callable[[Request], object],
    ) -> None:
        """Do the request, with as many leases as the outcome table allows.

        Before each, `look_again` whether its key still may: what went before takes its time.
        Raises `GatewayError` for every answer that is an error.
        """
        try:
            while True:
                look_again(request)
                self._ends.admit(request)
                await self._servers.look(request)
                granted = await self._lease(request)
                if await self._used(request, granted, upload, client, rate):
                    return
        finally:
            self._ends.depart(request)
            if request.previous is not None:
                self._outbox.record(request.previous)

    def left(self, request: Request, error: GatewayError | None) -> None:
        """End whatever is open: the client is gone, or (`error`) the exchange was broken off."""
        self._ends.left(request, error)

    async def _lease(self, request: Request) -> Granted:
        """Ask for the next lease. Raises `GatewayError` with the pool's refusal."""
        granted = await self._answer(request)
        assert isinstance(granted, Granted)
        request.begin(granted)
        return granted

    async def _answer(self, request: Request, *, only_ask: bool = False) -> Granted | Free:
        """Ask for the next lease, or what the pool would say. Raises `GatewayError`."""
        if self._outbox.blocked:
            raise GatewayError("ledger_unavailable", self._outbox.blocked)
        started = time.perf_counter()  # a loop's own clock may be as coarse as its turns
        stored = self.exchange.settings.client_address
        wanted = request.wanted(self._gateway_id, self._clock(), stored)
        request.asked = True
        try:
            answer = await self._pool.ask(
                LeaseWanted(requested=wanted, previous=request.previous, only_ask=only_ask)
            )
        except (UnansweredError, RefusedBatchError) as failed:
            request.asked = False
            error = GatewayError("ledger_unavailable", f"the pool does not answer: {failed}")
            if not isinstance(failed, DisconnectedError) or failed.sent_before:
                self._ends.forget(request, "unanswered", error)
            raise error from None
        request.lease_ms += (time.perf_counter() - started) * 1000
        if isinstance(answer, Refused) and answer.reason is Refusal.LEDGER_UNAVAILABLE:
            # No proof that nothing was granted: an earlier sending of this id may stand.
            error = refusal_error(answer, request.service_type)
            self._ends.forget(request, "ledger_unavailable", error)
            raise error
        request.asked = False
        request.previous = None
        if isinstance(answer, Refused):
            request.traced = request.traced or answer.reason not in _UNTOLD
            raise refusal_error(answer, request.service_type)
        return answer

    async def _used(
        self, request: Request, granted: Granted, upload: Upload, client: Client, rate: Rate
    ) -> bool:
        """Use the lease in hand: true when the client was answered, false for another lease.

        Raises `GatewayError`.
        """
        loop = asyncio.get_running_loop()
        send_by = loop.time() + granted.send_within_s
        failed: ServerFailed | None = None
        repeated: Selected | None = None
        authorization = await self._authorization(request, granted)
        request.sayable = able_with(request.dialects, authorization)
        while True:
            selected = repeated or await self._servers.select(request, granted, failed)
            left_s = send_by - loop.time()
            if left_s <= 0:
                self._give_back(request)
                return False
            self._ends.depart(request)
            opened = self._exchanges.begin(
                granted.lease_id, selected.server_id, granted.expires_in_s
            )
            request.server_id, request.server_region = selected.server_id, selected.region
            try:
                result = await self.exchange.attempt(
                    request, upload, client, selected, authorization, connect_s=left_s, rate=rate
                )
            finally:
                self._exchanges.end(opened)
            verdict = result.judgement.verdict
            attempts_max = self.exchange.settings.attempts_max
            again = upload.replayable and request.attempts_made < attempts_max
            repeated = None
            if again and verdict is Verdict.OUTCOME_UNKNOWN and selected.idempotent:
                chance = random.random()  # noqa: S311 (it only keeps clients apart)
                pause_s = pause_before(request.attempts_made, result.retry_after_s, chance)
                if pause_s < send_by - loop.time():
                    await asyncio.sleep(pause_s)
                    repeated = selected
            if again and verdict is Verdict.UNREACHABLE and not request.doubtful:
                why = result.judgement.message[:100]
                failed = ServerFailed(server_id=selected.server_id, verdict=verdict, failure=why)
                request.avoid_servers.append(selected.server_id)
            elif repeated is None:
                return await self._ended(request, client, result, again=again)

    async def _ended(
        self, request: Request, client: Client, result: Result, *, again: bool
    ) -> bool:
        """End the lease in hand by its last attempt; true when the client was answered.

        Raises `GatewayError`.
        """
        judgement = result.judgement
        verdict = judgement.verdict
        error = result.error
        if request.doubtful and verdict not in {Verdict.SUCCESS, Verdict.OUTCOME_UNKNOWN}:
            verdict, error = Verdict.OUTCOME_UNKNOWN, failure_error("cut", sent=True)
        request.bytes_out = client.bytes_out
        request.status = client.status
        if verdict is Verdict.SUCCESS:
            usage = request.usage(
                Outcome.SETTLED,
                verdict,
                results=judgement.results,
                cut=result.cut,
                error=error,
            )
            self._ends.record(request, usage)
            return True
        late = judgement.submitted
        outcome = outcome_of(verdict, sent=request.sent, answered=False, submitted=late)
        error = error or client_error(judgement, result.retry_after_s)
        if late or not another_session(verdict):
            self._ends.record(request, request.usage(outcome, verdict, error=error))
            raise error
        request.previous = request.usage(
            outcome, verdict, error=None if again else error, retry_after_s=result.retry_after_s
        )
        lease = request.lease
        assert lease is not None
        request.avoid_sessions.append(lease.session_id)
        if verdict is Verdict.LOGIN_EXPIRED:
            request.shy_servers.append(request.server_id)
        request.next_number()
        if again:
            return False
        return await self._last_word(request, verdict, error)

    async def _last_word(self, request: Request, verdict: Verdict, error: GatewayError) -> Never:
        """After the last attempt, let the pool say whether anything was left (http-api.md §3).

        Raises `GatewayError` with its refusal; what an older pool grants is given back.
        """
        if verdict in {Verdict.QUOTA_EXHAUSTED, Verdict.LOGIN_EXPIRED}:
            answer = await self._answer(request, only_ask=True)
            if isinstance(answer, Granted):
                self._outbox.cancel(request, "attempts_max")
        raise error

    def _give_back(self, request: Request) -> None:
        """Let go of a lease whose `send_by` has passed.

        Raises `GatewayError` the third time, and when the work may have been done already.
        """
        error = None
        if request.doubtful:
            error = failure_error("timeout", sent=True)
        elif request.late >= _LATE_MAX:
            error = GatewayError("pool_saturated", "no lease lasted until the request was sent")
        self._ends.release(request, error)
        if error is not None:
            raise error
        request.late += 1
        request.next_number()

    async def _authorization(self, request: Request, granted: Granted) -> bytes:
        try:
            return await self._credentials.authorization(granted)
        except GatewayError as error:
            self._ends.release(request, error)
            raise

"""What a call would meet now, without being made: a lease granted and given back, a server named.

Nothing is sent to a server and nothing is counted: the lease is asked for from `TRY_PATH`, by which
the pool knows that it is nobody's call, and the balancer is only asked.
"""

import time
from collections.abc import Sequence
from datetime import datetime

import msgspec

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.base import RequestId, ServiceType
from contracts.pool import TRY_PATH, CancelLease, Granted, LeaseWanted, Refused, SessionRequested
from runtime.nats.connection import DisconnectedError, UnansweredError
from services.gateway.clients.keys import Key
from services.gateway.clients.request import new_request_id
from services.gateway.dialects.credentials import dialects_able
from services.gateway.domain import no_server_error, refusal_error
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.coalescer import BalancerCoalescer, RefusedBatchError
from services.gateway.relay.relay import Relay

_LEASES_MAX = 3
"""Of one rehearsal: a session whose region no server serves is given back for another's."""
_GIVEN_BACK_WITHIN_S = 2.0


class CallRehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """What a call of one service type would have met."""

    service_type: str
    succeeds: bool
    """Whether it would be sent to a server; what that answers is not known."""
    why: str = ""
    """What its client would be told instead."""
    code: str = ""
    status: int = 0
    retry_after_s: float | None = None
    resets_at: datetime | None = None
    """When the next quota day begins, where nothing is left of this one."""
    session_id: str = ""
    server_id: str = ""
    lease_ms: float = 0.0
    """To the grant: the log has taken it."""
    select_ms: float = 0.0


class Rehearsal:
    """Goes a call's way up to where it would be sent."""

    def __init__(self, relay: Relay, balancer: BalancerCoalescer) -> None:
        """Ask what `relay` asks for clients, and `balancer`."""
        self._relay = relay
        self._balancer = balancer

    async def rehearse_call(self, service_type: ServiceType, key: Key) -> CallRehearsed:
        """Take a lease and give it back, and ask which server it would be used at.

        It is given back before this answers: else the next one that is tried, or a client's call,
        would find its session at work.
        """
        request_id = new_request_id()
        rehearsed = await self._use_leases(request_id, service_type, key)
        await self._relay.outbox.wait_until_cancelled(request_id, _GIVEN_BACK_WITHIN_S)
        return rehearsed

    async def _use_leases(
        self, request_id: RequestId, service_type: ServiceType, key: Key
    ) -> CallRehearsed:
        """Rehearse with one lease, and with others where a session's region has no server."""
        avoid_regions = list[str]()
        try:
            for number in range(1, _LEASES_MAX + 1):
                rehearsed = await self._use_lease(
                    request_id, number, service_type, key, avoid_regions
                )
                if rehearsed is not None:
                    return rehearsed
        except GatewayError as error:
            return _failed(service_type, error)
        regions = ", ".join(avoid_regions)
        message = f"no server serves sessions of {regions}, which are those that have units left"
        return _failed(service_type, GatewayError("no_backend", message))

    async def _use_lease(
        self,
        request_id: RequestId,
        number: int,
        service_type: ServiceType,
        key: Key,
        avoid_regions: list[str],
    ) -> CallRehearsed | None:
        """Rehearse with one lease; None where its session's region has no server. Raises."""
        started = time.perf_counter()
        answer = await self._ask_lease(request_id, number, service_type, key, avoid_regions)
        if isinstance(answer, Refused):
            failed = _failed(service_type, refusal_error(answer, service_type, avoid_regions))
            return msgspec.structs.replace(failed, resets_at=answer.resets_at)
        granted = time.perf_counter()
        try:
            authorization = await self._relay.credentials.authorization_for(answer)
            dialects = dialects_able([], authorization)
            server = await self._ask_server(request_id, service_type, answer, dialects)
        finally:
            self._give_back(request_id, number)
        if isinstance(server, NoServer):
            if server.region and number < _LEASES_MAX:
                avoid_regions.append(server.region)
                return None
            return _failed(service_type, no_server_error(server, service_type))
        return CallRehearsed(
            service_type=service_type,
            succeeds=True,
            session_id=answer.session_id,
            server_id=server.server_id,
            lease_ms=(granted - started) * 1000,
            select_ms=(time.perf_counter() - granted) * 1000,
        )

    async def _ask_lease(
        self,
        request_id: RequestId,
        number: int,
        service_type: ServiceType,
        key: Key,
        avoid_regions: Sequence[str],
    ) -> Granted | Refused:
        """Ask for a lease, and forbid it where no answer came. Raises `GatewayError`."""
        relay = self._relay
        if relay.outbox.blocked:
            raise GatewayError("ledger_unavailable", relay.outbox.blocked)
        requested = SessionRequested(
            request_id=request_id,
            number=number,
            service_type=service_type,
            asked_at=relay.clock(),
            gateway_id=relay.gateway_id,
            key_id=key.key_id,
            path=TRY_PATH,
            avoid_regions=list(avoid_regions),
        )
        try:
            answer = await relay.pool.ask(LeaseWanted(requested=requested))
        except (UnansweredError, RefusedBatchError) as error:
            if not isinstance(error, DisconnectedError) or error.sent_before:
                self._give_back(request_id, number)
            message = f"the pool does not answer: {error}"
            raise GatewayError("ledger_unavailable", message) from None
        assert isinstance(answer, (Granted, Refused)), "it neither only asked, nor would wait"
        return answer

    async def _ask_server(
        self,
        request_id: RequestId,
        service_type: ServiceType,
        granted: Granted,
        dialects: list[str],
    ) -> Selected | NoServer:
        """Ask which server this lease would be used at; it takes no turn. Raises `GatewayError`."""
        wanted = SelectServer(
            request_id=request_id,
            service_type=service_type,
            dialects=dialects,
            only_ask=True,
            session_id=granted.session_id,
            session_region=granted.region,
        )
        try:
            return await self._balancer.ask(wanted)
        except (UnansweredError, RefusedBatchError) as error:
            message = f"the balancer does not answer: {error}"
            raise GatewayError("no_backend", message) from None

    def _give_back(self, request_id: RequestId, number: int) -> None:
        """Give a lease back; it is told until the pool has heard it."""
        command = CancelLease(request_id=request_id, number=number, reason="only tried")
        self._relay.outbox.cancel_lease(command)


def _failed(service_type: str, error: GatewayError) -> CallRehearsed:
    """Say what a client would have been told."""
    return CallRehearsed(
        service_type=service_type,
        succeeds=False,
        why=error.message,
        code=error.code,
        status=error.http_status,
        retry_after_s=error.retry_after_s,
    )

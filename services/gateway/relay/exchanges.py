"""The open exchanges of this gateway: counted, told to the balancer, their leases renewed, bounded.

A balancer that has just taken the lead knows of open exchanges only what gateways tell it. Every
batch of selections does; so that a gateway without any is not forgotten, and its exchanges are not
counted for ever, it is told twice a second as well, as long as there is anything to tell.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts import subjects
from contracts.balancer import SelectServer, SelectServers
from contracts.base import Failed, GatewayId, LeaseId, ServerId
from contracts.pool import RenewAnswers, RenewLeases
from runtime.nats.connection import UnansweredError, ask_command
from runtime.process.logs import Log

OVERDUE = "exchange_max"
"""Why a task is cancelled whose exchange took too long; else the gateway stops."""
_LOOK_EVERY_S = 0.5
_BATCH_MAX = 256
_renewal_decoder = msgspec.json.Decoder(RenewAnswers | Failed)


class OpenExchange:
    """One exchange under way: to its holder a token, which is told of here alone."""

    __slots__ = ("lease_id", "renew_at", "renew_every_s", "server_id", "started", "task")

    def __init__(
        self,
        lease_id: LeaseId,
        server_id: ServerId,
        expires_in_s: float,
        started: float,
        task: "asyncio.Task[object] | None",
    ) -> None:
        """`started` is the loop's time; the lease is renewed every third of its life."""
        self.lease_id = lease_id
        self.server_id = server_id
        self.renew_every_s = expires_in_s / 3
        self.renew_at = started + self.renew_every_s
        self.started = started
        self.task = task


class OpenExchanges:
    """Every exchange this process has under way."""

    def __init__(
        self, client: Client, gateway_id: GatewayId, exchange_max_s: Callable[[], float], log: Log
    ) -> None:
        """Nothing is told or renewed before `run`."""
        self.per_server: Counter[ServerId] = Counter()
        self._answered_at: dict[ServerId, float] = {}
        """The loop's time when an answer last began, of the servers at which any is open."""
        self._gateway_id = gateway_id
        self._told: dict[ServerId, int] = {}
        self._client = client
        self._exchange_max_s = exchange_max_s
        self._log = log
        self._open: set[OpenExchange] = set()

    def begin_exchange(
        self, lease_id: LeaseId, server_id: ServerId, expires_in_s: float
    ) -> OpenExchange:
        """Count an exchange from here on."""
        loop = asyncio.get_running_loop()
        exchange = OpenExchange(
            lease_id, server_id, expires_in_s, loop.time(), asyncio.current_task()
        )
        self._open.add(exchange)
        self.per_server[server_id] += 1
        return exchange

    def end_exchange(self, exchange: OpenExchange) -> None:
        """Count it no more; its lease is not renewed from here on, nor its task cancelled."""
        self._open.discard(exchange)
        left = self.per_server[exchange.server_id] - 1
        assert left >= 0
        if left:
            self.per_server[exchange.server_id] = left
        else:
            del self.per_server[exchange.server_id]
            self._answered_at.pop(exchange.server_id, None)

    def note_answer(self, exchange: OpenExchange) -> None:
        """Note that its answer has begun: the server is not silent, however long it takes."""
        self._answered_at[exchange.server_id] = asyncio.get_running_loop().time()

    def __len__(self) -> int:
        """Count the exchanges under way."""
        return len(self._open)

    async def run(self) -> None:
        """Tell, renew and bound for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self._tell_balancer()
            now = asyncio.get_running_loop().time()
            due = []
            for exchange in self._open:
                if now - exchange.started > self._exchange_max_s():
                    if exchange.task is not None:
                        exchange.task.cancel(OVERDUE)
                elif now >= exchange.renew_at:
                    exchange.renew_at = now + exchange.renew_every_s
                    due.append(exchange.lease_id)
            for start in range(0, len(due), _BATCH_MAX):
                await self._renew_leases(due[start : start + _BATCH_MAX])

    def selection_command(self, items: list[SelectServer]) -> SelectServers:
        """Ask for servers, and tell what is open at each."""
        return SelectServers(
            gateway_id=self._gateway_id, items=items, open_exchanges=dict(self.per_server)
        )

    async def _tell_balancer(self) -> None:
        """Tell the balancer what is open, and once that nothing is any more; want no answer."""
        now = asyncio.get_running_loop().time()
        command = SelectServers(
            gateway_id=self._gateway_id,
            items=[],
            open_exchanges=dict(self.per_server),
            answered_s={name: round(now - at, 3) for name, at in self._answered_at.items()},
        )
        if self._client.is_connected and (command.open_exchanges or self._told):
            self._told = command.open_exchanges
            with suppress(NatsError, ConnectionError):
                await self._client.publish(subjects.BALANCER_SELECT, msgspec.json.encode(command))

    async def _renew_leases(self, lease_ids: list[LeaseId]) -> None:
        """Ask the pool to let them live on; what it cannot is logged, and asked again when due."""
        command = RenewLeases(lease_ids=lease_ids)
        try:
            reply = await ask_command(
                self._client, subjects.pool_renew(), command, _renewal_decoder, 1.0
            )
        except UnansweredError as error:
            self._log.warning("not_renewed", leases=len(lease_ids), reason=str(error))
            return
        if isinstance(reply, Failed):
            self._log.warning("not_renewed", leases=len(lease_ids), reason=reply.message)
            return
        for renewed in reply.items:
            if renewed.expires_in_s is None:
                self._log.warning("lease_ended_while_open", lease_id=renewed.lease_id)

"""Why this gateway cannot serve yet: asked of the parts it needs, once a second."""

import asyncio
from collections.abc import Callable

import msgspec
from nats.aio.client import Client

from contracts import subjects
from contracts.base import Failed, Ping, Pong
from runtime.nats.connection import UnansweredError, ask_command
from services.gateway.relay.usages import Outbox
from services.gateway.store import KeyLog

_EVERY_S = 1.0
_EVERY_UNREADY_S = 0.1
_TIMEOUT_S = 0.5
_pong_decoder = msgspec.json.Decoder(Pong | Failed)


class Readiness:
    """Ready when NATS is there, the keys are read, and the pool and the balancer have leaders.

    And when those can write: whoever would wait for a log that takes no writes waits in vain.
    """

    def __init__(
        self, client: Client, key_log: KeyLog, outbox: Outbox, next_ping: Callable[[], Ping]
    ) -> None:
        """Not ready before the first look; `next_ping` makes what the pool is asked with."""
        self._client = client
        self._key_log = key_log
        self._outbox = outbox
        self._next_ping = next_ping
        self._unanswered = "the pool and the balancer were not asked yet"
        self.draining = False

    def unready_reason(self) -> str:
        """Why it is not ready; empty when it is."""
        if self.draining:
            return "stopping"
        if not self._client.is_connected:
            return "NATS is not reachable"
        if not self._key_log.is_ready:
            return "the keys are not read yet"
        return self._outbox.blocked or self._unanswered

    async def run(self) -> None:
        """Ask pool and balancer for ever, ten times as often while it is not ready."""
        while True:
            self._unanswered = await self._ask_services()
            unready = self._unanswered or self._outbox.unwritable
            await asyncio.sleep(_EVERY_UNREADY_S if unready else _EVERY_S)

    async def _ask_services(self) -> str:
        """Ask both leaders; the outbox is told whether they can write."""
        unwritable = False
        for service, subject, ping in (
            ("pool", subjects.pool_ping(), self._next_ping()),
            ("balancer", subjects.BALANCER_PING, Ping()),
        ):
            try:
                answer = await ask_command(self._client, subject, ping, _pong_decoder, _TIMEOUT_S)
            except UnansweredError:
                self._outbox.unwritable = unwritable
                return f"the {service} has no leader"
            unwritable |= isinstance(answer, Pong) and answer.unwritable_s > 0
        self._outbox.unwritable = unwritable
        return ""

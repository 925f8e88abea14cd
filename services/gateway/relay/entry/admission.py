"""Calls of a key whose clients leave all the time wait their turn, before they crowd the gate.

When one is let in is the rule's (`domain.leavers`). Who leaves while it waits takes nothing and
costs nothing. Who has waited `WAIT_MAX_S` is turned away.
"""

import asyncio
import time
from collections.abc import Callable

from contracts.base import KeyId
from services.gateway.clients.keys import Key
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.leavers import Leavers
from services.gateway.relay.entry.queue import CallQueue

WAIT_MAX_S = 10.0
_CALL_IN_EVERY_S = 1.0


class Admission:
    """Lets calls in; `enter` and `leave` come in pairs."""

    def __init__(self, call_max_s: Callable[[], float]) -> None:
        """Nobody waits; no wait is longer than `call_max_s`."""
        self._call_max_s = call_max_s
        self._leavers = Leavers()
        self._queues: dict[KeyId, CallQueue[None]] = {}
        """Of those keys of which a call waits, or did a moment ago."""

    async def enter(self, key: Key) -> None:
        """Go in, or wait for it; whoever is cancelled meanwhile has not gone in.

        Raises `GatewayError` (rate_limit_exceeded) for a call that has waited too long.
        """
        key_id = key.key_id
        wait_s = self._leavers.wait_s(key_id, time.monotonic())
        if not wait_s and not self._queues.get(key_id):
            self._leavers.count_unsent(key_id)
            return
        wait_max_s = min(WAIT_MAX_S, self._call_max_s())
        try:
            async with asyncio.timeout(wait_max_s):
                await self._wait_turn(key_id)
        except TimeoutError:
            message = (
                f"too many calls of the key {key.name!r} were left before anything was sent;"
                f" this one has waited {wait_max_s:g} s for its turn"
            )
            wait_s = self._leavers.wait_s(key_id, time.monotonic())
            raise GatewayError("rate_limit_exceeded", message, retry_after_s=wait_s) from None

    def leave(self, key_id: KeyId) -> None:
        """Make room: the call is being sent, or over."""
        self._leavers.uncount_unsent(key_id)
        self._let_in(key_id)

    def count_abandoned(self, key_id: KeyId) -> None:
        """Count a call that was left before anything was sent."""
        self._leavers.count_abandoned(key_id, time.monotonic())

    def count_used(self, key_id: KeyId) -> None:
        """Count one that was used."""
        self._leavers.count_used(key_id, time.monotonic())
        self._let_in(key_id)

    async def _wait_turn(self, key_id: KeyId) -> None:
        queue = self._queues.get(key_id)
        if queue is not None:
            await queue.wait_turn(queue.join())
            return
        queue = self._queues[key_id] = CallQueue[None](lambda _: self.leave(key_id))
        waiter = queue.join()
        self._call_in_due(key_id)
        await queue.wait_turn(waiter)

    def _let_in(self, key_id: KeyId) -> None:
        """Call in as many of those who wait as may come now."""
        queue = self._queues.get(key_id)
        while queue and not self._leavers.wait_s(key_id, time.monotonic()):
            if queue.call_next(None):
                self._leavers.count_unsent(key_id)

    def _call_in_due(self, key_id: KeyId) -> None:
        """Call in whom time lets in, as long as anybody waits."""
        self._let_in(key_id)
        if not self._queues[key_id]:
            del self._queues[key_id]
            return
        wait_s = min(self._leavers.wait_s(key_id, time.monotonic()), _CALL_IN_EVERY_S)
        asyncio.get_running_loop().call_later(wait_s, self._call_in_due, key_id)

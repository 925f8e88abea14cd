"""A wave of calls is worked off depth first.

Clients that came together go on together: where each stage takes all of them before the next one
begins, none reaches its server before the last has its lease, and they come back in step for ever,
while the cores idle in between. So at most `WIDTH` calls at once stand between their admission and
the departure of their request; the others wait outside, in their order.

Where more come than can be served (a fast backend), depth first buys nothing, and whoever waits
outside is not there to fill the batches that go to the pool. So the gate stands open as long as it
has been crowded for `PATIENCE_S`, until it has not been for as long.
"""

import asyncio

from services.gateway.relay.queue import CallQueue

WIDTH = 16
PATIENCE_S = 0.25


class Gate:
    """Lets calls in, a few at a time; `enter` and `leave` come in pairs."""

    def __init__(self) -> None:
        """Nobody is there."""
        self._inside = 0
        self._waiting = CallQueue(self.leave)
        self._crowded = False
        self._since_s = 0.0
        """When that last changed, by the loop's clock."""
        self.open = False

    def __len__(self) -> int:
        """Count those who wait outside."""
        return len(self._waiting)

    async def enter(self) -> None:
        """Go in, or wait for it; whoever is cancelled meanwhile has not gone in."""
        loop = asyncio.get_running_loop()
        if self.open or self._inside < WIDTH:
            self._inside += 1
            if self._inside > WIDTH:
                self._turn_if_due(loop.time())
            return
        turn = self._waiting.join()
        if not self._crowded:
            # Nobody may come or go any more while those inside wait for a pool that is silent.
            loop.call_later(PATIENCE_S, self._turn_later)
            self._turn_if_due(loop.time())
        await self._waiting.wait_turn(turn)

    def leave(self) -> None:
        """Go out, and let the next one in."""
        assert self._inside > 0
        self._inside -= 1
        if self._crowded or self.open:
            self._turn_if_due(asyncio.get_running_loop().time())
        self._let_waiting_in()

    def _let_waiting_in(self) -> None:
        while self._waiting and (self.open or self._inside < WIDTH):
            if self._waiting.call_next():
                self._inside += 1

    def _turn_if_due(self, now_s: float) -> None:
        """See whether it has been crowded, or not, for so long that the gate is turned."""
        crowded = self._inside + len(self._waiting) > WIDTH
        if crowded is not self._crowded:
            self._crowded, self._since_s = crowded, now_s
        elif crowded is not self.open and now_s - self._since_s >= PATIENCE_S:
            self.open = crowded

    def _turn_later(self) -> None:
        self._turn_if_due(asyncio.get_running_loop().time())
        self._let_waiting_in()

"""A wave of calls is worked off depth first (ADR 31).

Clients that came together go on together: where each stage takes all of them before the next one
begins, none reaches its server before the last has its lease, and they come back in step for ever,
while the cores idle in between. So at most `WIDTH` calls at once stand between their admission and
the departure of their request; the others wait outside, in their order. When it stands open for
all is the rule's (`domain.crowd`).
"""

import asyncio

from services.gateway.domain.crowd import PATIENCE_S, Crowd
from services.gateway.relay.queue import CallQueue

WIDTH = 16
_LOOK_EVERY_S = PATIENCE_S + 0.05


class Gate:
    """Lets calls in, a few at a time; `enter` and `leave` come in pairs."""

    def __init__(self) -> None:
        """Nobody is there."""
        self._inside = 0
        self._waiting = CallQueue(self.leave)
        self._crowd = Crowd(WIDTH)
        self._looking = False

    def __len__(self) -> int:
        """Count those who wait outside."""
        return len(self._waiting)

    async def enter(self) -> None:
        """Go in, or wait for it; whoever is cancelled meanwhile has not gone in."""
        if self._inside >= WIDTH:
            self._note_count(one_more=1)
        if self._crowd.open or self._inside < WIDTH:
            self._inside += 1
            return
        self._look_later()
        await self._waiting.wait_turn(self._waiting.join())

    def leave(self) -> None:
        """Go out, and let the next one in."""
        assert self._inside > 0
        self._inside -= 1
        if self._crowd.crowded or self._crowd.open:
            self._note_count()
        self._let_waiting_in()

    def _note_count(self, one_more: int = 0) -> None:
        count = self._inside + len(self._waiting) + one_more
        self._crowd.note_count(count, asyncio.get_running_loop().time())

    def _let_waiting_in(self) -> None:
        while self._waiting and (self._crowd.open or self._inside < WIDTH):
            if self._waiting.call_next():
                self._inside += 1

    def _look_later(self) -> None:
        """Look by itself while calls wait: those inside may all wait for a pool that is silent."""
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look_again)

    def _look_again(self) -> None:
        self._looking = False
        self._note_count()
        self._let_waiting_in()
        if self._waiting:
            self._look_later()

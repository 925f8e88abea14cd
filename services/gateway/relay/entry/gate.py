"""A wave of calls is worked off depth first (ADR 31).

Clients that came together go on together: where each stage takes all of them before the next one
begins, none reaches its server before the last has its lease, and they come back in step for ever,
while the cores idle in between. So at most `WIDTH` calls at once stand between their admission and
the departure of their request; the others wait outside, in their order. When it stands open for
all is the rule's (`domain.crowd`). Whoever has been inside for longer than the rule's patience
hangs on something that is not the gateway's to work off, a server that drops packets or a pool that
is silent: its place is free again, so that nobody waits behind it.
"""

import asyncio

from services.gateway.domain.crowd import PATIENCE_S, Crowd
from services.gateway.relay.entry.queue import CallQueue

WIDTH = 16


class GatePlace:
    """What a call has that is inside, since a moment of the loop's clock; each is another."""

    __slots__ = ("entered_s",)

    def __init__(self, entered_s: float) -> None:
        """Go in at that moment."""
        self.entered_s = entered_s


class Gate:
    """Lets calls in, a few at a time; `enter` gives the place that `leave` takes back."""

    def __init__(self) -> None:
        """Nobody is there; the loop that runs is its clock."""
        self._loop = asyncio.get_running_loop()
        self._inside: dict[GatePlace, None] = {}
        """Who came in first stands first."""
        self._waiting = CallQueue[GatePlace](self.leave)
        self._crowd = Crowd(WIDTH)
        self._check_scheduled = False

    async def enter(self) -> GatePlace:
        """Go in, or wait for it; whoever is cancelled meanwhile has not gone in."""
        now_s = self._loop.time()
        if self._crowd.stays_open(len(self._inside) + 1):
            return self._take_place(now_s)
        if len(self._inside) >= WIDTH:
            self._free_overdue(now_s)
            self._note_count(now_s, one_more=1)
            self._let_waiting_in(now_s)
        if not self._waiting and self._has_room():
            return self._take_place(now_s)
        self._schedule_check(now_s)
        return await self._waiting.wait_turn(self._waiting.join())

    def _take_place(self, now_s: float) -> GatePlace:
        place = GatePlace(now_s)
        self._inside[place] = None
        return place

    def leave(self, place: GatePlace) -> None:
        """Go out, and let the next one in; a place that is free already is left as it is."""
        if place not in self._inside:
            return
        del self._inside[place]
        if self._crowd.stays_open(len(self._inside)):
            return
        if self._waiting or self._crowd.gate_open or self._crowd.crowded:
            now_s = self._loop.time()
            self._note_count(now_s)
            self._let_waiting_in(now_s)

    def _has_room(self) -> bool:
        return self._crowd.gate_open or len(self._inside) < WIDTH

    def _note_count(self, now_s: float, one_more: int = 0) -> None:
        count = len(self._inside) + len(self._waiting) + one_more
        self._crowd.note_count(count, now_s)

    def _free_overdue(self, now_s: float) -> None:
        """Take their places from those who came in too long ago, while anybody needs them."""
        while self._inside and not self._crowd.gate_open:
            first = next(iter(self._inside))
            if now_s - first.entered_s < PATIENCE_S:
                return
            del self._inside[first]

    def _let_waiting_in(self, now_s: float) -> None:
        while self._waiting and self._has_room():
            place = GatePlace(now_s)
            if self._waiting.call_next(place):
                self._inside[place] = None

    def _schedule_check(self, now_s: float) -> None:
        """Check by itself while calls wait, once the first of those inside is overdue."""
        if not self._check_scheduled:
            self._check_scheduled = True
            first_s = next(iter(self._inside)).entered_s
            self._loop.call_later(max(first_s + PATIENCE_S - now_s, 0), self._check_overdue)

    def _check_overdue(self) -> None:
        """Free the places of those who are overdue by now, and let in who waits for them."""
        self._check_scheduled = False
        now_s = self._loop.time()
        self._free_overdue(now_s)
        self._note_count(now_s)
        self._let_waiting_in(now_s)
        if self._waiting:
            self._schedule_check(now_s)

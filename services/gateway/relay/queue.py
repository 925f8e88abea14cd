"""Calls that wait in the order in which they came, until somebody calls the first of them in."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

PlaceInLine = asyncio.Future[None]


class CallQueue:
    """First come, first served; to join, to be called in and to go away take the same short time.

    Whoever is cancelled goes out of it. Who had been called in by then has a place all the same,
    which `give_back` is told.
    """

    def __init__(self, give_back: Callable[[PlaceInLine], object]) -> None:
        """Nobody waits."""
        self._turns: OrderedDict[PlaceInLine, None] = OrderedDict()
        self._give_back = give_back

    def __len__(self) -> int:
        """Count those who wait."""
        return len(self._turns)

    def join(self) -> PlaceInLine:
        """Stand at the end; `wait_turn` must follow before anything else is waited for."""
        turn: PlaceInLine = asyncio.get_running_loop().create_future()
        self._turns[turn] = None
        return turn

    async def wait_turn(self, turn: PlaceInLine) -> None:
        """Wait until called in."""
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._turns.pop(turn, None)
            else:
                self._give_back(turn)
            raise

    def call_next(self) -> PlaceInLine | None:
        """Call the first one in, and say whom; None when nobody is there."""
        while self._turns:
            turn, _ = self._turns.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return turn
        return None

"""Calls that wait in the order in which they came, until somebody calls the first of them in."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_Place = TypeVar("_Place")


class CallQueue(Generic[_Place]):
    """First come, first served; to join, to be called in and to go away take the same short time.

    Whoever is cancelled goes out of it. Who had been called in by then has a place all the same,
    which `give_back` is told.
    """

    def __init__(self, give_back: Callable[[_Place], object]) -> None:
        """Nobody waits."""
        self._waiters: OrderedDict[asyncio.Future[_Place], None] = OrderedDict()
        self._give_back = give_back

    def __len__(self) -> int:
        """Count those who wait."""
        return len(self._waiters)

    def join(self) -> asyncio.Future[_Place]:
        """Stand at the end; `wait_turn` must follow before anything else is waited for."""
        waiter: asyncio.Future[_Place] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        return waiter

    async def wait_turn(self, waiter: asyncio.Future[_Place]) -> _Place:
        """Wait until called in, and say to which place."""
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._waiters.pop(waiter, None)
            else:
                self._give_back(waiter.result())
            raise

    def call_next(self, place: _Place) -> bool:
        """Call the first one in, to this place; say whether anybody was there."""
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                waiter.set_result(place)
                return True
        return False

"""Strides: whose turn it is among the keys that wait for one service type.

The key whose pass is least is next, and the units that it gets, divided by its weight, are added to
its pass, so that keys of one weight that all wait get the same units whatever the number of their
requests, and one of weight three gets three times as many. A key enters at the pass of whoever had
the last turn: it has saved nothing up, and owes nothing. (Waldspurger, Weihl: Stride Scheduling,
1995.)
"""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from heapq import heapify, heappop, heappush

import msgspec

from contracts.base import KeyId, LeaseId, ServiceType

_SPARE = 64
_STRIDE = 2**20
"""Of one unit at weight one; a whole number, so that passes that are equal stay it."""

Order = tuple[datetime, datetime, LeaseId]
"""The order within a key: deadline, since when it waits, name."""


def stride_of(units: int, weight: int) -> int:
    """Tell by how much so many units at a key's `weight` move its pass."""
    return units * _STRIDE // max(weight, 1)


class Lane(msgspec.Struct, eq=False):
    """Those of one key; there is at least one."""

    passed: int
    """Strides of what the key was granted, beyond those that nobody had when it came."""
    orders: list[Order] = msgspec.field(default_factory=list)


class Lanes:
    """The keys that wait for one type."""

    __slots__ = ("_heap", "_last_pass", "by_key", "waiting")

    def __init__(self) -> None:
        """Nobody waits."""
        self.by_key: dict[KeyId, Lane] = {}
        self.waiting = 0
        """How many wait, those who are set aside among them."""
        self._last_pass = 0
        """Of the key that had its turn last."""
        self._heap: list[tuple[int, Order, KeyId]] = []
        """An entry is true while its lane's pass and first wait are the entry's."""

    def add_order(self, key_id: KeyId, order: Order) -> None:
        """Let one more of a key wait."""
        lane = self.by_key.get(key_id)
        if lane is None:
            lane = self.by_key[key_id] = Lane(self._last_pass)
        insort(lane.orders, order)
        self.await_turn(key_id)

    def remove_order(self, key_id: KeyId, order: Order, stride: int = 0) -> None:
        """Take one of a key out; `stride` is that of what it was granted."""
        lane = self.by_key[key_id]
        del lane.orders[bisect_left(lane.orders, order)]
        lane.passed += stride
        if lane.orders:
            self.await_turn(key_id)
        else:
            del self.by_key[key_id]

    def set_aside(self, key_id: KeyId, order: Order) -> None:
        """Have one that waits on stand nowhere, until it is added again.

        Its key may have to `await_turn`.
        """
        lane = self.by_key[key_id]
        del lane.orders[bisect_left(lane.orders, order)]
        if not lane.orders:
            del self.by_key[key_id]

    def await_turn(self, key_id: KeyId) -> None:
        """Have a key stand where its pass puts it."""
        lane = self.by_key[key_id]
        heappush(self._heap, (lane.passed, lane.orders[0], key_id))
        if len(self._heap) > 2 * len(self.by_key) + _SPARE:
            self._heap = [(one.passed, one.orders[0], key) for key, one in self.by_key.items()]
            heapify(self._heap)

    def take_turn(self) -> KeyId | None:
        """Name the key whose turn it is; it has none again before it `await_turn`."""
        while self._heap:
            passed, first, key_id = heappop(self._heap)
            lane = self.by_key.get(key_id)
            if lane is not None and (lane.passed, lane.orders[0]) == (passed, first):
                self._last_pass = passed
                return key_id
        return None

    def in_order(self, strides: Mapping[LeaseId, int]) -> Iterator[LeaseId]:
        """Name those who wait as they would be served if nobody came any more."""
        heap = [(lane.passed, lane.orders[0], 0, key) for key, lane in self.by_key.items()]
        heapify(heap)
        while heap:
            passed, (_, _, lease_id), at, key_id = heappop(heap)
            yield lease_id
            orders = self.by_key[key_id].orders
            if at + 1 < len(orders):
                heappush(heap, (passed + strides[lease_id], orders[at + 1], at + 1, key_id))


class TypeTurns:
    """Whose turn it is among the service types: they may share the sessions that come free.

    Each gets turns by the number of keys that wait for it, so that none waits for all of another.
    """

    __slots__ = ("_last_pass", "_passes")

    def __init__(self) -> None:
        """No type is waited for."""
        self._passes: dict[ServiceType, int] = {}
        self._last_pass = 0
        """Of the type that had its turn last; where one begins that nobody waited for."""

    def keep_types(self, types: Collection[ServiceType]) -> None:
        """Forget those that nobody waits for."""
        self._passes = {name: self._passes.get(name, self._last_pass) for name in types}

    def next_type(self, among: Collection[ServiceType]) -> ServiceType:
        """Name the one of these that has had the least."""
        return min(among, key=lambda name: (self._passes[name], name))

    def note_turn(self, name: ServiceType, keys: int) -> None:
        """Know that one of so many keys that wait for this type was served."""
        self._last_pass = self._passes[name]
        self._passes[name] += _STRIDE // max(keys, 1)

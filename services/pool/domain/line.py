"""Who waits, in the order in which they are served: the memory of one leader.

Strides, for each service type: the key whose pass is least is served next, and the units that it
gets are added to its pass, so that keys that all wait get the same units whatever the number of
their requests. A key enters at the least pass present: it has saved nothing up, and owes nothing.
Within a key the earliest deadline comes first. A new leader begins with nobody; gateways ask again
for what they wait for, and passes begin equal.
"""

from bisect import bisect_left, insort
from collections import Counter, OrderedDict
from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import heapify, heappop, heapreplace

import msgspec

from contracts.base import KeyId, LeaseId, ServiceType, SessionId
from contracts.pool import SessionRequested
from services.pool.domain.index.choice import Index

_POSITIONS_FOR = timedelta(seconds=1)
"""How long positions are told that were counted once."""
_AFFINITIES_KEPT = 10_000

Order = tuple[datetime, datetime, LeaseId]
"""The order within a key: deadline, since when it waits, name."""


class Wait(msgspec.Struct, eq=False, kw_only=True):
    """One request that waits for a lease."""

    lease_id: LeaseId
    requested: SessionRequested
    came_at: datetime
    """When this leader heard of it first."""
    since: datetime
    """Since when its request waits, under this leader or another."""
    deadline: datetime
    heard_at: datetime
    """When its gateway asked last."""
    journalled: bool = False

    @property
    def order(self) -> Order:
        """Where it stands among those of its key."""
        return self.deadline, self.since, self.lease_id


class Lane(msgspec.Struct, eq=False):
    """Those of one key who wait for one service type; there is at least one."""

    passed: int
    """Units that the key was granted, beyond those that nobody had when it came."""
    orders: list[Order] = msgspec.field(default_factory=list)


class _Positions(msgspec.Struct, frozen=True):
    """Who came before whom, as it was counted at a moment."""

    counted_at: datetime
    version: int
    by_lease: dict[LeaseId, int]


class WaitingLine:
    """All who wait."""

    def __init__(self) -> None:
        """Nobody waits."""
        self.waits: dict[LeaseId, Wait] = {}
        self.young: dict[LeaseId, None] = {}
        """Of these nothing is journalled yet; the first came first."""
        self.lanes: dict[ServiceType, dict[KeyId, Lane]] = {}
        self.counts: Counter[KeyId] = Counter()
        """How many of each key wait."""
        self.began_at: datetime | None = None
        """When this leader looked after its waits first."""
        self.looked_at: datetime | None = None
        """When it looked last for those who wait in vain."""
        self.journalled: Counter[KeyId] = Counter()
        """Waits of each key that were journalled within `second`."""
        self.second: datetime | None = None
        self.affinities = OrderedDict[str, SessionId]()
        """Which session served whom last, the latest last."""
        self._served: tuple[Index, int] | None = None
        self._positions: dict[ServiceType, _Positions] = {}
        self._version = 0

    def __len__(self) -> int:
        return len(self.waits)

    def add_wait(self, wait: Wait) -> None:
        """Let one more wait."""
        requested = wait.requested
        lanes = self.lanes.setdefault(requested.service_type, {})
        lane = lanes.get(requested.key_id)
        if lane is None:
            least = min((other.passed for other in lanes.values()), default=0)
            lane = lanes[requested.key_id] = Lane(least)
        insort(lane.orders, wait.order)
        self.waits[wait.lease_id] = wait
        if not wait.journalled:
            self.young[wait.lease_id] = None
        self.counts[requested.key_id] += 1
        self._version += 1

    def remove_wait(self, lease_id: LeaseId) -> Wait:
        """Take one out who waits."""
        wait = self.waits.pop(lease_id)
        self.young.pop(lease_id, None)
        service_type, key_id = wait.requested.service_type, wait.requested.key_id
        lanes = self.lanes[service_type]
        orders = lanes[key_id].orders
        del orders[bisect_left(orders, wait.order)]
        if not orders:
            del lanes[key_id]
        if not lanes:
            del self.lanes[service_type]
        self.counts[key_id] -= 1
        if not self.counts[key_id]:
            del self.counts[key_id]
        self._version += 1
        return wait

    def note_affinity(self, affinity: str, session_id: SessionId) -> None:
        """Know which session served whoever says this; the oldest is forgotten for it."""
        self.affinities[affinity] = session_id
        self.affinities.move_to_end(affinity)
        if len(self.affinities) > _AFFINITIES_KEPT:
            self.affinities.popitem(last=False)

    def count_pass(self, service_type: ServiceType, key_id: KeyId, units: int) -> None:
        """Count what a key was granted, if more of it wait."""
        lane = self.lanes.get(service_type, {}).get(key_id)
        if lane is not None:
            lane.passed += units

    def is_served(self, index: Index) -> bool:
        """Whether nothing has come free since everybody was looked at."""
        return self._served == (index, index.gains)

    def note_served(self, index: Index) -> None:
        """Everybody was looked at: who still waits waits for something to come free."""
        self._served = index, index.gains

    def stir(self) -> None:
        """Have everybody looked at anew: somebody came, or is heard again."""
        self._served = None

    def position_of(self, wait: Wait, now: datetime) -> int:
        """Count those who are served before it, as of a second ago at the most.

        Who came since then stands behind all.
        """
        service_type = wait.requested.service_type
        counted = self._positions.get(service_type)
        if counted is None or (
            counted.version != self._version and now - counted.counted_at >= _POSITIONS_FOR
        ):
            order = enumerate(self._in_order(service_type))
            counted = _Positions(now, self._version, {lease: at for at, lease in order})
            self._positions = {
                name: told for name, told in self._positions.items() if name in self.lanes
            }
            self._positions[service_type] = counted
        at = counted.by_lease.get(wait.lease_id)
        if at is None:
            lanes = self.lanes[service_type].values()
            return sum(len(lane.orders) for lane in lanes) - 1
        return at

    def _in_order(self, service_type: ServiceType) -> Iterator[LeaseId]:
        """Name those who wait for a type, as they would be served if nobody came any more."""
        heap = [
            (lane.passed, lane.orders[0], 0, lane) for lane in self.lanes[service_type].values()
        ]
        heapify(heap)
        while heap:
            passed, (_, _, lease_id), at, lane = heap[0]
            yield lease_id
            if at + 1 == len(lane.orders):
                heappop(heap)
            else:
                passed += self.waits[lease_id].requested.units
                heapreplace(heap, (passed, lane.orders[at + 1], at + 1, lane))

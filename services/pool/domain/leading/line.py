"""Who waits for a lease: the memory of one leader.

A new leader begins with nobody; gateways ask again for what they wait for, and all keys' passes
begin equal.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from contracts.base import GatewayId, KeyId, LeaseId, ServiceType, SessionId
from contracts.pool import SessionRequested
from services.pool.domain.index.choice import Index
from services.pool.domain.leading.forecast import Forecast
from services.pool.domain.leading.lanes import Lanes, Order, TypeTurns, stride_of

_POSITIONS_FOR = timedelta(seconds=1)
"""How long positions are told that were counted once."""
_AFFINITIES_KEPT = 10_000
_ENDS_KEPT = 64
_TYPES_MAX = 1000


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
    absent: bool = False
    """Nobody could be told of a grant where it waits, or was heard of for long; until it is asked
    for again. It stands in no lane: a gateway that is gone leaves a thousand of a key."""

    @property
    def order(self) -> Order:
        """Where it stands among those of its key."""
        return self.deadline, self.since, self.lease_id

    @property
    def stride(self) -> int:
        """By how much its grant moves its key's pass."""
        return stride_of(self.requested.units, self.requested.weight)


class WaitOver(msgspec.Struct, frozen=True):
    """One wait that is over, for the metrics."""

    service_type: ServiceType
    how: str
    """`granted`, `left` (its gateway gave it up), or why it ended in vain, as `WaitEnd.reason`."""
    seconds: float


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
        self.lanes: dict[ServiceType, Lanes] = {}
        self.turns = TypeTurns()
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
        self.durations: dict[ServiceType, deque[float]] = {}
        """How many seconds the last leases of a type that ended were open."""
        self.forecasts: dict[ServiceType, Forecast] = {}
        """Of those types that are waited for."""
        self.over: list[WaitOver] = []
        """Waits that ended since these were counted last."""
        self.untold: set[LeaseId] = set()
        """Leases of those who waited, of which their gateways were told by one delivery at most,
        which nobody has taken in yet."""
        self._served: tuple[Index, int] | None = None
        self._positions: dict[ServiceType, _Positions] = {}
        self._version = 0

    def __len__(self) -> int:
        return len(self.waits)

    def add_wait(self, wait: Wait) -> None:
        """Let one more wait."""
        requested = wait.requested
        lanes = self.lanes.get(requested.service_type)
        if lanes is None:
            lanes = self.lanes[requested.service_type] = Lanes()
        lanes.waiting += 1
        if not wait.absent:
            lanes.add_order(requested.key_id, wait.order)
        self.waits[wait.lease_id] = wait
        if not wait.journalled:
            self.young[wait.lease_id] = None
        self.counts[requested.key_id] += 1
        self._version += 1

    def remove_wait(self, lease_id: LeaseId, *, granted: bool = False) -> Wait:
        """Take one out who waits; what it is `granted` counts as its key's."""
        wait = self.waits.pop(lease_id)
        self.young.pop(lease_id, None)
        requested = wait.requested
        service_type, key_id = requested.service_type, requested.key_id
        lanes = self.lanes[service_type]
        lanes.waiting -= 1
        if not wait.absent:
            lanes.remove_order(key_id, wait.order, wait.stride if granted else 0)
        if not lanes.waiting:
            del self.lanes[service_type]
        self.counts[key_id] -= 1
        if not self.counts[key_id]:
            del self.counts[key_id]
        self._version += 1
        return wait

    def note_over(self, wait: Wait, how: str, now: datetime) -> None:
        """Keep how a wait ended; whoever takes it back takes the last one away."""
        seconds = max((now - wait.since).total_seconds(), 0.0)
        self.over.append(WaitOver(wait.requested.service_type, how, seconds))

    def drop_wait(self, lease_id: LeaseId) -> None:
        """Take one out, if it waits."""
        if lease_id in self.waits:
            self.remove_wait(lease_id)

    def note_journalled(self, lease_id: LeaseId) -> None:
        """Know that the log names a wait, if it waits."""
        wait = self.waits.get(lease_id)
        if wait is not None:
            wait.journalled = True
            self.young.pop(lease_id, None)

    def note_absent(self, gateway_id: GatewayId) -> None:
        """Pass over all whose gateway nobody could reach, until it asks for them again."""
        gone = [wait for wait in self.waits.values() if wait.requested.gateway_id == gateway_id]
        self.set_aside(gone)
        for service_type, key_id in {
            (wait.requested.service_type, wait.requested.key_id) for wait in gone
        }:
            lanes = self.lanes[service_type]
            if key_id in lanes.by_key:
                lanes.await_turn(key_id)

    def set_aside(self, waits: Iterable[Wait]) -> None:
        """Pass over these until they are asked for again; who is taking a turn awaits its next."""
        for wait in waits:
            if not wait.absent:
                wait.absent = True
                requested = wait.requested
                self.lanes[requested.service_type].set_aside(requested.key_id, wait.order)
                self._version += 1

    def hear(self, wait: Wait, now: datetime) -> None:
        """Know that somebody is there to take its lease."""
        requested = wait.requested
        lanes = self.lanes[requested.service_type]
        wait.heard_at = now
        if wait.absent:
            wait.absent = False
            lanes.add_order(requested.key_id, wait.order)
        else:
            lanes.await_turn(requested.key_id)
        self._served = None

    def note_affinity(self, affinity: str, session_id: SessionId) -> None:
        """Know which session served whoever says this; the oldest is forgotten for it."""
        self.affinities[affinity] = session_id
        self.affinities.move_to_end(affinity)
        if len(self.affinities) > _AFFINITIES_KEPT:
            self.affinities.popitem(last=False)

    def note_end(self, service_type: ServiceType, seconds: float) -> None:
        """Note how long a lease of this type was open: by it is told who waits for how long.

        Nobody takes it back: it is an estimate.
        """
        durations = self.durations.get(service_type)
        if durations is None:
            if len(self.durations) >= _TYPES_MAX:
                return
            durations = self.durations[service_type] = deque(maxlen=_ENDS_KEPT)
        durations.append(max(seconds, 0.0))

    def is_served(self, index: Index) -> bool:
        """Whether nothing has come free since everybody was looked at."""
        return self._served == (index, index.gains)

    def note_served(self, index: Index) -> None:
        """Everybody was looked at: who still waits waits for something to come free."""
        self._served = index, index.gains

    def stir(self) -> None:
        """Have everybody looked at anew: what was granted was taken back."""
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
            strides = {name: one.stride for name, one in self.waits.items()}
            order = enumerate(self.lanes[service_type].in_order(strides))
            counted = _Positions(now, self._version, {lease: at for at, lease in order})
            self._positions = {
                name: positions for name, positions in self._positions.items() if name in self.lanes
            }
            self._positions[service_type] = counted
        at = counted.by_lease.get(wait.lease_id)
        return self.lanes[service_type].waiting - 1 if at is None else at

"""Which session to lease: found in time that does not grow with the pool.

Order of preference (leases.md): quota that resets soonest; then sessions with the fewest rarer
service types left, so that rare capabilities stay for rare work; then the least used. Doubtful ones
come after all others. A call that avoids regions looks at every session of those on its way. A
suspect whose minute is over gets its trial from the first request not disappointed yet.

The index is derived from the records and the time, and can be rebuilt from them at any moment: it
is no part of the ledger. `place_session` must follow every change of a session.
"""

from collections.abc import Container, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

import msgspec

from contracts.base import LeaseId, ServiceType, SessionId
from contracts.pool import Policy, SessionStatus
from services.pool.domain.index.avoidance import Avoided
from services.pool.domain.index.deadlines import Deadlines
from services.pool.domain.index.shelves import (
    COUNTABLE,
    GRANTABLE,
    Placing,
    Shelf,
    ShelfKind,
)
from services.pool.domain.index.supply import rank_types, supply_with
from services.pool.domain.quota import Zone, policy_span, turn_zone, zone_at
from services.pool.domain.records import DayAccount, Lease, Session

SUSPICION = timedelta(seconds=60)
"""How long a suspect waits for its trial, and how long its accusation counts for another's."""
_LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
"""The latest moment of a log of which this is reckoned with: the calendar ends soon after."""
_NOTHING: dict[ServiceType, DayAccount] = {}
_NOWHERE: dict[ServiceType, Placing] = {}


class Choice(msgspec.Struct, frozen=True):
    """The session, the zone its quota day comes from, and whether the call is its trial."""

    session: Session
    zone: Zone
    trial: bool


class Index:
    """Every session on the shelves where it belongs at `now`."""

    def __init__(
        self,
        sessions: dict[SessionId, Session],
        opened: dict[LeaseId, Lease],
        policy: Policy,
        now: datetime,
    ) -> None:
        """Build it: O(sessions + open leases)."""
        self.now = now
        self.gains = 0
        """Counts whenever a session has come to have more to grant than before."""
        self.deadlines = Deadlines(opened)
        self.zones: dict[str, Zone] = {}
        self._sessions = sessions
        self._policy = policy
        self._guard = policy_span(policy.reset_guard_s)
        self._shelves: dict[tuple[ServiceType, str, ShelfKind, int], Shelf] = {}
        self._order: dict[ServiceType, list[Shelf]] = {}
        self._placings: dict[SessionId, dict[ServiceType, Placing]] = {}
        self._waking: list[tuple[datetime, SessionId]] = []
        self.wakes: dict[SessionId, datetime] = {}
        self._next_reset: datetime | None = None
        self._supply = dict.fromkeys(policy.daily_limits, 0)
        for session in sessions.values():
            self._supply = supply_with(self._supply, self._policy, session)
        self._rarest_first = rank_types(self._supply)
        for session in sessions.values():
            self.place_session(session)

    def is_reordered_by(self, session: Session) -> bool:
        """Whether a new session changes which types are rare: then the index is built anew."""
        return rank_types(supply_with(self._supply, self._policy, session)) != self._rarest_first

    def add_session(self, session: Session) -> None:
        """Place a new session, by which it `is_reordered_by` not."""
        self._supply = supply_with(self._supply, self._policy, session)
        self.place_session(session)

    def advance_to(self, now: datetime) -> None:
        """Let time pass: cool-downs and suspicions end, quota days begin."""
        self.now = now
        while self._waking and self._waking[0][0] <= now:
            due, session_id = heappop(self._waking)
            # Any other entry is older: it was cooled or suspected anew since.
            if self.wakes.get(session_id) == due:
                del self.wakes[session_id]
                self.place_session(self._sessions[session_id])
        if self._next_reset is not None and now >= self._next_reset:
            self._turn_days()

    def place_session(self, session: Session) -> None:
        """Put `session` where its record says it belongs now."""
        zone = self._zone_of(session)
        kind = self._kind_of(session)
        # Of those that rest or wait for a trial none is chosen for what else it can do.
        ranked = kind is ShelfKind.FREE or kind is ShelfKind.DOUBTFUL
        session_id = session.session_id
        accounts = session.days.get(zone.day, _NOTHING)
        placed = self._placings.get(session_id)
        if placed is None:
            placed = self._placings[session_id] = {}
        rarity = 0
        for service_type in self._rarest_first:
            left = 0 if kind is None else self._session_units(session, accounts, service_type)
            old = placed.get(service_type)
            if left <= 0 or kind is None:
                if old is not None:
                    old.shelf.take_session(session_id, old.left)
                    del placed[service_type]
                continue
            shelf = self._open_shelf(service_type, zone, kind, rarity if ranked else 0)
            # Types come rarest first: this counts those before this one that it has left.
            rarity += 1
            if old is not None:
                # As it was: it keeps its turn among its equals.
                if old.shelf is shelf and old.left == left:
                    continue
                old.shelf.take_session(session_id, old.left)
            if kind in GRANTABLE and (old is None or old.left < left or old.shelf.kind is not kind):
                self.gains += 1
            shelf.put_session(session_id, left)
            placed[service_type] = Placing(shelf, left)

    def choose_session(
        self,
        service_type: ServiceType,
        units: int,
        avoid: Container[SessionId],
        avoid_regions: Container[str] = (),
        *,
        kinds: Sequence[ShelfKind],
        preferred: SessionId | None = None,
    ) -> Choice | None:
        """Find the best session with at least `units` left, outside the guard of its reset.

        Shelves of the first of these `kinds` are looked through before those of the next. One that
        is `preferred` is taken if it is free.
        """
        if avoid_regions:
            avoid = Avoided(avoid, avoid_regions, self._sessions)
        if preferred is not None and preferred not in avoid:
            placing = self._placings.get(preferred, _NOWHERE).get(service_type)
            if placing is not None and self._is_free(placing, units):
                return Choice(self._sessions[preferred], placing.shelf.zone, trial=False)
        order = self._best_shelves(service_type)
        for shelf in [shelf for kind in kinds for shelf in order if shelf.kind is kind]:
            if shelf.zone.guard_at > self.now:
                session_id = shelf.first_session(units, avoid)
                if session_id is not None:
                    session = self._sessions[session_id]
                    return Choice(session, shelf.zone, shelf.kind is ShelfKind.TRIAL)
        return None

    def _is_free(self, placing: Placing, units: int) -> bool:
        free = placing.shelf.kind is ShelfKind.FREE and placing.left >= units
        return free and placing.shelf.zone.guard_at > self.now

    def countable_shelves(
        self, service_type: ServiceType, kinds: Container[ShelfKind] = COUNTABLE
    ) -> list[Shelf]:
        """List where the sessions of these kinds stand that have an unreserved unit today."""
        return [shelf for shelf in self._best_shelves(service_type) if shelf.kind in kinds]

    def has_units(
        self, service_type: ServiceType, units: int, kinds: Container[ShelfKind] = COUNTABLE
    ) -> bool:
        """Whether a session of these kinds has `units` unreserved, busy or cooling though it be."""
        shelves = self.countable_shelves(service_type, kinds)
        return any(shelf.first_session(units, ()) is not None for shelf in shelves)

    def units_left(self, service_type: ServiceType) -> int:
        """Sum the unreserved units of all countable sessions today."""
        return sum(shelf.units for shelf in self.countable_shelves(service_type))

    def units_left_by_type(self, session: Session) -> dict[ServiceType, int]:
        """Tell what `session` has left today of every service type."""
        accounts = session.days.get(self._zone_of(session).day, _NOTHING)
        return {
            name: self._session_units(session, accounts, name) for name in self._policy.daily_limits
        }

    def zone_of(self, session: Session) -> Zone:
        """Tell which zone's quota day counts for `session`."""
        return self._zone_of(session)

    def guard_ends_at(self) -> datetime | None:
        """Tell the earliest reset that is so near that its zone grants nothing."""
        near = [zone.resets_at for zone in self.zones.values() if zone.guard_at <= self.now]
        return min(near, default=None)

    def next_reset(self) -> datetime | None:
        """Tell when the first quota day ends; None when no session has one."""
        return self._next_reset

    def next_waking(self) -> datetime | None:
        """Tell when the first cool-down or suspicion ends."""
        return self._waking[0][0] if self._waking else None

    def _kind_of(self, session: Session) -> ShelfKind | None:
        """Tell which shelves suit `session`; None: no lease for it. Notes when that may end."""
        if session.status is not SessionStatus.ACTIVE:
            draining = session.status is SessionStatus.DRAINING
            return ShelfKind.DRAINING if draining else None
        cooling = session.cooling_until
        if cooling is not None and cooling <= self.now:
            cooling = None
        if session.suspected_at is not None:
            return self._suspects_kind(session, session.suspected_at, cooling)
        if cooling is not None:
            self._wake_at(session.session_id, cooling)
            return ShelfKind.RESTING
        if self._is_busy(session):
            return ShelfKind.RESTING
        return ShelfKind.DOUBTFUL if session.doubts else ShelfKind.FREE

    def _suspects_kind(
        self, session: Session, suspected_at: datetime, cooling: datetime | None
    ) -> ShelfKind | None:
        """Tell whether a suspect may be tried; notes when it may if not."""
        due = min(suspected_at, _LATEST) + SUSPICION
        if due > self.now:
            self._wake_at(session.session_id, due)
            return None
        # One trial at a time, and nothing beside it: what it shows is to be of this session.
        if session.trial or cooling is not None or self._is_busy(session):
            if cooling is not None:
                self._wake_at(session.session_id, cooling)
            return None
        return ShelfKind.TRIAL

    def _is_busy(self, session: Session) -> bool:
        bound = self._policy.session_concurrency
        return bound > 0 and session.open_leases >= bound

    def _wake_at(self, session_id: SessionId, at: datetime) -> None:
        if self.wakes.get(session_id) != at:
            self.wakes[session_id] = at
            heappush(self._waking, (at, session_id))

    def _session_units(
        self, session: Session, accounts: dict[ServiceType, DayAccount], service_type: ServiceType
    ) -> int:
        limit = session.limits.get(service_type)
        if limit is None:
            limit = self._policy.daily_limits[service_type]
        account = accounts.get(service_type)
        if account is None:
            return limit
        return 0 if account.closed else max(0, limit - account.used - account.reserved)

    def _open_shelf(
        self, service_type: ServiceType, zone: Zone, kind: ShelfKind, rarity: int
    ) -> Shelf:
        key = (service_type, zone.name, kind, rarity)
        shelf = self._shelves.get(key)
        if shelf is None:
            shelf = self._shelves[key] = Shelf(kind, zone, rarity)
            self._order.pop(service_type, None)
        return shelf

    def _best_shelves(self, service_type: ServiceType) -> list[Shelf]:
        """List the shelves of a type, best first; there are zones times types of them."""
        order = self._order.get(service_type)
        if order is None:
            order = [shelf for key, shelf in self._shelves.items() if key[0] == service_type]
            order.sort(key=lambda shelf: (shelf.zone.resets_at, shelf.rarity))
            self._order[service_type] = order
        return order

    def _zone_of(self, session: Session) -> Zone:
        name = session.quota_timezone or self._policy.quota_timezone
        return self.zones.get(name) or self._zone_named(name)

    def _zone_named(self, name: str) -> Zone:
        zone = self.zones[name] = zone_at(name, self.now, self._guard)
        if self._next_reset is None or zone.resets_at < self._next_reset:
            self._next_reset = zone.resets_at
        return zone

    def _turn_days(self) -> None:
        turned = [zone for zone in self.zones.values() if zone.resets_at <= self.now]
        for zone in turned:
            turn_zone(zone, self.now, self._guard)
        self._next_reset = min(zone.resets_at for zone in self.zones.values())
        # Shelves are ordered by their resets, which have just moved.
        self._order.clear()
        for session in self._sessions.values():
            if self._zone_of(session) in turned:
                self.place_session(session)

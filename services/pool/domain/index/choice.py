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
from services.pool.domain.index.places import Places, group_with
from services.pool.domain.index.shelves import (
    COUNTABLE,
    SUSPECTS,
    WITHHELD,
    Placing,
    Shelf,
    ShelfKind,
)
from services.pool.domain.index.zones import Zones
from services.pool.domain.quota import Zone
from services.pool.domain.records import Account, Lease, Session

SUSPICION = timedelta(seconds=60)
"""How long a suspect waits for its trial, and how long its accusation counts for another's."""
_LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
"""The latest moment of a log of which this is reckoned with: the calendar ends soon after."""


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
        self.deadlines = Deadlines(opened)
        self.zones = Zones(policy, now)
        self._sessions = sessions
        self._policy = policy
        self._places = Places(policy, self.zones)
        self._waking: list[tuple[datetime, SessionId]] = []
        self.wakes: dict[SessionId, datetime] = {}
        for session in sessions.values():
            self._places.enter_account(session.account)
        self._places.rank_types()
        for session in sessions.values():
            self.place_session(session)

    @property
    def gains(self) -> int:
        """Count how often a session has come to have more to grant than before."""
        return self._places.gains

    def is_reordered_by(self, session: Session) -> bool:
        """Whether a new session changes which types are rare: then the index is built anew."""
        return self._places.is_reordered_by(session.account)

    def add_session(self, session: Session) -> None:
        """Place a new session, by which it `is_reordered_by` not."""
        self._places.enter_account(session.account)
        self.place_session(session)

    def drop_account(self, account: Account) -> None:
        """Forget the own account of a session that is about to use another."""
        self._places.drop_account(account)

    def advance_to(self, now: datetime) -> None:
        """Let time pass: cool-downs and suspicions end, quota days begin."""
        self.now = now
        while self._waking and self._waking[0][0] <= now:
            due, session_id = heappop(self._waking)
            # Any other entry is older: it was cooled or suspected anew since.
            if self.wakes.get(session_id) == due:
                del self.wakes[session_id]
                self.place_session(self._sessions[session_id])
        if turned := self.zones.turn_days(now):
            self._places.turn_days(turned)

    def place_session(self, session: Session, changed: ServiceType | None = None) -> None:
        """Put `session` where its record says it belongs now.

        If a type is named, nothing of its account but the units of that `changed`.
        """
        self._places.place_session(session, self._kind_of(session), changed)

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
            placing = self._placing_of(preferred, service_type)
            if placing is not None and self._is_free(placing, units):
                return Choice(self._sessions[preferred], placing.shelf.zone, trial=False)
        order = self._places.best_shelves(service_type)
        for shelf in [shelf for kind in kinds for shelf in order if shelf.kind is kind]:
            if shelf.zone.guard_at > self.now:
                session_id = shelf.first_session(units, avoid)
                if session_id is not None:
                    session = self._sessions[session_id]
                    return Choice(session, shelf.zone, shelf.kind is ShelfKind.TRIAL)
        return None

    def _placing_of(self, session_id: SessionId, service_type: ServiceType) -> Placing | None:
        session = self._sessions.get(session_id)
        if session is None:
            return None
        group = group_with(self._places.groups_of(session.account), session_id)
        return None if group is None else group.placed.get(service_type)

    def _is_free(self, placing: Placing, units: int) -> bool:
        free = placing.shelf.kind is ShelfKind.FREE and placing.left >= units
        return free and placing.shelf.zone.guard_at > self.now

    def countable_shelves(
        self, service_type: ServiceType, kinds: Container[ShelfKind] = COUNTABLE
    ) -> list[Shelf]:
        """List where the sessions of these kinds stand that have an unreserved unit today."""
        return [shelf for shelf in self._places.best_shelves(service_type) if shelf.kind in kinds]

    def has_units(
        self, service_type: ServiceType, units: int, kinds: Container[ShelfKind] = COUNTABLE
    ) -> bool:
        """Whether a session of these kinds has `units` unreserved, busy or cooling though it be."""
        shelves = self.countable_shelves(service_type, kinds)
        return any(shelf.first_session(units, ()) is not None for shelf in shelves)

    def accounts_having(self, service_type: ServiceType) -> int:
        """Count the accounts that have an unreserved unit today, and a countable session."""
        return sum(shelf.accounts for shelf in self.countable_shelves(service_type))

    def units_withheld(self, service_type: ServiceType) -> int:
        """Sum what accounts have left that have no countable session, but suspect or draining."""
        left_of = {
            self._sessions[group.members[0]].account: left
            for shelf in self.countable_shelves(service_type, WITHHELD)
            for left, level in shelf.levels.items()
            for group in level
        }
        return sum(
            left
            for account, left in left_of.items()
            if not any(group.counts for group in self._places.groups_of(account))
        )

    def suspects_having(self, service_type: ServiceType) -> int:
        """Count the groups of suspects, one an account as a rule, that have a unit left today."""
        shelves = self.countable_shelves(service_type, SUSPECTS)
        return sum(len(level) for shelf in shelves for level in shelf.levels.values())

    def is_last_of_account(self, session: Session) -> bool:
        """Whether no other session that is countable uses the account of one that is."""
        groups = self._places.groups_of(session.account)
        return sum(len(group.members) for group in groups if group.kind in COUNTABLE) == 1

    def units_left(self, service_type: ServiceType) -> int:
        """Sum the unreserved units today of all accounts that have a countable session."""
        return sum(shelf.units for shelf in self.countable_shelves(service_type))

    def units_left_by_type(self, session: Session) -> dict[ServiceType, int]:
        """Tell what `session` has left today of every service type."""
        return self._places.units_left_by_type(session.account)

    def limit_of_all(self, service_type: ServiceType) -> int:
        """Sum the daily limits of all accounts that have a countable session."""
        return self._places.active.units[service_type]

    def units_left_of(self, session: Session, service_type: ServiceType) -> int:
        """Tell what `session` has left today of one service type."""
        return self._places.units_left_of(session.account, service_type)

    def highest_limit(self, service_type: ServiceType) -> int | None:
        """Tell the highest daily limit of an account that is active; None: none is."""
        return self._places.active.highest_of(service_type)

    @property
    def accounts_active(self) -> int:
        """Count the accounts that have a countable session."""
        return self._places.active.count

    def zone_of(self, session: Session) -> Zone:
        """Tell which zone's quota day counts for `session`."""
        return self.zones.zone_of(session.account)

    def guard_ends_at(self) -> datetime | None:
        """Tell the earliest reset that is so near that its zone grants nothing."""
        return self.zones.guard_ends_at()

    def next_reset(self) -> datetime | None:
        """Tell when the first quota day ends; None when no session has one."""
        return self.zones.next_reset

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
    ) -> ShelfKind:
        """Tell whether a suspect may be tried; notes when it may if not."""
        due = min(suspected_at, _LATEST) + SUSPICION
        if due > self.now:
            self._wake_at(session.session_id, due)
            return ShelfKind.SUSPECT
        # One trial at a time, and nothing beside it: what it shows is to be of this session.
        if session.trial or cooling is not None or self._is_busy(session):
            if cooling is not None:
                self._wake_at(session.session_id, cooling)
            return ShelfKind.SUSPECT
        return ShelfKind.TRIAL

    def _is_busy(self, session: Session) -> bool:
        bound = self._policy.session_concurrency
        return bound > 0 and session.open_leases >= bound

    def _wake_at(self, session_id: SessionId, at: datetime) -> None:
        if self.wakes.get(session_id) != at:
            self.wakes[session_id] = at
            heappush(self._waking, (at, session_id))

"""Units counted again from the events, by other means than the fold's.

The fold adds and subtracts reservations and uses. Here every lease lies in exactly one pile, an
end moves it to another, and the sums of the piles are the truth; a mistake in one of the two
ways of counting shows as a difference. Where sessions share an account the fold adds their counts
once, when one joins; here each keeps its piles, and the account is their sum.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from contracts.base import AccountId, LeaseId, QuotaDay, RequestId, ServiceType, SessionId
from contracts.events import AnyEvent, UnknownEvent
from contracts.pool import (
    AccountChanged,
    LeaseCancelled,
    LeaseExpired,
    LeaseGranted,
    LeaseReconciled,
    Outcome,
    Policy,
    PolicyChanged,
    QuotaObserved,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionJoined,
    SessionSuspected,
    UsageRecorded,
)
from runtime.texts import count_phrase
from services.pool.domain.ended import KEPT
from services.pool.domain.violations import Violation, ViolationKind

UnitKey = tuple[QuotaDay, SessionId, ServiceType]
_RESERVED, _RECONCILED = "reserved", "reconciled"


class Totals(msgspec.Struct):
    """Units of one quota day, session and service type, by what became of them."""

    reserved: int = 0
    """Of open leases."""
    settled: int = 0
    unknown: int = 0
    expired: int = 0
    released: int = 0
    """Reserved by leases that ended so; never used, as are those of `cancelled`."""
    cancelled: int = 0
    reconciled: int = 0
    """Found used by a reconciliation; no longer among `unknown` or `expired`."""
    told: int = 0
    """By an operator, beyond what leases had used by then: of no lease, and not in `used`."""

    @property
    def used(self) -> int:
        """Units that count against the limit for good, or until somebody knows better."""
        return self.settled + self.unknown + self.expired + self.reconciled


class Pile(msgspec.Struct, eq=False):
    """Where a lease's units lie."""

    key: UnitKey
    units: int
    """As reserved."""
    name: str = _RESERVED
    counted_units: int = 0
    """Units it adds to its pile."""
    reported: bool = False


class Owner(msgspec.Struct, eq=False):
    """An account."""

    name: str
    """Of one without a name, its session's id."""
    limits: dict[ServiceType, int]
    members: list[SessionId]
    tier: str = ""
    is_named: bool = False


class OwnedUnits(msgspec.Struct, frozen=True):
    """What an account has used and reserved of a type on a day."""

    owner: Owner
    quota_day: QuotaDay
    service_type: ServiceType
    used: int
    reserved: int


class Recount:
    """The independent count; `count_event` takes every event in order."""

    def __init__(self) -> None:
        self.totals: dict[UnitKey, Totals] = {}
        self._policy = Policy(daily_limits={})
        self._owners: dict[SessionId, Owner] = {}
        self._accounts: dict[AccountId, Owner] = {}
        self._leases: dict[LeaseId, Pile] = {}
        self._numbers: dict[tuple[RequestId, int], LeaseId] = {}
        self._penalised: dict[RequestId, tuple[SessionId, datetime]] = {}
        self._at = datetime.min.replace(tzinfo=UTC)
        self._violations: list[tuple[ViolationKind, str, str]] = []
        self._take: dict[type, Callable[[Any], None]] = {
            PolicyChanged: self._on_policy_changed,
            SessionAdded: self._on_session_added,
            SessionChanged: self._on_session_changed,
            SessionJoined: self._on_session_joined,
            AccountChanged: self._on_account_changed,
            LeaseGranted: self._on_lease_granted,
            UsageRecorded: self._on_usage_recorded,
            LeaseCancelled: self._on_lease_cancelled,
            LeaseExpired: self._on_lease_expired,
            LeaseReconciled: self._on_lease_reconciled,
            SessionCooled: self._on_penalty,
            SessionSuspected: self._on_penalty,
            QuotaObserved: self._on_penalty,
        }

    def count_event(
        self, event: AnyEvent | UnknownEvent, at: datetime, sequence: int
    ) -> list[Violation]:
        """Count one event, and say what is wrong with it."""
        self._at = at
        take = self._take.get(type(event))
        if take is None:
            return []
        take(event)
        violations = [Violation(*what, sequence) for what in self._violations]
        self._violations.clear()
        return violations

    def owned_units(self) -> Iterator[OwnedUnits]:
        """Tell what every account has used and reserved, by day and type."""
        for day, session_id, service_type in self.totals:
            owner = self._owners[session_id]
            having = (name for name in owner.members if (day, name, service_type) in self.totals)
            if next(having) == session_id:
                yield self._units_of(owner, day, service_type)

    def _units_of(self, owner: Owner, day: QuotaDay, service_type: ServiceType) -> OwnedUnits:
        """Sum what the sessions of an account have."""
        totals = [
            kept
            for name in owner.members
            if (kept := self.totals.get((day, name, service_type))) is not None
        ]
        used = sum(kept.used + kept.told for kept in totals)
        return OwnedUnits(owner, day, service_type, used, sum(kept.reserved for kept in totals))

    def _limit_of(self, owner: Owner, service_type: ServiceType) -> int:
        policy = self._policy
        by_tier = policy.tiers.get(owner.tier, {}).get(service_type)
        otherwise = policy.daily_limits.get(service_type, 0) if by_tier is None else by_tier
        return owner.limits.get(service_type, otherwise)

    def _on_policy_changed(self, event: PolicyChanged) -> None:
        self._policy = event.policy

    def _on_session_added(self, event: SessionAdded) -> None:
        own = Owner(event.session_id, event.limits, [event.session_id])
        self._owners.setdefault(event.session_id, own)

    def _on_session_changed(self, event: SessionChanged) -> None:
        if event.limits is not None and event.session_id in self._owners:
            self._owners[event.session_id].limits = event.limits

    def _on_session_joined(self, event: SessionJoined) -> None:
        own = self._owners.get(event.session_id)
        # What cannot be is the fold's to tell.
        if own is None or own.is_named or not event.account:
            return
        own.name, own.is_named = event.account, True
        owner = self._accounts.setdefault(event.account, own)
        if owner is not own:
            owner.members.append(event.session_id)
            self._owners[event.session_id] = owner

    def _on_account_changed(self, event: AccountChanged) -> None:
        owner = self._owners.get(event.session_id)
        if owner is None:
            return
        owner.tier = owner.tier if event.tier is None else event.tier
        for service_type, units in event.used.items():
            used = self._units_of(owner, event.quota_day, service_type).used
            key = (event.quota_day, event.session_id, service_type)
            if units > used:
                self.totals.setdefault(key, Totals()).told += units - used

    def _on_lease_granted(self, event: LeaseGranted) -> None:
        """Lay a lease's units on the reserved pile; name a second one, or one too many."""
        number = (event.request_id, event.number)
        earlier = self._numbers.setdefault(number, event.lease_id)
        if event.lease_id in self._leases or earlier != event.lease_id:
            message = f"{event.request_id} number {event.number} was granted before"
            self._violations.append((ViolationKind.GRANTED_TWICE, event.lease_id, message))
        if event.lease_id in self._leases or event.session_id not in self._owners:
            return
        key = (event.quota_day, event.session_id, event.service_type)
        self.totals.setdefault(key, Totals())
        owner = self._owners[event.session_id]
        owned = self._units_of(owner, event.quota_day, event.service_type)
        taken, limit = owned.used + owned.reserved, self._limit_of(owner, event.service_type)
        if taken + event.units > limit:
            message = f"{taken} + {event.units} units of {limit} on {event.quota_day}"
            self._violations.append((ViolationKind.OVERSOLD, event.lease_id, message))
        pile = self._leases[event.lease_id] = Pile(key, event.units)
        self._move_units(pile, _RESERVED, event.units)

    def _on_usage_recorded(self, event: UsageRecorded) -> None:
        """Move a lease to the pile of its outcome; name a usage that comes in vain or twice."""
        pile = self._leases.get(event.lease_id)
        if pile is None:
            message = f"{count_phrase(event.units, 'unit')} for a lease that was never granted"
            self._violations.append((ViolationKind.USAGE_WITHOUT_LEASE, event.lease_id, message))
            return
        if pile.reported:
            self._violations.append(
                (ViolationKind.ENDED_TWICE, event.lease_id, f"already {pile.name}")
            )
            return
        pile.reported = True
        name, units = str(event.outcome), pile.units
        if event.outcome is Outcome.SETTLED:
            units = min(units, event.units)
        elif event.outcome is not Outcome.RELEASED:
            name = str(Outcome.UNKNOWN)
        if pile.name in (_RESERVED, Outcome.EXPIRED):
            self._move_units(pile, name, units)
        elif pile.name == _RECONCILED:
            used = 0 if event.outcome is Outcome.RELEASED else units
            if used > pile.counted_units:
                message = f"{count_phrase(used, 'unit')} used, reconciled to {pile.counted_units}"
                self._violations.append(
                    (ViolationKind.USAGE_AFTER_RECONCILIATION, event.lease_id, message)
                )
        elif event.outcome is Outcome.SETTLED:
            message = f"{count_phrase(units, 'unit')} for a lease that was never sent"
            self._violations.append((ViolationKind.SETTLED_AFTER_CANCEL, event.lease_id, message))
        else:
            self._violations.append(
                (ViolationKind.ENDED_TWICE, event.lease_id, f"already {pile.name}")
            )

    def _on_lease_cancelled(self, event: LeaseCancelled) -> None:
        # Without a session it forbids an id that has no open lease: nothing to count.
        pile = self._leases.get(event.lease_id)
        if event.session_id or (pile is not None and pile.name == _RESERVED):
            self._end_lease(event.lease_id, Outcome.CANCELLED)

    def _on_lease_expired(self, event: LeaseExpired) -> None:
        self._end_lease(event.lease_id, Outcome.EXPIRED)

    def _end_lease(self, lease_id: LeaseId, outcome: Outcome) -> None:
        pile = self._leases.get(lease_id)
        if pile is None:
            self._violations.append(
                (ViolationKind.END_WITHOUT_LEASE, lease_id, f"{outcome}, never granted")
            )
        elif pile.name != _RESERVED:
            self._violations.append((ViolationKind.ENDED_TWICE, lease_id, f"already {pile.name}"))
        else:
            self._move_units(pile, outcome, pile.units)

    def _on_lease_reconciled(self, event: LeaseReconciled) -> None:
        pile = self._leases.get(event.lease_id)
        if pile is None or pile.name not in (Outcome.UNKNOWN, Outcome.EXPIRED):
            name = "never granted" if pile is None else pile.name
            self._violations.append(
                (ViolationKind.IMPOSSIBLE_CHANGE, event.lease_id, f"reconciled: {name}")
            )
        else:
            self._move_units(pile, _RECONCILED, min(event.units, pile.units))

    def _on_penalty(self, event: SessionCooled | SessionSuspected | QuotaObserved) -> None:
        if event.request_id and event.session_id in self._owners:
            first = (event.session_id, self._at)
            other, at = self._penalised.setdefault(event.request_id, first)
            # The pool remembers no longer, and no request lasts as long.
            if other != event.session_id and self._at - at < KEPT:
                message = f"penalised {other} and {event.session_id}"
                self._violations.append((ViolationKind.PENALISED_TWICE, event.request_id, message))

    def _move_units(self, pile: Pile, name: str, units: int) -> None:
        """Take the lease off its pile and lay `units` of it on another."""
        totals = self.totals[pile.key]
        setattr(totals, pile.name, getattr(totals, pile.name) - pile.counted_units)
        setattr(totals, name, getattr(totals, name) + units)
        pile.name, pile.counted_units = name, units

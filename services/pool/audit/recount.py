"""Units counted again from the events, by other means than the fold's.

The fold adds and subtracts reservations and uses. Here every lease lies in exactly one pile, an
end moves it to another, and the sums of the piles are the truth; a mistake in one of the two
ways of counting shows as a difference.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from contracts.base import LeaseId, QuotaDay, RequestId, ServiceType, SessionId
from contracts.events import AnyEvent, UnknownEvent
from contracts.pool import (
    LeaseCancelled,
    LeaseExpired,
    LeaseGranted,
    LeaseReconciled,
    Outcome,
    PolicyChanged,
    QuotaObserved,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionSuspected,
    UsageRecorded,
)
from services.pool.domain.ended import KEPT
from services.pool.domain.violations import Violation, ViolationKind

AccountKey = tuple[QuotaDay, SessionId, ServiceType]
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

    @property
    def used(self) -> int:
        """Units that count against the limit for good, or until somebody knows better."""
        return self.settled + self.unknown + self.expired + self.reconciled


class Pile(msgspec.Struct, eq=False):
    """Where a lease's units lie."""

    key: AccountKey
    units: int
    """As reserved."""
    name: str = _RESERVED
    counted_units: int = 0
    """Units it adds to its pile."""
    reported: bool = False


class Recount:
    """The independent count; `count_event` takes every event in order."""

    def __init__(self) -> None:
        self.totals: dict[AccountKey, Totals] = {}
        self._policy: dict[ServiceType, int] = {}
        self._limits: dict[SessionId, dict[ServiceType, int]] = {}
        self._leases: dict[LeaseId, Pile] = {}
        self._numbers: dict[tuple[RequestId, int], LeaseId] = {}
        self._penalised: dict[RequestId, tuple[SessionId, datetime]] = {}
        self._at = datetime.min.replace(tzinfo=UTC)
        self._violations: list[tuple[ViolationKind, str, str]] = []
        self._take: dict[type, Callable[[Any], None]] = {
            PolicyChanged: self._on_policy_changed,
            SessionAdded: self._on_session_added,
            SessionChanged: self._on_session_changed,
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

    def _on_policy_changed(self, event: PolicyChanged) -> None:
        self._policy = event.policy.daily_limits

    def _on_session_added(self, event: SessionAdded) -> None:
        self._limits.setdefault(event.session_id, event.limits)

    def _on_session_changed(self, event: SessionChanged) -> None:
        if event.limits is not None and event.session_id in self._limits:
            self._limits[event.session_id] = event.limits

    def _on_lease_granted(self, event: LeaseGranted) -> None:
        """Lay a lease's units on the reserved pile; name a second one, or one too many."""
        number = (event.request_id, event.number)
        earlier = self._numbers.setdefault(number, event.lease_id)
        if event.lease_id in self._leases or earlier != event.lease_id:
            message = f"{event.request_id} number {event.number} was granted before"
            self._violations.append((ViolationKind.GRANTED_TWICE, event.lease_id, message))
        if event.lease_id in self._leases or event.session_id not in self._limits:
            return
        key = (event.quota_day, event.session_id, event.service_type)
        totals = self.totals.setdefault(key, Totals())
        taken = totals.reserved + totals.used
        policy = self._policy.get(event.service_type, 0)
        limit = self._limits[event.session_id].get(event.service_type, policy)
        if taken + event.units > limit:
            message = f"{taken} + {event.units} units of {limit} on {event.quota_day}"
            self._violations.append((ViolationKind.OVERSOLD, event.lease_id, message))
        pile = self._leases[event.lease_id] = Pile(key, event.units)
        self._move_units(pile, _RESERVED, event.units)

    def _on_usage_recorded(self, event: UsageRecorded) -> None:
        """Move a lease to the pile of its outcome; name a usage that comes in vain or twice."""
        pile = self._leases.get(event.lease_id)
        if pile is None:
            message = f"{event.units} units for a lease that was never granted"
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
                message = f"{used} units used, reconciled to {pile.counted_units}"
                self._violations.append(
                    (ViolationKind.USAGE_AFTER_RECONCILIATION, event.lease_id, message)
                )
        elif event.outcome is Outcome.SETTLED:
            message = f"{units} units for a lease that was never sent"
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
        if event.request_id and event.session_id in self._limits:
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

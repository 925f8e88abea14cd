"""The life of a lease (leases.md): one row from grant to end, corrections applied."""

from collections.abc import Callable
from typing import Any

from contracts.pool import (
    LeaseCancelled,
    LeaseExpired,
    LeaseGranted,
    LeaseReconciled,
    LeaseRenewed,
    SessionRequested,
    UsageRecorded,
)
from services.analytics.domain.leaserows import (
    attempt_row,
    set_cancelled,
    set_expired,
    set_reconciled,
    set_request,
    set_usage,
)
from services.analytics.domain.moments import LogPlace, Routes, as_micros
from services.analytics.domain.rows import (
    AnomalyRow,
    AttemptRow,
    LeaseRow,
    PeakRow,
)

DOUBTFUL = frozenset({"unknown", "expired"})
"""Outcomes that a reconciliation may still change."""
DOUBTFUL_FOR_US = 8 * 86_400 * 1_000_000
"""As long as the pool remembers them (leases.md)."""
_Change = Callable[[LeaseRow, Any], None]


class Leases:
    """Open and doubtful leases, and what has changed since the batch began."""

    def __init__(self) -> None:
        """Know no lease."""
        self.open: dict[str, LeaseRow] = {}
        self.doubtful: dict[str, LeaseRow] = {}
        self.begin_batch()

    @property
    def routes(self) -> Routes:
        """Which event goes where; the grant and the cancellation come by way of `refusals`."""
        return {
            LeaseRenewed: self.on_lease_renewed,
            UsageRecorded: self.on_usage_recorded,
            LeaseExpired: self.on_lease_expired,
            LeaseReconciled: self.on_lease_reconciled,
        }

    def restore_leases(self, opened: list[LeaseRow], doubtful: list[LeaseRow]) -> None:
        """Remember what the store has."""
        self.open = {row.lease_id: row for row in opened}
        self.doubtful = {row.lease_id: row for row in doubtful}

    def begin_batch(self) -> None:
        """Begin a batch; what the one before held is in the store by now."""
        self.opened: dict[str, LeaseRow] = {}
        """Granted or renewed in this batch, and still open."""
        self.closed: list[str] = []
        """Open in the store, and no longer as they stand there."""
        self.ended: dict[str, LeaseRow] = {}
        self.corrected: dict[str, LeaseRow] = {}
        """Ended in an earlier batch, and changed in this one."""
        self.peaks: dict[str, PeakRow] = {}
        self.attempts: list[AttemptRow] = []
        self.anomalies: list[AnomalyRow] = []

    def on_lease_granted(
        self, event: LeaseGranted, asked: SessionRequested | None, place: LogPlace
    ) -> None:
        """Open a lease; `asked` is its request, from the same envelope."""
        # The first grant stands: to grant again would forget what came of it.
        if event.lease_id in self.open:
            self._record_anomaly("lease_granted", event.lease_id, place)
            return
        row = LeaseRow(
            lease_id=event.lease_id,
            request_id=event.request_id,
            number=event.number,
            session_id=event.session_id,
            service_type=event.service_type,
            quota_day=event.quota_day,
            units_reserved=event.units,
            granted_at=place.ts,
            granted_sequence=place.sequence,
            expires_at=as_micros(event.expires_at),
            trial=event.trial,
        )
        if asked is not None:
            set_request(row, asked)
        self.open[row.lease_id] = self.opened[row.lease_id] = row
        # The most of a day can only have been reached where one was granted.
        peak = self.peaks.get(row.quota_day)
        if peak is None:
            peak = self.peaks[row.quota_day] = PeakRow(day=row.quota_day)
        peak.open_max = max(peak.open_max, len(self.open))

    def on_lease_renewed(self, event: LeaseRenewed, place: LogPlace) -> None:
        """Move the deadline of an open lease; a renewal of any other is an anomaly."""
        row = self.open.get(event.lease_id)
        if row is None:
            self._record_anomaly("lease_renewed", event.lease_id, place)
            return
        # Granted in an earlier batch, it stands in the store: that row makes room for this one.
        if row.lease_id not in self.opened:
            self.closed.append(row.lease_id)
            self.opened[row.lease_id] = row
        row.expires_at = as_micros(event.expires_at)

    def on_usage_recorded(self, event: UsageRecorded, place: LogPlace) -> None:
        """End a lease by its usage, or correct its expiry."""
        # Its attempts are facts, whatever becomes of the lease; of one that nobody knows they
        # are put on the day of the telling.
        doubtful = self.doubtful.get(event.lease_id)
        row = doubtful or self.open.get(event.lease_id)
        day = row.quota_day if row else place.day
        for number, attempt in enumerate(event.attempts, 1):
            self.attempts.append(attempt_row(event, number, attempt, day, place))
        if doubtful is not None and doubtful.outcome == "expired":
            # It expired before this word came. The word may be that nobody knows: doubt stays.
            self._correct_lease(doubtful, "usage", set_usage, event, place)
            if doubtful.outcome not in DOUBTFUL:
                del self.doubtful[doubtful.lease_id]
            return
        self._end_lease(event.lease_id, "usage_recorded", set_usage, event, place)

    def on_lease_cancelled(self, event: LeaseCancelled, place: LogPlace) -> None:
        """End a lease that was never sent; an id that was never granted is no lease."""
        if event.session_id or event.lease_id in self.open:
            self._end_lease(event.lease_id, "lease_cancelled", set_cancelled, event, place)

    def on_lease_expired(self, event: LeaseExpired, place: LogPlace) -> None:
        """End a lease of which no word came: its units stay used."""
        self._end_lease(event.lease_id, "lease_expired", set_expired, event, place)

    def on_lease_reconciled(self, event: LeaseReconciled, place: LogPlace) -> None:
        """Settle what nobody knew: the outcome stays what it was, the units do not."""
        row = self.doubtful.pop(event.lease_id, None)
        if row is None:
            self._record_anomaly("lease_reconciled", event.lease_id, place)
            return
        self._correct_lease(row, "reconciled", set_reconciled, event, place)

    def clear_status(self, lease_id: str) -> None:
        """Its client was answered the refusal of the next lease, not what this one showed."""
        # A refusal stands in the envelope of the usage before it, so that one ended in this batch.
        row = self.ended.get(lease_id)
        if row is not None:
            row.status = 0

    def forget_doubtful(self, now: int) -> None:
        """Drop doubtful leases that the pool has forgotten too."""
        # In the order of their ends, as they came: behind the first that is young none is old.
        for row in list(self.doubtful.values()):
            if (row.ended_at or 0) >= now - DOUBTFUL_FOR_US:
                return
            del self.doubtful[row.lease_id]

    def _end_lease(
        self, lease_id: str, tag: str, change: _Change, event: Any, place: LogPlace
    ) -> None:
        """Move an open lease to those that have ended, as `change` says; else note that it was not.

        A lease that is in doubt at its end is remembered, to be corrected.
        """
        row = self.open.pop(lease_id, None)
        if row is None:
            assert lease_id not in self.opened, "what a batch opened is open"
            self._record_anomaly(tag, lease_id, place)
            return
        # Neither granted nor renewed in this batch, it stands open in the store.
        if self.opened.pop(lease_id, None) is None:
            self.closed.append(lease_id)
        row.ended_at, row.ended_sequence = place.ts, place.sequence
        change(row, event)
        self.ended[lease_id] = row
        if row.outcome in DOUBTFUL:
            self.doubtful[lease_id] = row

    def _correct_lease(
        self, row: LeaseRow, why: str, change: _Change, event: Any, place: LogPlace
    ) -> None:
        row.correction, row.corrected_at = why, place.ts
        change(row, event)
        # Ended in this very batch, it is written once, as corrected.
        if row.lease_id not in self.ended:
            self.corrected[row.lease_id] = row

    def _record_anomaly(self, kind: str, lease_id: str, place: LogPlace) -> None:
        self.anomalies.append(
            AnomalyRow(
                sequence=place.sequence,
                position=place.position,
                ts=place.ts,
                kind=kind,
                lease_id=lease_id,
            )
        )

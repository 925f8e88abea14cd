"""What the pool was asked for and did not give, and what gateways refused themselves.

A command that is sent again is told once: a new leader cannot know what the one before it told.
"""

from typing import Any

import msgspec

from contracts import pool
from services.analytics.domain.leaserows import set_request
from services.analytics.domain.leases import Leases
from services.analytics.domain.moments import LogPlace, Routes, as_micros
from services.analytics.domain.rows import CallsRefusedRow, RefusalRow, RequestRow

REPORTED_FOR_S = 900
"""How long a refusal is known again: longer than any command is sent again (leases.md)."""


class _AskedFor(msgspec.Struct, frozen=True, gc=False):
    """A request whose decision has not been seen, and its position in the envelope."""

    position: int
    event: pool.SessionRequested


class RefusalRows:
    """Rows of one batch: requests without a decision, refusals, calls refused by gateways."""

    def __init__(self, leases: Leases) -> None:
        """Tell `leases` what was granted."""
        self.routes: Routes = {
            pool.SessionRequested: self._on_session_requested,
            pool.LeaseGranted: self._on_lease_granted,
            pool.LeaseRefused: self._on_lease_refused,
            pool.LeaseCancelled: self._on_lease_cancelled,
            pool.CallsRefused: self._on_calls_refused,
        }
        self._leases = leases
        self._reported: dict[str, int] = {}
        self._asked: dict[tuple[str, int], _AskedFor] = {}
        """Of the envelope that is being folded, by request and number of the lease."""
        self.begin_batch()

    def restore_reported(self, reported: list[tuple[str, int]]) -> None:
        """Know again what was told lately, by name, with the moments, in order."""
        self._reported = dict(reported)

    def begin_batch(self) -> None:
        """Begin a batch; a request and its refusal are never of two."""
        assert not self._asked, "a batch ends with a whole envelope"
        self.requests: list[RequestRow] = []
        self.refusals: list[RefusalRow] = []
        self.calls_refused: list[CallsRefusedRow] = []

    def end_envelope(self, place: LogPlace) -> None:
        """End an envelope: a decision stands in that of its request, or there is none."""
        for asked in self._asked.values():
            event = asked.event
            row = RequestRow(
                sequence=place.sequence,
                position=asked.position,
                ts=place.ts,
                request_id=event.request_id,
                number=event.number,
                service_type=event.service_type,
                units=event.units,
            )
            set_request(row, event)
            self.requests.append(row)
        self._asked.clear()

    def forget_reported(self, now: int) -> None:
        """Drop what was told longer ago than anything is sent again."""
        oldest = now - REPORTED_FOR_S * 1_000_000
        # In the order in which they were told: the first is the oldest.
        while self._reported:
            name = next(iter(self._reported))
            if self._reported[name] >= oldest:
                return
            del self._reported[name]

    def _on_session_requested(self, event: pool.SessionRequested, place: LogPlace) -> None:
        """Wait for the decision, which stands in the same envelope."""
        self._asked[event.request_id, event.number] = _AskedFor(place.position, event)

    def _on_lease_granted(self, event: pool.LeaseGranted, place: LogPlace) -> None:
        self._leases.on_lease_granted(event, self._take_request(event), place)

    def _on_lease_refused(self, event: pool.LeaseRefused, place: LogPlace) -> None:
        """Write a refusal; one that was reported before counts nothing."""
        asked = self._take_request(event)
        name = f"{event.request_id}.{event.number}"
        # One that stands for several has no command of its own that could be sent again.
        again = event.count == 1 and name in self._reported
        if event.count == 1:
            self._remember_report(name, place)
        if event.number > 1:
            self._leases.clear_status(f"{event.request_id}.{event.number - 1}")
        row = self._add_refusal(
            event,
            place,
            reason=event.reason,
            retry_after_s=event.retry_after_s,
            count=0 if again else event.count,
            since=as_micros(event.since) if event.since else None,
            until=as_micros(event.until) if event.until else None,
        )
        if asked is not None:
            row.units = asked.units
            set_request(row, asked)

    def _on_lease_cancelled(self, event: pool.LeaseCancelled, place: LogPlace) -> None:
        """End a lease; without one, a call was given up that nobody may have told before."""
        if event.session_id or event.lease_id in self._leases.open or not event.status:
            self._leases.on_lease_cancelled(event, place)
            return
        name = f"{event.request_id}.{event.number}"
        count = 0 if name in self._reported else 1
        self._remember_report(name, place)
        self._add_refusal(event, place, reason=event.error_code, retry_after_s=0.0, count=count)

    def _add_refusal(
        self, event: pool.LeaseRefused | pool.LeaseCancelled, place: LogPlace, **columns: Any
    ) -> RefusalRow:
        """Write what both ways of being refused say alike, and the columns of one of them."""
        row = RefusalRow(
            sequence=place.sequence,
            position=place.position,
            ts=place.ts,
            day=place.day,
            request_id=event.request_id,
            number=event.number,
            service_type=event.service_type,
            key_id=event.key_id,
            **columns,
        )
        self.refusals.append(row)
        return row

    def _on_calls_refused(self, event: pool.CallsRefused, place: LogPlace) -> None:
        """Write calls that a gateway refused; those reported before count nothing."""
        since = as_micros(event.since)
        # A gateway sends a count again until it is acknowledged: same sort, same beginning.
        sort = f"{event.key_id} {event.service_type} {event.code}"
        name = f"{event.gateway_id} {sort} {since}"
        count = 0 if name in self._reported else event.count
        self._remember_report(name, place)
        self.calls_refused.append(
            CallsRefusedRow(
                sequence=place.sequence,
                position=place.position,
                ts=place.ts,
                day=place.day,
                gateway_id=event.gateway_id,
                key_id=event.key_id,
                service_type=event.service_type,
                code=event.code,
                status=event.status,
                count=count,
                since=since,
                until=as_micros(event.until),
            )
        )

    def _take_request(
        self, event: pool.LeaseGranted | pool.LeaseRefused
    ) -> pool.SessionRequested | None:
        """Take the request that this decides; None where its envelope has none."""
        asked = self._asked.pop((event.request_id, event.number), None)
        return None if asked is None else asked.event

    def _remember_report(self, name: str, place: LogPlace) -> None:
        """Know a refusal again by name; the first time it was told is kept."""
        self._reported.setdefault(name, place.ts)

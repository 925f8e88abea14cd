"""What the pool was asked for and did not give, and what gateways refused themselves.

A command that is sent again is told once: a new leader cannot know what the one before it told.
"""

from typing import Any

from contracts import pool
from services.analytics.domain.leases import Leases
from services.analytics.domain.moments import Place, Routes, micros
from services.analytics.domain.rows import CallsRefusedRow, RefusalRow, RequestRow

TOLD_KEPT_S = 900
"""How long a refusal is known again: longer than any command is sent again (architecture §3)."""
_NOT_ASKED = (0, None)


class Refusals:
    """Rows of one batch: requests without a decision, refusals, calls refused by gateways."""

    def __init__(self, leases: Leases) -> None:
        """Tell `leases` what was granted."""
        self.routes: Routes = {
            pool.SessionRequested: self._requested,
            pool.LeaseGranted: self._granted,
            pool.LeaseRefused: self._refused,
            pool.LeaseCancelled: self._cancelled,
            pool.CallsRefused: self._calls_refused,
        }
        self._leases = leases
        self._told: dict[str, int] = {}
        self._asked: dict[tuple[str, int], tuple[int, pool.SessionRequested]] = {}
        self.start()

    def restore(self, told: list[tuple[str, int]]) -> None:
        """Know again what was told lately, by name, with the moments, in order."""
        self._told = dict(told)

    def start(self) -> None:
        """Begin a batch."""
        self.requests: list[RequestRow] = []
        self.refusals: list[RefusalRow] = []
        self.calls_refused: list[CallsRefusedRow] = []

    def decided(self, place: Place) -> None:
        """End an envelope: a decision stands in that of its request, or there is none."""
        for position, event in self._asked.values():
            self.requests.append(
                RequestRow(
                    sequence=place.sequence,
                    position=position,
                    ts=place.ts,
                    request_id=event.request_id,
                    number=event.number,
                    service_type=event.service_type,
                    key_id=event.key_id,
                    **_described(event),
                )
            )
        self._asked.clear()

    def forget(self, now: int) -> None:
        """Drop what was told longer ago than anything is sent again."""
        oldest = now - TOLD_KEPT_S * 1_000_000
        while self._told:
            name = next(iter(self._told))
            if self._told[name] >= oldest:
                return
            del self._told[name]

    def _requested(self, event: pool.SessionRequested, place: Place) -> None:
        """Wait for the decision, which stands in the same envelope."""
        self._asked[event.request_id, event.number] = place.position, event

    def _granted(self, event: pool.LeaseGranted, place: Place) -> None:
        _, asked = self._asked.pop((event.request_id, event.number), _NOT_ASKED)
        self._leases.granted(event, asked, place)

    def _refused(self, event: pool.LeaseRefused, place: Place) -> None:
        _, asked = self._asked.pop((event.request_id, event.number), _NOT_ASKED)
        again = event.count == 1 and self._is_told(f"{event.request_id}.{event.number}", place)
        if event.number > 1:
            self._leases.refused_next(f"{event.request_id}.{event.number - 1}")
        self.refusals.append(
            RefusalRow(
                sequence=place.sequence,
                position=place.position,
                ts=place.ts,
                day=place.day,
                request_id=event.request_id,
                number=event.number,
                service_type=event.service_type,
                key_id=event.key_id,
                reason=event.reason,
                retry_after_s=event.retry_after_s,
                count=0 if again else event.count,
                since=micros(event.since) if event.since else None,
                until=micros(event.until) if event.until else None,
                **(_described(asked) if asked else {}),
            )
        )

    def _cancelled(self, event: pool.LeaseCancelled, place: Place) -> None:
        """End a lease; without one, a call was given up that nobody may have told before."""
        if event.session_id or event.lease_id in self._leases.open or not event.status:
            self._leases.cancelled(event, place)
            return
        again = self._is_told(f"{event.request_id}.{event.number}", place)
        self.refusals.append(
            RefusalRow(
                sequence=place.sequence,
                position=place.position,
                ts=place.ts,
                day=place.day,
                request_id=event.request_id,
                number=event.number,
                service_type=event.service_type,
                key_id=event.key_id,
                reason=event.error_code,
                retry_after_s=0.0,
                count=0 if again else 1,
            )
        )

    def _calls_refused(self, event: pool.CallsRefused, place: Place) -> None:
        since = micros(event.since)
        sort = f"{event.key_id} {event.service_type} {event.code}"
        again = self._is_told(f"{event.gateway_id} {sort} {since}", place)
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
                count=0 if again else event.count,
                since=since,
                until=micros(event.until),
            )
        )

    def _is_told(self, name: str, place: Place) -> bool:
        if name in self._told:
            return True
        self._told[name] = place.ts
        return False


def _described(asked: pool.SessionRequested) -> dict[str, Any]:
    """What a request says beyond its decision."""
    return {
        "units": asked.units,
        "asked_at": micros(asked.asked_at),
        "gateway_id": asked.gateway_id,
        "path": asked.path,
        "model": asked.model,
        "client_request_id": asked.client_request_id,
        "client_address": asked.client_address,
        "user_agent": asked.user_agent,
    }

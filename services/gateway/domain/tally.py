"""Calls that this gateway refused itself, counted by key, type and code for a minute each."""

from datetime import datetime, timedelta

import msgspec

from contracts.base import GatewayId, KeyId, ServiceType
from contracts.pool import CallsRefused
from services.gateway.domain.errors import ErrorCode

EVERY = timedelta(minutes=1)


Sort = tuple[KeyId, ServiceType, ErrorCode]
"""Whose calls, for what, and the error code that they were given."""


class _Counted(msgspec.Struct):
    count: int
    status: int
    since: datetime
    until: datetime


class RefusalCounts:
    """One count for each sort of call; `count_refusal` each, then `take_due` at times.

    The minute of a sort begins with the first of it that `is_counting` does not know yet.
    """

    def __init__(self, gateway_id: GatewayId) -> None:
        """Begin with nothing counted."""
        self._gateway_id = gateway_id
        self._counted: dict[Sort, _Counted] = {}

    def is_counting(self, sort: Sort) -> bool:
        """Tell whether the minute of such calls has begun already."""
        return sort in self._counted

    def count_refusal(self, sort: Sort, status: int, now: datetime) -> None:
        """Count one call; the first of its sort begins a minute, which ends in `EVERY`."""
        counted = self._counted.get(sort)
        if counted is None:
            self._counted[sort] = _Counted(1, status, now, now)
            return
        counted.count += 1
        counted.status = status
        # The clock may be set back within a minute: no count ends before its beginning.
        counted.until = max(counted.until, now)

    def take_due(self, now: datetime, *, everything: bool = False) -> list[CallsRefused]:
        """Hand out, and forget, the counts whose minute is over, or all of them."""
        due = [
            sort
            for sort, counted in self._counted.items()
            if everything or counted.since + EVERY <= now
        ]
        return [self._as_event(sort, self._counted.pop(sort)) for sort in due]

    def _as_event(self, sort: Sort, counted: _Counted) -> CallsRefused:
        key_id, service_type, code = sort
        return CallsRefused(
            gateway_id=self._gateway_id,
            key_id=key_id,
            service_type=service_type,
            code=code,
            status=counted.status,
            count=counted.count,
            since=counted.since,
            until=counted.until,
        )

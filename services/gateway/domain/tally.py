"""Calls that this gateway refused itself, counted by key and code until a minute is over."""

from datetime import datetime, timedelta

import msgspec

from contracts.base import GatewayId, KeyId
from contracts.pool import CallsRefused

EVERY = timedelta(minutes=1)


class _Counted(msgspec.Struct):
    count: int
    status: int
    since: datetime
    until: datetime


class Tally:
    """One count for each (key, code); `count` every call, then `take` what is to be told."""

    def __init__(self, gateway_id: GatewayId) -> None:
        """Begin with nothing counted."""
        self._gateway_id = gateway_id
        self._counted: dict[tuple[KeyId, str], _Counted] = {}

    def count(self, key_id: KeyId, code: str, status: int, now: datetime) -> bool:
        """Count one call; true when it is the first of its minute, which ends in `EVERY`."""
        known = self._counted.get((key_id, code))
        if known is None:
            self._counted[key_id, code] = _Counted(1, status, now, now)
            return True
        known.count += 1
        known.status = status
        known.until = max(known.until, now)
        return False

    def take(self, now: datetime, *, everything: bool = False) -> list[CallsRefused]:
        """Hand out, and forget, the counts whose minute is over, or all of them."""
        due = [
            key
            for key, counted in self._counted.items()
            if everything or counted.since + EVERY <= now
        ]
        return [self._told(key, self._counted.pop(key)) for key in due]

    def _told(self, key: tuple[KeyId, str], counted: _Counted) -> CallsRefused:
        return CallsRefused(
            gateway_id=self._gateway_id,
            key_id=key[0],
            code=key[1],
            status=counted.status,
            count=counted.count,
            since=counted.since,
            until=counted.until,
        )

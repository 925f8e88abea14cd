"""Keys whose clients leave before anything is sent: each such call is events for nothing.

A lease that is given back costs no quota, and a kilobyte of the log; a client that asks and resets
its connection in a loop would fill the disk. So a key may have a hundred such calls at once, and
one more each second and for each lease that was used; beyond it is told to come back later. Kept by
each gateway for itself; only keys that have some to make up for are known.
"""

from contracts.base import KeyId

LEFT_AT_ONCE = 100.0
"""Calls of one key that may be left at once before anything is sent."""
PER_SECOND = 1.0


class Leavers:
    """How many such calls each key has left; moments are monotonic seconds."""

    def __init__(self) -> None:
        """Let every key have all of them."""
        self._left: dict[KeyId, tuple[float, float]] = {}

    def left(self, key_id: KeyId, now_s: float) -> None:
        """Take one: a client has left before anything was sent."""
        left = self._refilled(key_id, now_s)
        self._left[key_id] = max(left - 1, -LEFT_AT_ONCE), now_s

    def used(self, key_id: KeyId, now_s: float) -> None:
        """Give one back: a lease of the key was used."""
        if key_id in self._left:
            self._left[key_id] = self._refilled(key_id, now_s) + 1, now_s

    def wait_s(self, key_id: KeyId, now_s: float) -> float:
        """Tell in how many seconds the key may have another lease; 0: now."""
        if key_id not in self._left:
            return 0.0
        left = self._refilled(key_id, now_s)
        if left >= LEFT_AT_ONCE:
            del self._left[key_id]
        return max(0.0, (1 - left) / PER_SECOND)

    def _refilled(self, key_id: KeyId, now_s: float) -> float:
        left, since_s = self._left.get(key_id, (LEFT_AT_ONCE, now_s))
        return min(LEFT_AT_ONCE, left + max(0.0, now_s - since_s) * PER_SECOND)

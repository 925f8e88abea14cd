"""Keys whose clients leave before anything is sent: each such call is events for nothing.

A lease that is given back costs no quota, and a kilobyte of the log; a client that asks and resets
its connection in a loop would fill the disk. So a key may have a hundred such calls at once, and
one more each second and for each lease that was used. Of a key that has left half of them only as
many calls are let in at once as it has yet, each of which makes room for the next by being sent;
the others wait their turn. Clients that all gave up in an outage so come back one after the other,
for they stay. Kept by each gateway for itself.
"""

from collections import Counter

from contracts.base import KeyId

LEFT_AT_ONCE = 100.0
"""Calls of one key that may be left at once before anything is sent."""
LET_IN_FREELY = 50.0
"""With so many yet to leave, nobody is told to wait."""
PER_SECOND = 1.0


class Leavers:
    """How many such calls each key may leave yet; moments are monotonic seconds."""

    def __init__(self) -> None:
        """Let every key have all of them."""
        self._left: dict[KeyId, tuple[float, float]] = {}
        self._unsent: Counter[KeyId] = Counter()
        """Calls of which nothing is sent yet."""

    def count_unsent(self, key_id: KeyId) -> None:
        """Count a call that was let in."""
        self._unsent[key_id] += 1

    def uncount_unsent(self, key_id: KeyId) -> None:
        """Count it no more: it is being sent, or over."""
        self._unsent[key_id] -= 1
        if not self._unsent[key_id]:
            del self._unsent[key_id]

    def take_leave(self, key_id: KeyId, now_s: float) -> None:
        """Take one: a client has left before anything was sent."""
        self._left[key_id] = max(self._leaves_left(key_id, now_s) - 1, 0.0), now_s

    def give_leave(self, key_id: KeyId, now_s: float) -> None:
        """Give one back: a lease of the key was used."""
        if key_id in self._left:
            self._left[key_id] = self._leaves_left(key_id, now_s) + 1, now_s

    def wait_s(self, key_id: KeyId, now_s: float) -> float:
        """Tell in how many seconds one more call may be let in if none is sent; 0: now."""
        if key_id not in self._left:
            return 0.0
        left = self._leaves_left(key_id, now_s)
        if left >= LEFT_AT_ONCE:
            del self._left[key_id]
        if left >= LET_IN_FREELY:
            return 0.0
        return max(0.0, self._unsent[key_id] + 1 - left) / PER_SECOND

    def _leaves_left(self, key_id: KeyId, now_s: float) -> float:
        left, since_s = self._left.get(key_id, (LEFT_AT_ONCE, now_s))
        return min(LEFT_AT_ONCE, left + max(0.0, now_s - since_s) * PER_SECOND)

"""Keys whose clients leave before anything is sent: each such call is events for nothing.

A lease that is given back costs no quota, and a kilobyte of the log; a client that asks and resets
its connection in a loop would fill the disk. So a key may have a hundred such calls at once, and
one more each second and for each lease that was used. Of a key that has left half of them only as
many calls are let in at once as it has yet, each of which makes room for the next by being sent;
the others wait their turn. Clients that all gave up in an outage so come back one after the other,
for they stay. Kept by each gateway for itself.
"""

from collections import Counter

import msgspec

from contracts.base import KeyId

ABANDONED_AT_ONCE = 100.0
"""Calls of one key that its clients may abandon at once, before anything is sent."""
LET_IN_FREELY = 50.0
"""While a key may abandon so many yet, none of its calls is told to wait."""
PER_SECOND = 1.0


class _AbandonBudget(msgspec.Struct, frozen=True):
    """So many calls might yet be abandoned at that moment; more might be later."""

    remaining: float
    at_s: float


class Leavers:
    """How many such calls each key may abandon yet; moments are monotonic seconds."""

    def __init__(self) -> None:
        """Let every key have its whole budget."""
        self._budgets: dict[KeyId, _AbandonBudget] = {}
        """Of keys that have not all of theirs."""
        self._unsent: Counter[KeyId] = Counter()
        """Calls of which nothing is sent yet."""

    def count_unsent(self, key_id: KeyId) -> None:
        """Count a call that was let in."""
        self._unsent[key_id] += 1

    def uncount_unsent(self, key_id: KeyId) -> None:
        """Count it no more: it is being sent, or over."""
        unsent = self._unsent[key_id] - 1
        assert unsent >= 0
        if unsent:
            self._unsent[key_id] = unsent
        else:
            del self._unsent[key_id]

    def count_abandoned(self, key_id: KeyId, now_s: float) -> None:
        """Take one of the budget: a client has left before anything was sent."""
        self._budgets[key_id] = _AbandonBudget(
            max(self._budget_remaining(key_id, now_s) - 1, 0.0), now_s
        )

    def count_used(self, key_id: KeyId, now_s: float) -> None:
        """Give one back: a lease of the key was used."""
        if key_id in self._budgets:
            self._budgets[key_id] = _AbandonBudget(self._budget_remaining(key_id, now_s) + 1, now_s)

    def wait_s(self, key_id: KeyId, now_s: float) -> float:
        """Tell in how many seconds one more call may be let in if none is sent; 0: now."""
        if key_id not in self._budgets:
            return 0.0
        remaining = self._budget_remaining(key_id, now_s)
        if remaining >= ABANDONED_AT_ONCE:
            # As if nothing had ever been abandoned: nothing is kept of well-behaved keys.
            del self._budgets[key_id]
        if remaining >= LET_IN_FREELY:
            return 0.0
        # Each call of which nothing is sent may yet be abandoned, and so may this one.
        return max(0.0, self._unsent[key_id] + 1 - remaining) / PER_SECOND

    def _budget_remaining(self, key_id: KeyId, now_s: float) -> float:
        budget = self._budgets.get(key_id)
        if budget is None:
            return ABANDONED_AT_ONCE
        return min(ABANDONED_AT_ONCE, budget.remaining + max(0.0, now_s - budget.at_s) * PER_SECOND)

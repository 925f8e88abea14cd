"""What a leader knows of its refusals beside the log: undone with the rest, lost with its term."""

from datetime import datetime

import msgspec

from contracts.base import KeyId, LeaseId
from contracts.pool import LeaseRefused, Refusal, Refused


class RefusalBudget(msgspec.Struct, frozen=True):
    """How many refusals of a key could still be journalled singly when the last one was."""

    left: float
    at: datetime


class RefusalMemory:
    """What a leader knows of its refusals: those journalled, those counted, those told before."""

    __slots__ = ("budgets", "counted", "journalled", "refused", "reports", "second")

    def __init__(self) -> None:
        self.second: datetime | None = None
        self.journalled = 0
        """Within that second."""
        self.budgets: dict[KeyId, RefusalBudget] = {}
        """Of those keys that are short of any; each fills up again by one a second."""
        self.counted: dict[tuple[str, str, Refusal, bool], LeaseRefused] = {}
        """By key, type, reason, and whether it was a call's first lease; the oldest first."""
        self.refused: dict[LeaseId, Refused] = {}
        """What leases were refused with, those that the log tells singly as well."""
        self.reports: dict[str, None] = {}
        """Names of the counts that gateways have sent of their own refusals."""

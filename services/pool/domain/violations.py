"""What can be wrong with a history: for the fold that notices and the audit that tells."""

from enum import StrEnum

import msgspec


class ViolationKind(StrEnum):
    """Kinds of violation (leases.md)."""

    CHAIN_BROKEN = "chain_broken"
    NUMBER_MISSING = "number_missing"
    NUMBER_REPEATED = "number_repeated"
    TIME_WENT_BACK = "time_went_back"
    STALE_LEADER = "stale_leader"
    STATE_HASH_DIFFERS = "state_hash_differs"
    RECOUNT_DIFFERS = "recount_differs"
    OVERSOLD = "oversold"
    GRANTED_TWICE = "granted_twice"
    GRANTED_AFTER_CANCEL = "granted_after_cancel"
    GRANTED_AFTER_EXHAUSTION = "granted_after_exhaustion"
    ENDED_TWICE = "ended_twice"
    NEVER_ENDED = "never_ended"
    USAGE_WITHOUT_LEASE = "usage_without_lease"
    END_WITHOUT_LEASE = "end_without_lease"
    USAGE_BEYOND_LEASE = "usage_beyond_lease"
    USAGE_AFTER_RECONCILIATION = "usage_after_reconciliation"
    SETTLED_AFTER_CANCEL = "settled_after_cancel"
    PENALISED_TWICE = "penalised_twice"
    UNKNOWN_SESSION = "unknown_session"
    IMPOSSIBLE_CHANGE = "impossible_change"


class Violation(msgspec.Struct, frozen=True):
    """One thing that should never be; `about` is the lease, session or request it concerns."""

    kind: ViolationKind
    about: str
    message: str
    sequence: int
    """Stream sequence of the envelope; for a decision not yet stored, the one it expects."""

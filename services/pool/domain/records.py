"""What the fold keeps: a session, the account whose quota it uses, a lease.

Records are mutable and slotted: the fold changes them in place, behind the undo journal of
`state.Pool`. Nothing here refers back to the pool, so no record is part of a cycle.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from contracts.base import (
    AccountId,
    KeyId,
    LeaseId,
    QuotaDay,
    RequestId,
    ServerId,
    ServiceType,
    SessionId,
)
from contracts.pool import Outcome, Policy, SessionStatus

OPEN = "open"
"""State of a lease that has not ended; afterwards it is the value of its `Outcome`."""
UNCERTAIN = frozenset({Outcome.UNKNOWN, Outcome.EXPIRED})
"""Ends after which its units stay used until somebody knows what became of them."""


class Tally(msgspec.Struct, eq=False, gc=False):
    """Units of one account, quota day and service type."""

    used: int = 0
    reserved: int = 0
    closed: bool = False
    """The upstream's own count is used up: nothing is left, whatever ours says."""


Days = dict[QuotaDay, dict[ServiceType, Tally]]


class Account(msgspec.Struct, eq=False, kw_only=True):
    """What owns quota: of one session, or by its name of several (`Pool.members`)."""

    name: AccountId = AccountId("")
    """Empty: it is the own account of the one session that refers to it."""
    limits: dict[ServiceType, int] = {}
    """Overrides of the daily limits; replaced as a whole, never changed in place."""
    tier: str = ""
    quota_timezone: str = ""
    """Empty: the policy's."""
    quota_reset_hour: int | None = None
    """None: the policy's."""
    days: Days = {}

    def daily_limit(self, policy: Policy, service_type: ServiceType) -> int:
        """Tell the limit in force: its own, else its tier's, else the type's."""
        limit = self.limits.get(service_type)
        if limit is None and self.tier:
            limit = policy.tiers.get(self.tier, {}).get(service_type)
        return policy.daily_limits.get(service_type, 0) if limit is None else limit

    def daily_limits(self, policy: Policy) -> Mapping[ServiceType, int]:
        """Tell all limits in force; nearly always they are the policy's."""
        if not self.limits and not self.tier:
            return policy.daily_limits
        return {**policy.daily_limits, **policy.tiers.get(self.tier, {}), **self.limits}


class KeyFailure(msgspec.Struct, frozen=True):
    """A key's call failed with a session, maybe by the session's fault."""

    key_id: KeyId
    at: datetime
    service_type: ServiceType
    server_id: ServerId


class Accuser(msgspec.Struct, frozen=True):
    """A server called a session's login expired."""

    server_id: ServerId
    at: datetime


class Session(msgspec.Struct, eq=False, kw_only=True):
    """One upstream credential, and everything that decides whether it may be leased."""

    session_id: SessionId
    created_at: datetime
    account: Account
    region: str = ""
    origin: str = ""
    status: SessionStatus = SessionStatus.ACTIVE
    """`active`, `draining`, `disabled` or `retired`; cooling and suspicion stand beside it."""
    reason: str = ""
    last_used_at: datetime | None = None
    """When it was last leased, used or not; a part of the hash. See `Pool.used_at`."""
    cooling_until: datetime | None = None
    risks: int = 0
    """Risk controls in a row: each cools longer."""
    suspected_at: datetime | None = None
    accuser: ServerId = ServerId("")
    """The server that called a suspect's login expired; its trial goes to another."""
    trial: LeaseId = LeaseId("")
    """The open lease by which a suspect may clear itself."""
    open_leases: int = 0
    failures: tuple[KeyFailure, ...] = ()
    """Since its last success: at each server, of each service type, the last of each of two keys at
    most, the latest of all last."""
    accusers: tuple[Accuser, ...] = ()
    """Of a suspect: the last two servers that called its login expired, the later one last."""
    doubts: int = 0
    """Those in a row that speak against it, since its last success: see `SessionDoubted`."""
    revived_at: datetime | None = None
    """When it was added again last."""
    retired_at: datetime | None = None
    """Since when it is retired; None also once nothing but what identifies it is kept."""
    succeeded_at: datetime | None = None
    """When a call or a check showed last that its account lives, to within half a minute."""
    checked_at: datetime | None = None
    """When a backend was asked after its account last."""
    retired_by_pool: bool = False
    """It retired because it was not used: a provisioner may bring it back."""

    @property
    def idle_since(self) -> datetime:
        """When it was added, added again or leased last."""
        instants = (self.created_at, self.revived_at, self.last_used_at)
        return max(instant for instant in instants if instant is not None)

    def lasting_status(self) -> SessionStatus:
        """Tell what it is but for cooling, which time alone ends."""
        if self.status is SessionStatus.ACTIVE and self.suspected_at is not None:
            return SessionStatus.SUSPECT
        return self.status


class Lease(msgspec.Struct, eq=False, gc=False):
    """The right to use one session for one call; kept for a while after its end."""

    lease_id: LeaseId
    request_id: RequestId
    session: Session
    service_type: ServiceType
    quota_day: QuotaDay
    units: int
    tally: Tally
    granted_at: datetime
    send_by: datetime
    expires_at: datetime
    trial: bool = False
    state: str = OPEN
    charged: int = 0
    """Units that its end left used."""
    reported: bool = False
    """A usage was journalled for it: a second one is a repetition."""
    reconciled: bool = False


class QueuedLease(msgspec.Struct, frozen=True):
    """A lease that is waited for, as its event says."""

    key_id: KeyId
    service_type: ServiceType
    units: int
    since: datetime
    deadline: datetime


class Accusation(msgspec.Struct, frozen=True):
    """A server called this session's login expired."""

    session_id: SessionId
    at: datetime

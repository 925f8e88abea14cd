"""What operators ask of the pool, and how they change it."""

from contracts.base import (
    Command,
    Count,
    Instant,
    LeaseId,
    Part,
    QuotaDay,
    Reply,
    RequestId,
    ServiceType,
    SessionId,
)
from contracts.pool.words import SessionStatus


class PoolStatus(Command, frozen=True, kw_only=True, tag="pool_status"):
    """Ask the fold: the summary, and one session, sessions or leases when wanted."""

    session_id: SessionId | None = None
    among: list[SessionId] = []
    """Those of these that there are."""
    sessions: bool = False
    leases: str | None = None
    """`open`, `unknown` or `expired`."""
    limit: int = 1000


class SessionView(Part, frozen=True, kw_only=True):
    """One session as the fold has it, for its current quota day."""

    session_id: SessionId
    status: SessionStatus
    region: str = ""
    quota_day: QuotaDay
    resets_in_s: float
    used: dict[ServiceType, int]
    reserved: dict[ServiceType, int]
    remaining: dict[ServiceType, int]
    limits: dict[ServiceType, int]
    open_leases: int = 0
    cooling_s: float = 0.0
    reason: str = ""
    origin: str = ""
    created_at: Instant
    last_used_at: Instant | None = None


class LeaseView(Part, frozen=True, kw_only=True):
    """One lease as the fold has it; `state` is `open` or its outcome."""

    lease_id: LeaseId
    request_id: RequestId
    session_id: SessionId
    service_type: ServiceType
    quota_day: QuotaDay
    units: int
    state: str
    granted_at: Instant
    expires_at: Instant


class PoolStatusReply(Reply, frozen=True, kw_only=True, tag="pool_status_reply"):
    """The fold at `sequence`."""

    sequence: int
    epoch: int
    now: Instant
    sessions_total: int
    sessions_active: int
    min_size: int
    max_size: int
    open_leases: int
    remaining: dict[ServiceType, int]
    sessions: list[SessionView] = []
    leases: list[LeaseView] = []
    unwritable_s: float = 0.0
    """Seconds for which the log has taken no write; 0 unless it is ten or more."""
    snapshot_trouble: str = ""
    """Why the leader had no snapshot made when one was due; empty where nothing is wrong."""


class AddSession(Part, frozen=True, kw_only=True):
    """A credential, sealed at the gateway's door (`runtime.secrets`)."""

    session_id: SessionId
    sealed: bytes
    region: str = ""
    limits: dict[ServiceType, Count] = {}
    quota_timezone: str = ""


class AddSessions(Command, frozen=True, kw_only=True, tag="add_sessions"):
    """Add, or revive, these sessions; known ones get their new ciphertext."""

    items: list[AddSession]
    by: str


class ChangeSession(Command, frozen=True, kw_only=True, tag="change_session"):
    """Set a session's status or limits; `cool_s` cools it (0 ends its cooling).

    `used_up`: its upstream account has nothing left, so nothing is granted until its reset.
    """

    session_id: SessionId
    status: SessionStatus | None = None
    limits: dict[ServiceType, Count] | None = None
    cool_s: float | None = None
    used_up: bool = False
    reason: str = ""
    by: str


class ReconcileLease(Command, frozen=True, kw_only=True, tag="reconcile_lease"):
    """Settle an unknown or expired lease, at least `reconcile_after` past its deadline."""

    lease_id: LeaseId
    units: Count
    reason: str
    by: str


class Done(Reply, frozen=True, kw_only=True, tag="done"):
    """An administrative command is in the log; `changed` names what it touched.

    `revived` are those of them that had been retired.
    """

    changed: list[str] = []
    revived: list[str] = []


PoolAdmin = AddSessions | ChangeSession | ReconcileLease

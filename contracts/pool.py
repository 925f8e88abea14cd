"""The pool's wire: sessions, leases and quota.

Events stand in `evt.pool.<shard>`; the pool's leader alone writes them. Commands travel in
batches on `rpc.pool.<shard>.*` and every item is answered in place.
"""

from enum import StrEnum

from contracts.base import (
    Command,
    Count,
    Event,
    Failed,
    GatewayId,
    Instant,
    KeyId,
    LeaderElected,
    LeaseId,
    Part,
    QuotaDay,
    Reply,
    RequestId,
    ServerId,
    ServiceType,
    SessionId,
)


class Refusal(StrEnum):
    """Why no lease was granted."""

    QUOTA_EXHAUSTED = "pool_quota_exhausted"
    SATURATED = "pool_saturated"
    CREDENTIALS_EXHAUSTED = "upstream_credentials_exhausted"
    STALE_REQUEST = "stale_request"
    CANCELLED = "cancelled"
    UNKNOWN_SERVICE = "unknown_service"
    TOO_MANY_UNITS = "too_many_units"
    LEDGER_UNAVAILABLE = "ledger_unavailable"


class Outcome(StrEnum):
    """How a lease ended, by its units."""

    SETTLED = "settled"
    RELEASED = "released"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Verdict(StrEnum):
    """What an attempt showed: a row of the outcome table (architecture §4)."""

    SUCCESS = "success"
    REJECTED = "rejected"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    LOGIN_EXPIRED = "login_expired"
    RISK_CONTROL = "risk_control"
    UNREACHABLE = "unreachable"
    OUTCOME_UNKNOWN = "outcome_unknown"
    CLIENT_GONE = "client_gone"


class SessionStatus(StrEnum):
    """What a session may do; `cooling` and `suspect` end by themselves, the rest by somebody."""

    ACTIVE = "active"
    COOLING = "cooling"
    SUSPECT = "suspect"
    DRAINING = "draining"
    DISABLED = "disabled"
    RETIRED = "retired"


# ---------------------------------------------------------------------------- events


class Policy(Part, frozen=True, kw_only=True):
    """The limits that the pool itself journalled: those in force."""

    daily_limits: dict[ServiceType, Count]
    min_size: Count = 50
    max_size: Count = 500
    session_concurrency: Count = 2
    """Leases one session may hold at once; 0 is no bound."""
    lease_ttl_s: float = 900.0
    reset_guard_s: float = 2.0
    reconcile_after_s: float = 3600.0
    quota_timezone: str = "UTC"


class PolicyChanged(Event, frozen=True, kw_only=True, tag="policy_changed"):
    """`policy` is in force from here on; `source` is the digest of the file it came from."""

    policy: Policy
    source: str
    by: str = "configuration"


class SessionAdded(Event, frozen=True, kw_only=True, tag="session_added"):
    """A new credential belongs to the pool; `limits` override the policy per service type."""

    session_id: SessionId
    region: str = ""
    """Upstream region prefix: `us`, `hk`, `jp`, `sg`, or empty."""
    limits: dict[ServiceType, Count] = {}
    quota_timezone: str = ""
    origin: str = "admin"
    by: str = ""


class SessionChanged(Event, frozen=True, kw_only=True, tag="session_changed"):
    """Somebody, or a rule, changed a session; fields that are None stay as they were."""

    session_id: SessionId
    status: SessionStatus | None = None
    limits: dict[ServiceType, Count] | None = None
    reason: str = ""
    by: str = ""


class SessionRevived(Event, frozen=True, kw_only=True, tag="session_revived"):
    """A retired session was added again; its history and today's counts are its own."""

    session_id: SessionId
    origin: str = "admin"
    by: str = ""


class SessionRetired(Event, frozen=True, kw_only=True, tag="session_retired"):
    """A session left the pool; its history stays."""

    session_id: SessionId
    reason: str
    by: str = ""


class SessionRequested(Event, frozen=True, kw_only=True, tag="session_requested"):
    """A gateway wants a lease; authored by it, journalled verbatim by the pool.

    `avoid_sessions` are those already tried for this request. `asked_at` is when this lease
    number was first asked for.
    """

    request_id: RequestId
    number: int
    """The lease's number within its request, from 1."""
    service_type: ServiceType
    units: int = 1
    asked_at: Instant
    gateway_id: GatewayId
    key_id: KeyId
    path: str = ""
    model: str = ""
    client_request_id: str = ""
    client_address: str = ""
    user_agent: str = ""
    avoid_sessions: list[SessionId] = []
    avoid_servers: list[ServerId] = []


class LeaseGranted(Event, frozen=True, kw_only=True, tag="lease_granted"):
    """A session is reserved for one call upstream until `expires_at`."""

    lease_id: LeaseId
    request_id: RequestId
    number: int
    session_id: SessionId
    service_type: ServiceType
    quota_day: QuotaDay
    units: int
    send_by: Instant
    expires_at: Instant
    trial: bool = False
    """The one call by which a suspect session may clear itself."""


class LeaseRefused(Event, frozen=True, kw_only=True, tag="lease_refused"):
    """No session would do; `count` > 1 stands for equal refusals of one second."""

    request_id: RequestId
    number: int
    service_type: ServiceType
    key_id: KeyId
    reason: Refusal
    retry_after_s: float = 0.0
    count: int = 1


class LeaseRenewed(Event, frozen=True, kw_only=True, tag="lease_renewed"):
    """A long exchange goes on."""

    lease_id: LeaseId
    expires_at: Instant


class LeaseCancelled(Event, frozen=True, kw_only=True, tag="lease_cancelled"):
    """The lease was never sent: units back. Without a lease: this id is never granted later."""

    lease_id: LeaseId
    request_id: RequestId
    number: int
    reason: str
    session_id: SessionId = SessionId("")
    """Empty when no lease had been granted."""


class Candidate(Part, frozen=True, kw_only=True):
    """A server that a strategy looked at; `refused` says why it could not be chosen."""

    server_id: ServerId
    score: float = 0.0
    refused: str = ""


class Attempt(Part, frozen=True, kw_only=True):
    """One try at one server."""

    server_id: ServerId
    region: str = ""
    strategy: str = ""
    candidates: list[Candidate] = []
    """The best few, best first."""
    verdict: Verdict
    status: int = 0
    """HTTP status; 0 when no answer came."""
    upstream_code: int | None = None
    failure: str = ""
    """Class of the failure: `connect`, `dns`, `tls`, `timeout`, `cut`, `garbage`, or empty."""
    sent: bool = False
    """Whether a byte of the request may have left."""
    connect_ms: float = 0.0
    first_byte_ms: float = 0.0
    total_ms: float = 0.0


class UsageRecorded(Event, frozen=True, kw_only=True, tag="usage_recorded"):
    """What a lease was used for; authored by a gateway, journalled verbatim by the pool.

    `outcome` is settled, released or unknown; `verdict` is the last attempt's. `units` never
    exceed the reservation; what the server did beyond is `units_over`.
    """

    lease_id: LeaseId
    request_id: RequestId
    session_id: SessionId
    service_type: ServiceType
    outcome: Outcome
    verdict: Verdict
    units: Count = 0
    units_over: Count = 0
    key_id: KeyId = KeyId("")
    gateway_id: GatewayId = GatewayId("")
    path: str = ""
    model: str = ""
    client_address: str = ""
    user_agent: str = ""
    client_request_id: str = ""
    status: int = 0
    """HTTP status the client was given; 0 when it had gone away."""
    error_code: str = ""
    error_message: str = ""
    cut: bool = False
    """The answer broke off after the verdict of success."""
    retry_after_s: float | None = None
    attempts: list[Attempt] = []
    lease_ms: float = 0.0
    total_ms: float = 0.0
    bytes_in: Count = 0
    bytes_out: Count = 0


class LeaseExpired(Event, frozen=True, kw_only=True, tag="lease_expired"):
    """No word came by the deadline: the units stay used until reconciled."""

    lease_id: LeaseId
    session_id: SessionId


class LeaseReconciled(Event, frozen=True, kw_only=True, tag="lease_reconciled"):
    """Somebody settled what nobody knew: the lease used `units`."""

    lease_id: LeaseId
    session_id: SessionId
    units: Count
    reason: str
    by: str


class SessionCooled(Event, frozen=True, kw_only=True, tag="session_cooled"):
    """No lease for this session before `until`; only an operator moves it back."""

    session_id: SessionId
    until: Instant
    reason: str
    request_id: RequestId = RequestId("")
    by: str = ""


class SessionSuspected(Event, frozen=True, kw_only=True, tag="session_suspected"):
    """A server called the session's login expired."""

    session_id: SessionId
    server_id: ServerId
    request_id: RequestId


class SessionRecovered(Event, frozen=True, kw_only=True, tag="session_recovered"):
    """A suspect, cooling or disabled session is active again.

    `server_blamed`: `server_id` called several sessions invalid, so it is not believed.
    """

    session_id: SessionId
    reason: str
    server_id: ServerId = ServerId("")
    by: str = ""


class QuotaObserved(Event, frozen=True, kw_only=True, tag="quota_observed"):
    """The upstream's own count is used up: no new grant of this type on this day."""

    session_id: SessionId
    service_type: ServiceType
    quota_day: QuotaDay
    request_id: RequestId = RequestId("")


class PoolCheckpointed(Event, frozen=True, kw_only=True, tag="pool_checkpointed"):
    """The canonical ledger, hashed, right before this event."""

    state_hash: str
    hash_version: int


PoolEvent = (
    PolicyChanged
    | SessionAdded
    | SessionChanged
    | SessionRevived
    | SessionRetired
    | SessionRequested
    | LeaseGranted
    | LeaseRefused
    | LeaseRenewed
    | LeaseCancelled
    | UsageRecorded
    | LeaseExpired
    | LeaseReconciled
    | SessionCooled
    | SessionSuspected
    | SessionRecovered
    | QuotaObserved
    | PoolCheckpointed
    | LeaderElected
)

# ------------------------------------------------------------------ commands and replies


class LeaseWanted(Part, frozen=True, kw_only=True):
    """One request for a lease; `previous` ends the lease before it in the same envelope."""

    requested: SessionRequested
    previous: UsageRecorded | None = None


class LeaseSessions(Command, frozen=True, kw_only=True, tag="lease_sessions"):
    """Grant each item a lease, or say why not; idempotent by (request id, number)."""

    items: list[LeaseWanted]


class Granted(Reply, frozen=True, kw_only=True, tag="granted"):
    """A lease. Seconds count from the reply; `remaining` is what the session has left."""

    lease_id: LeaseId
    session_id: SessionId
    region: str = ""
    quota_day: QuotaDay
    units: int
    send_within_s: float
    expires_in_s: float
    credential_revision: int = 0
    """KV revision of the ciphertext: a greater one than the gateway holds means fetch again."""
    remaining: dict[ServiceType, int]
    trial: bool = False


class Refused(Reply, frozen=True, kw_only=True, tag="refused"):
    """No lease, and why."""

    reason: Refusal
    retry_after_s: float = 0.0
    message: str = ""


class LeaseAnswers(Reply, frozen=True, kw_only=True, tag="lease_answers"):
    """One answer per item, in order."""

    items: list[Granted | Refused]


class EndLeases(Command, frozen=True, kw_only=True, tag="end_leases"):
    """Journal these usages; idempotent by lease."""

    items: list[UsageRecorded]


class EndAnswer(StrEnum):
    """What became of one usage."""

    JOURNALLED = "journalled"
    UNKNOWN_LEASE = "unknown_lease"


class EndAnswers(Reply, frozen=True, kw_only=True, tag="end_answers"):
    """One answer per usage, in order."""

    items: list[EndAnswer]


class RenewLeases(Command, frozen=True, kw_only=True, tag="renew_leases"):
    """Move the deadlines of these leases to one lease time from now."""

    lease_ids: list[LeaseId]


class Renewed(Part, frozen=True, kw_only=True):
    """`expires_in_s` is None when the lease has ended or is not known."""

    lease_id: LeaseId
    expires_in_s: float | None = None


class RenewAnswers(Reply, frozen=True, kw_only=True, tag="renew_answers"):
    """One answer per lease, in order."""

    items: list[Renewed]


class CancelLease(Part, frozen=True, kw_only=True):
    """Give back a lease that was never sent, or forbid it if it was never granted."""

    request_id: RequestId
    number: int
    reason: str


class CancelLeases(Command, frozen=True, kw_only=True, tag="cancel_leases"):
    """Cancel each by id, granted or not; repeated until answered."""

    items: list[CancelLease]


class CancelAnswer(StrEnum):
    """`ended`: the lease already had another end, which stands."""

    CANCELLED = "cancelled"
    ENDED = "ended"


class CancelAnswers(Reply, frozen=True, kw_only=True, tag="cancel_answers"):
    """One answer per item, in order."""

    items: list[CancelAnswer]


class PoolStatus(Command, frozen=True, kw_only=True, tag="pool_status"):
    """Ask the fold: the summary, and one session, sessions or leases when wanted."""

    session_id: SessionId | None = None
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


class AddSession(Part, frozen=True, kw_only=True):
    """A credential, sealed at the gateway's door (`tidegate.runtime.secrets`)."""

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
    """Set a session's status or limits; `cool_s` cools it (0 ends its cooling)."""

    session_id: SessionId
    status: SessionStatus | None = None
    limits: dict[ServiceType, Count] | None = None
    cool_s: float | None = None
    reason: str = ""
    by: str


class ReconcileLease(Command, frozen=True, kw_only=True, tag="reconcile_lease"):
    """Settle an unknown or expired lease, at least `reconcile_after` past its deadline."""

    lease_id: LeaseId
    units: Count
    reason: str
    by: str


class Done(Reply, frozen=True, kw_only=True, tag="done"):
    """An administrative command is in the log; `changed` names what it touched."""

    changed: list[str] = []


PoolAdmin = AddSessions | ChangeSession | ReconcileLease
PoolReply = (
    LeaseAnswers | EndAnswers | RenewAnswers | CancelAnswers | PoolStatusReply | Done | Failed
)

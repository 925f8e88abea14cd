"""The events of `evt.pool.<shard>`; the shard's leader alone writes them."""

from contracts.base import (
    Count,
    Event,
    GatewayId,
    Instant,
    KeyId,
    LeaderElected,
    LeaseId,
    Part,
    QuotaDay,
    RequestId,
    ServerId,
    ServiceType,
    SessionId,
)
from contracts.pool.rotation import KeyRotationBegan, KeyRotationEnded
from contracts.pool.sessions import (
    AccountChanged,
    CredentialsRefused,
    QuotaObserved,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionDoubted,
    SessionJoined,
    SessionLabelled,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionsForgotten,
    SessionSuspected,
)
from contracts.pool.upkeep import CheckRecorded, GrowthHeld, GrowthResumed
from contracts.pool.words import Attempt, Outcome, Policy, Refusal, Verdict


class PolicyChanged(Event, frozen=True, kw_only=True, tag="policy_changed"):
    """`policy` is in force from here on; `source` is the digest of the file it came from."""

    policy: Policy
    source: str
    by: str = "configuration"


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
    avoid_regions: list[str] = []
    """Of the sessions: no server that could do it serves them."""
    wait_ms: Count = 0
    """For how long it may wait for a lease, of its whole request; 0: it is refused at once."""
    waiting_since: Instant | None = None
    """Since when the request waits, by its gateway's clock, where it has waited before."""
    weight: Count = 1
    """How many units its key gets where another that waits, too, gets one."""
    affinity: str = ""
    """What its client wants to be served by the same session, hashed with its key."""


class LeaseQueued(Event, frozen=True, kw_only=True, tag="lease_queued"):
    """A lease is waited for, for a second already; how that ends is journalled by name."""

    lease_id: LeaseId
    requested: SessionRequested
    since: Instant
    """When the pool first heard of it, or its gateway's `waiting_since`."""
    deadline: Instant


class WaitEnd(Part, frozen=True, kw_only=True):
    """A wait that ended without a lease; its id may be asked for again.

    `reason`: `deadline`, `hopeless` (nothing will be free before it), `unheard` (its gateway asks
    no more), `full` (the log is nearly full), `dropped` (by an operator).
    """

    lease_id: LeaseId
    reason: str


class WaitsEnded(Event, frozen=True, kw_only=True, tag="waits_ended"):
    """Waits that were journalled have ended, but for those that a grant or a cancellation ends."""

    items: list[WaitEnd]
    by: str = ""


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
    only_tried: bool = False
    """Nothing is to be sent (`TRY_PATH`): its session does not count as leased. Versions that do
    not know it count it so."""


class LeaseRefused(Event, frozen=True, kw_only=True, tag="lease_refused"):
    """No session would do; `count` > 1 stands for equal ones (key, type, reason) since `since`."""

    request_id: RequestId
    number: int
    service_type: ServiceType
    key_id: KeyId
    reason: Refusal
    retry_after_s: float = 0.0
    count: int = 1
    since: Instant | None = None
    """When the first of those was refused that the event counts; None where it tells of one."""
    until: Instant | None = None
    """When the last of those was asked for, by its gateway's clock."""


class CallsRefused(Event, frozen=True, kw_only=True, tag="calls_refused"):
    """A gateway itself refused calls of a known key: over its rate, malformed, nobody to ask.

    Counted by the gateway, one event a minute for each (key, service type, code), and journalled
    verbatim by the pool. None of these calls has another trace in the log.
    """

    gateway_id: GatewayId
    key_id: KeyId
    code: str
    """The error code that the clients were given."""
    status: int
    """The HTTP status of the last of them."""
    count: Count
    since: Instant
    """When the first was refused, by the gateway's clock; `until` is when the last one was."""
    until: Instant
    service_type: ServiceType = ServiceType("")
    """Empty where they were refused before it was known what they wanted."""


class LeaseRenewed(Event, frozen=True, kw_only=True, tag="lease_renewed"):
    """A long exchange goes on."""

    lease_id: LeaseId
    expires_at: Instant


class LeaseCancelled(Event, frozen=True, kw_only=True, tag="lease_cancelled"):
    """The lease was never sent: units back. Without a lease: this id is never granted later.

    With an `error_code` the call failed for want of something to send it to: an outage, by name.
    """

    lease_id: LeaseId
    request_id: RequestId
    number: int
    reason: str
    session_id: SessionId = SessionId("")
    """Empty when no lease had been granted."""
    status: int = 0
    """HTTP status the client was given; 0 when this was not the end of its call, or it had left.

    Without a lease, when another event tells of that end as well.
    """
    error_code: str = ""
    error_message: str = ""
    key_id: KeyId = KeyId("")
    """Whose call it was, where no lease says so; `service_type` is what it was for."""
    service_type: ServiceType = ServiceType("")


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
    session_doubt: bool = False
    """A 4xx that no table lists (402, 403, 404, …): the client's fault, or the session's.

    Which, the pool finds out by comparing.
    """
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


class PoolCheckpointed(Event, frozen=True, kw_only=True, tag="pool_checkpointed"):
    """The canonical ledger, hashed, right before this event."""

    state_hash: str
    hash_version: int


PoolEvent = (
    PolicyChanged
    | SessionAdded
    | SessionChanged
    | SessionLabelled
    | SessionRevived
    | SessionRetired
    | SessionsForgotten
    | SessionJoined
    | AccountChanged
    | SessionRequested
    | LeaseQueued
    | WaitsEnded
    | LeaseGranted
    | LeaseRefused
    | CallsRefused
    | LeaseRenewed
    | LeaseCancelled
    | UsageRecorded
    | LeaseExpired
    | LeaseReconciled
    | SessionCooled
    | SessionDoubted
    | CredentialsRefused
    | SessionSuspected
    | SessionRecovered
    | QuotaObserved
    | KeyRotationBegan
    | KeyRotationEnded
    | GrowthHeld
    | GrowthResumed
    | CheckRecorded
    | PoolCheckpointed
    | LeaderElected
)

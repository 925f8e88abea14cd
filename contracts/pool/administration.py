"""What operators ask of the pool, and how they change it."""

from contracts.base import (
    AccountId,
    Command,
    Count,
    GatewayId,
    Instant,
    KeyId,
    LeaseId,
    Part,
    QuotaDay,
    Reply,
    RequestId,
    ServiceType,
    SessionId,
)
from contracts.pool.upkeep import RecordCheck
from contracts.pool.words import SessionStatus


class PoolStatus(Command, frozen=True, kw_only=True, tag="pool_status"):
    """Ask the fold: the summary, and one session, sessions or leases when wanted."""

    session_id: SessionId | None = None
    among: list[SessionId] = []
    """Those of these that there are."""
    sessions: bool = False
    leases: str | None = None
    """`open`, `unknown` or `expired`, in the order of their grants."""
    leases_behind: tuple[Instant, LeaseId] | None = None
    """Only those that come behind this one; granted at one moment, leases go by their ids."""
    waits: bool = False
    """Who waits for a lease, of `wait_type` and of `wait_key` where these are said."""
    wait_type: ServiceType = ServiceType("")
    wait_key: KeyId = KeyId("")
    waits_behind: Count = 0
    """So many that come first are left out."""
    limit: int = 1000
    overview: bool = False


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
    doubts: Count = 0
    """Failures in a row that speak against it; above 0 it stands behind all others."""
    stale: bool = False
    """It was neither added nor leased for `stale_threshold`."""
    label: str = ""
    """What operators call it."""
    checked_at: Instant | None = None
    """When a backend was asked last whether its account lives."""
    account: AccountId = AccountId("")
    """Whose quota it uses, with others; empty: its own. Counts and limits are those of all."""
    tier: str = ""


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
    label: str = ""
    """Its session's."""


class WaitView(Part, frozen=True, kw_only=True):
    """One request that waits for a lease."""

    lease_id: LeaseId
    request_id: RequestId
    service_type: ServiceType
    key_id: KeyId
    gateway_id: GatewayId
    units: int
    position: Count
    """Grants of this service type that come before it."""
    waits_s: float
    left_s: float
    """Until it is refused."""
    heard_s: float
    """Since its gateway asked last."""
    eta_s: float | None = None
    weight: Count = 1
    """Of its key."""


class TypeUnits(Part, frozen=True, kw_only=True):
    """Units of one service type on the sessions' current quota days."""

    service_type: ServiceType
    remaining: int
    """What countable sessions have left, unreserved."""
    reserved: int
    """What open leases hold."""
    limit: int | None = None
    """The daily limits of the accounts that have a countable session; null: not said."""


class QuotaReset(Part, frozen=True, kw_only=True):
    """When the quota day of the accounts of one time zone and reset hour ends."""

    timezone: str
    reset_hour: int = 0
    quota_day: QuotaDay
    resets_at: Instant


class PoolOverview(Part, frozen=True, kw_only=True):
    """What a page shows of the pool as a whole, in time that does not grow with its sessions."""

    states: dict[str, int]
    """Sessions by status, those retired apart; cooling ones are no active ones here."""
    units: list[TypeUnits]
    resets: list[QuotaReset]
    """The earliest first; the pool's own time zone is always among them."""
    in_doubt_leases: int
    """Unknown and expired leases that nobody has settled."""
    in_doubt_units: int
    in_doubt_since: Instant | None = None
    """When the first of them was granted."""
    unrenewed_leases: int = 0
    """Open leases that their gateways should have renewed by now, had they not gone or hung."""
    unrenewed_until: Instant | None = None
    """When the last of these ends by itself."""


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
    leases_more: bool = False
    """Behind the last of them come others."""
    waits: list[WaitView] = []
    waiting: Count = 0
    """Requests that wait for a lease, all of them."""
    waiting_by_type: dict[ServiceType, Count] = {}
    queue_max: Count = 0
    """As many as may wait; 0 of an earlier version, which does not say it."""
    refused_since: Instant | None = None
    """Since when every session has been suspect or disabled, by what servers said; None: not so."""
    unwritable_s: float = 0.0
    """Seconds for which the log has taken no write; 0 unless it is ten or more."""
    places: int = 0
    """Sessions neither retired nor disabled: those that count towards `min_size`, `max_size`."""
    growth_held: str = ""
    """Why the pool asks for no sessions though it lacks some; empty: it asks, or lacks none."""
    supply_trouble: str = ""
    """Why whoever makes sessions made none when it was asked last; empty: it did, or was not."""
    credentials_trouble: str = ""
    """Which credentials of the file or the hook are of no use; empty: none that is known of."""
    withheld: dict[ServiceType, int] = {}
    """Units left of sessions that drain or are suspect: they are no part of `remaining`."""
    policy_trouble: str = ""
    """Why the configured policy is not in force; empty: it is, or nobody has asked for another."""
    snapshot_trouble: str = ""
    """Why the leader had no snapshot made when one was due; empty where nothing is wrong."""
    overview: PoolOverview | None = None
    """Where it was asked for."""


class AddSession(Part, frozen=True, kw_only=True):
    """A credential, sealed at the gateway's door (`runtime.secrets`)."""

    session_id: SessionId
    sealed: bytes
    region: str = ""
    limits: dict[ServiceType, Count] = {}
    quota_timezone: str = ""
    quota_reset_hour: int | None = None
    """None: the account's, or the policy's."""
    account: AccountId = AccountId("")
    """Whose quota it uses; zone, hour, limits and tier that are left out are this account's."""
    tier: str = ""
    used: dict[ServiceType, Count] = {}
    """Units of today that are used at least, whoever used them."""
    label: str = ""
    """What operators call it; empty: what they called it before."""


class AddSessions(Command, frozen=True, kw_only=True, tag="add_sessions"):
    """Add, or revive, these sessions; known ones get their new ciphertext."""

    items: list[AddSession]
    by: str


class ChangeSession(Command, frozen=True, kw_only=True, tag="change_session"):
    """Set a session's status, limits or tier; `cool_s` cools it (0 ends its cooling).

    Limits and tier are those of its account. `account` has it join one: once, and for good.

    `used_up`: its upstream account has nothing left, so nothing is granted until its reset.
    """

    session_id: SessionId
    status: SessionStatus | None = None
    limits: dict[ServiceType, Count] | None = None
    tier: str | None = None
    account: AccountId = AccountId("")
    cool_s: float | None = None
    used_up: bool = False
    label: str | None = None
    """At most 64 printable characters; empty takes it away."""
    reason: str = ""
    by: str


class ReconcileLease(Command, frozen=True, kw_only=True, tag="reconcile_lease"):
    """Settle an unknown or expired lease, at least `reconcile_after` past its deadline."""

    lease_id: LeaseId
    units: Count
    reason: str
    by: str


class DropWaits(Command, frozen=True, kw_only=True, tag="drop_waits"):
    """End the waits that fit all that is said; they are refused."""

    lease_id: LeaseId = LeaseId("")
    service_type: ServiceType = ServiceType("")
    key_id: KeyId = KeyId("")
    by: str


class Done(Reply, frozen=True, kw_only=True, tag="done"):
    """An administrative command is in the log; `changed` names what it touched.

    `revived` are those of them that had been retired. `labelled` were added again, with another
    label than they had; by that `joined` have entered an account, and of those in `restated` the
    account has another tier or more units that are used. `refused` says of others why not.
    """

    changed: list[str] = []
    revived: list[str] = []
    refused: dict[str, str] = {}
    """Sessions that were not added though the others were, and why."""
    labelled: list[str] = []
    joined: list[str] = []
    restated: list[str] = []


PoolAdmin = AddSessions | ChangeSession | ReconcileLease | RecordCheck | DropWaits

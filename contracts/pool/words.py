"""What the pool's messages speak of: why, how, and by which limits."""

from enum import StrEnum

from contracts.base import Count, Instant, Part, ServerId, ServiceType

TRY_PATH = "/api/doctor/try"
"""Whoever asks from here only wants to see whether a lease would be granted, and gives it back: it
is nobody's call, asks for no growth, tries no suspect, and its refusal is no event."""


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
    """What an attempt showed: a row of the outcome table (leases.md)."""

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
    quota_reset_hour: int = 0
    """At which hour of the clock in its zone a quota day begins."""
    tiers: dict[str, dict[ServiceType, Count]] = {}
    """Daily limits of the accounts that name a tier; a type that one leaves out has its own."""
    queue_max: Count = 10_000
    """Requests that may wait for a lease."""
    queue_max_per_key: Count = 1000
    refresh_threshold: float = 0.0
    """Share of the countable sessions; while fewer of them have a unit left, the pool grows."""
    stale_threshold_s: float = 0.0
    """After how long without use a session is stale; 0: never."""
    check_interval_s: float = 300.0
    """For how long a success or a check says enough of an account."""
    checks_per_minute: float = 0.0
    """How many accounts are asked after; 0: none."""


class Candidate(Part, frozen=True, kw_only=True, gc=False):
    """A server that a strategy looked at; `refused` says why it could not be chosen."""

    server_id: ServerId
    score: float = 0.0
    refused: str = ""
    since: Instant | None = None
    """Since when it is out of use for that; None: it is not, or nobody noted it."""
    until: Instant | None = None
    """The end of its ejection."""


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
    inner_code: int | None = None
    """The generator's own code, where a backend told it inside its message."""
    meaning: str = ""
    """What its failure was taken for: `bad_parameter`, `content_rejected`, `quota_exhausted`,
    `risk_control`, `login_expired`, `not_accepted` (nothing was submitted, nobody is blamed)."""
    translated: str = ""
    """What the server's dialect made of the request, such as `size=1024x1024 → ratio=1:1`."""
    failure: str = ""
    """Class of the failure: `connect`, `dns`, `tls`, `timeout`, `cut`, `garbage`, or empty."""
    sent: bool = False
    """Whether a byte of the request may have left."""
    in_flight: Count = 0
    """Exchanges that the server carried when it was chosen, this one among them."""
    why: str = ""
    """Which region was wanted and which was taken, where that chose the server."""
    connect_ms: float = 0.0
    first_byte_ms: float = 0.0
    total_ms: float = 0.0
    started_ms: float = 0.0
    """When it began, since its request first asked for a lease; 0: nobody said."""

"""Events about the sessions of the pool, and the accounts they belong to."""

from contracts.base import (
    AccountId,
    Count,
    Event,
    Instant,
    KeyId,
    QuotaDay,
    RequestId,
    ServerId,
    ServiceType,
    SessionId,
)
from contracts.pool.words import SessionStatus


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


class SessionLabelled(Event, frozen=True, kw_only=True, tag="session_labelled"):
    """An operator calls a session so, for operators to read; empty: by nothing but its id."""

    session_id: SessionId
    label: str = ""
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
    by_pool: bool = False
    """It was not used for `stale_threshold`: a provisioner may bring it back."""


class SessionJoined(Event, frozen=True, kw_only=True, tag="session_joined"):
    """From here on a session uses the quota of a named account, for good.

    The first that joins brings the account its zone, limits, tier and counts; the counts and leases
    of each later one are added, so that the account may stand above its limit afterwards.
    """

    session_id: SessionId
    account: AccountId
    by: str = ""


class AccountChanged(Event, frozen=True, kw_only=True, tag="account_changed"):
    """Somebody said of the account of a session what earlier versions know nothing of.

    Fields that are None stay as they were. Of its own tag, so that no process that would pass over
    it leads: it would grant by other limits.
    """

    session_id: SessionId
    tier: str | None = None
    quota_reset_hour: int | None = None
    """At which hour of the clock in its zone its quota days begin."""
    used: dict[ServiceType, Count] = {}
    """At least so many units of `quota_day` are used, whoever used them."""
    quota_day: QuotaDay = QuotaDay("")
    by: str = ""


class SessionsForgotten(Event, frozen=True, kw_only=True, tag="sessions_forgotten"):
    """They retired 16 days ago: of each the pool keeps what identifies it, and no more."""

    session_ids: list[SessionId]


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

    `server_blamed`: `server_id` called several sessions invalid while another server served, so it
    is not believed.
    """

    session_id: SessionId
    reason: str
    server_id: ServerId = ServerId("")
    by: str = ""


class SessionDoubted(Event, frozen=True, kw_only=True, tag="session_doubted"):
    """A key's call failed with this session, and the comparison speaks against the session.

    At the same server, for the same service type, the key succeeded with another one within ten
    minutes, or another key's call failed with this one, too. It stands behind all others until its
    first success.
    """

    session_id: SessionId
    request_id: RequestId
    key_id: KeyId
    reason: str
    """What was answered, and what it was compared with, in words."""
    failures: Count = 1
    """Such failures in a row, this one among them; three of them cool the session."""
    many: bool = False
    """More than half of the active sessions were doubted by now: so it is told, and no more.

    The session is not cooled for it, and its failures count against its servers as anybody's.
    """


class CredentialsRefused(Event, frozen=True, kw_only=True, tag="credentials_refused"):
    """No login is believed any more: every session is suspect or disabled.

    Told once, until one works again. Meanwhile a call is refused at once, but for one a minute.
    """

    suspects: Count
    disabled: Count
    request_id: RequestId = RequestId("")
    """The call that showed it."""


class QuotaObserved(Event, frozen=True, kw_only=True, tag="quota_observed"):
    """The upstream's own count is used up: no new grant of this type on this day."""

    session_id: SessionId
    service_type: ServiceType
    quota_day: QuotaDay
    request_id: RequestId = RequestId("")
    by: str = ""
    """Who was told so by the upstream; empty: the request."""

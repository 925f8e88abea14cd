"""Facts and last states as they are stored: one struct per table, one field per column."""

from typing import NewType

import msgspec

Moment = NewType("Moment", int)
"""Microseconds since 1970 in UTC; a TIMESTAMP column."""


class Row(msgspec.Struct, kw_only=True, gc=False):
    """A row; mutable, because a lease's later events change the row that stands for it."""


class FactRow(Row, kw_only=True):
    """Something of the log: the envelope it stands in, its place there, the envelope's time."""

    sequence: int
    position: int
    ts: Moment


class CalledRow(Row, kw_only=True):
    """Something that was called for, and what a gateway said of the call and its client."""

    request_id: str
    number: int
    service_type: str
    asked_at: Moment | None = None
    gateway_id: str = ""
    key_id: str = ""
    path: str = ""
    model: str = ""
    client_request_id: str = ""
    client_address: str = ""
    user_agent: str = ""


class RequestRow(CalledRow, kw_only=True):
    """A call for a lease that its envelope does not decide; the others are in lease or refusal."""

    sequence: int
    position: int
    ts: Moment
    units: int


class LeaseRow(CalledRow, kw_only=True):
    """One lease from grant to end, corrections applied; `outcome` is `open` until it ends."""

    lease_id: str
    session_id: str
    quota_day: str
    units_reserved: int
    granted_at: Moment
    granted_sequence: int
    expires_at: Moment
    trial: bool
    outcome: str = "open"
    ended_at: Moment | None = None
    ended_sequence: int = 0
    correction: str = ""
    """`usage` when a late usage corrected the expiry, `reconciled` when somebody settled it."""
    corrected_at: Moment | None = None
    correction_reason: str = ""
    """Why it was reconciled, and by whom."""
    reason: str = ""
    """Why it was cancelled."""
    units_settled: int = 0
    units_unknown: int = 0
    units_expired: int = 0
    units_over: int = 0
    verdict: str = ""
    status: int = 0
    upstream_code: int | None = None
    error_code: str = ""
    error_message: str = ""
    cut: bool = False
    server_id: str = ""
    """Of the last attempt, as `region` and `strategy` are."""
    region: str = ""
    strategy: str = ""
    attempts: int = 0
    lease_ms: float = 0.0
    first_byte_ms: float = 0.0
    total_ms: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0


class AttemptRow(FactRow, kw_only=True):
    """One try at one server."""

    attempt: int
    quota_day: str
    lease_id: str
    session_id: str
    service_type: str
    server_id: str
    region: str
    strategy: str
    candidates: str
    verdict: str
    status: int
    upstream_code: int | None
    failure: str
    sent: bool
    connect_ms: float
    first_byte_ms: float
    total_ms: float
    inner_code: int | None = None
    meaning: str = ""
    translated: str = ""
    why: str = ""
    started_ms: float = 0.0


class RefusalRow(CalledRow, kw_only=True):
    """No lease, and why; `count` > 1 stands for equal refusals, 0 for one told before."""

    sequence: int
    position: int
    ts: Moment
    day: str
    units: int = 1
    reason: str
    retry_after_s: float
    count: int
    since: Moment | None = None
    until: Moment | None = None


class CallsRefusedRow(FactRow, kw_only=True):
    """Calls that a gateway refused itself, in about a minute; `count` 0: told before."""

    day: str
    gateway_id: str
    key_id: str
    service_type: str = ""
    code: str
    status: int
    count: int
    since: Moment
    until: Moment


class EntityEventRow(FactRow, kw_only=True):
    """Something happened to a session, server, key, to the policy or to a leadership."""

    subject: str
    event: str
    entity_id: str
    reason: str = ""
    caused_by: str = ""
    detail: str = "{}"
    """The whole event as JSON, without a key's hash."""


class AnomalyRow(FactRow, kw_only=True):
    """An event that moved no units: the life of a lease does not allow it, or no row holds it."""

    kind: str
    """The tag of the event that is out of place, or `set_aside`."""
    lease_id: str
    reason: str = ""
    """Why it was set aside, with its tag."""


class SessionRow(Row, kw_only=True):
    """A session as the last event left it."""

    session_id: str
    status: str = "active"
    """`active`, `draining`, `disabled` or `retired`; cooling and suspicion stand beside it."""
    region: str = ""
    limits: str = "{}"
    quota_timezone: str = ""
    origin: str = ""
    added_at: Moment
    added_day: str
    changed_at: Moment
    retired_at: Moment | None = None
    retired_day: str | None = None
    cooling_until: Moment | None = None
    suspected_at: Moment | None = None
    reason: str = ""
    account: str = ""
    """Whose limits, zone and tier it has, with others; empty: its own."""
    tier: str = ""
    label: str = ""
    """What operators call it."""


class ServerRow(Row, kw_only=True):
    """A server as the last event left it; `dialect` is what it understands.

    `state` is `ejected`, `half_open`, `slow_start` or empty, and in rows of earlier versions
    `silent`; `types_out` is a JSON list of the service types that it alone is ejected for, and
    `type_states` one of objects that say how far each is back, since when, until when and why. What
    ends by the clock ends in no event: the view `servers` looks at the clock.
    """

    server_id: str
    url: str
    region: str
    priority: int
    weight: int
    sessions_max: int
    capabilities: str
    idempotent: bool
    added_at: Moment
    changed_at: Moment
    removed_at: Moment | None = None
    health: str = ""
    ejected_until: Moment | None = None
    reason: str = ""
    dialect: str = "plain"
    state: str = ""
    types_out: str = "[]"
    draining: bool = False
    state_at: Moment | None = None
    """Since when `state` is what it is."""
    state_reason: str = ""
    """Why it was ejected; `reason` is that of the last event, be it of a probe."""
    warm_until: Moment | None = None
    """The end of a slow start."""
    health_at: Moment | None = None
    silent_at: Moment | None = None
    silent_why: str = ""
    drained_at: Moment | None = None
    type_states: str = "[]"


class KeyRow(Row, kw_only=True):
    """A client key as the last event left it; its hash is not kept here."""

    key_id: str
    name: str
    scope: str
    requests_per_minute: int
    concurrency: int
    models: str
    issued_at: Moment
    issued_by: str
    changed_at: Moment
    revoked_at: Moment | None = None
    reason: str = ""
    weight: int = 1


class ConfigRow(Row, kw_only=True):
    """One limit in force, by the name the original gives such things."""

    key: str
    value: str
    description: str


class PeakRow(Row, kw_only=True):
    """The most leases that were open at once when one was granted for a quota day."""

    day: str
    open_max: int = 0


class UnknownTagRow(Row, kw_only=True):
    """Events (or whole envelopes) this version cannot read: skipped and counted."""

    tag: str
    events: int = 0
    last_sequence: int = 0

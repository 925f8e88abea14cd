"""What the overview is made of; instants are UTC, times in ms or s as their names say."""

import msgspec

from contracts.balancer import StateDetail, TypeView
from contracts.base import Instant
from runtime.process.findings import FindingCode, State


class Silent(msgspec.Struct, frozen=True, kw_only=True):
    """A service that gave no answer, whose parts are null therefore."""

    service: str
    reason: str


class Sequences(msgspec.Struct, frozen=True, kw_only=True):
    """The log sequences that the parts are true at; null: no answer."""

    pool: int | None
    balancer: int | None
    analytics: int | None


class ServiceUnits(msgspec.Struct, frozen=True, kw_only=True):
    """Units of a service type on the pool's quota day, of the accounts that are in service.

    `limit` are their daily limits; `used` is null while analytics is silent. What an account used
    whose sessions have retired or been disabled since is in statistics and reports alone.
    """

    service_type: str
    remaining: int
    reserved: int
    used: int | None
    limit: int | None
    resets_at: Instant
    resets_in_s: float


class CallFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that came to an end in a span, as clients saw them; null: there were none.

    `gone`: their client left. Times in ms, of those a server answered.
    """

    calls: int
    failed: int
    gone: int
    per_s: float
    failure_rate: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None


class MinuteOfCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that came to an end within the minute that begins at `at`; times as of a span."""

    at: str
    calls: int
    failed: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """The last minute, the last hour, and its minutes that had calls."""

    minute: CallFigures
    hour: CallFigures
    by_minute: list[MinuteOfCalls]


class Waiters(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that wait for a lease, and leases under way."""

    waiting: int
    open_leases: int


class StateCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many are in one state."""

    state: str
    count: int


class SessionCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions that have not been retired."""

    total: int
    min_size: int
    max_size: int
    states: list[StateCount]


class UnwellServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is not simply up, and why."""

    id: str
    state: str
    words: str


class ListedServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server as the balancer sees it, and its last hour's attempts as analytics counts them.

    Those are null while analytics is silent. `share` is of all attempts, 0 to 1; `trail` has the
    medians of twelve times five minutes, the oldest first, null where nothing was sent.
    """

    id: str
    region: str
    state: str
    words: str
    detail: StateDetail
    """What the words are made of."""
    service_types: list[TypeView]
    """Of those that it is not simply up for."""
    connections: int
    max_sessions: int
    attempts: int | None
    share: float | None
    latency_p50_ms: float | None
    trail: list[float | None] | None


class ServerCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Servers by state."""

    total: int
    states: list[StateCount]
    unwell: list[UnwellServer]
    strategy: str
    """The strategy in force."""
    listed: list[ListedServer]
    """The first twenty: those that are not simply up, then those that carry most."""


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """Leases of unknown end that nobody has settled."""

    leases: int
    units: int
    since: Instant | None
    """When the first of them was granted."""


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as the doctor words it, and what to do about it."""

    code: FindingCode
    state: State
    message: str
    cure: str


class LastError(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was answered an error; without a code, its lease's outcome stands there."""

    request_id: str
    at: str
    code: str
    status: int
    message: str
    service_type: str
    key_id: str
    key_name: str


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """How everything is; a part whose service gave no answer is null, and `silent` says why."""

    at: Instant
    sequences: Sequences
    lag: int | None
    """Messages that the figures of calls are behind the log."""
    silent: list[Silent]
    quota_timezone: str | None
    quota_day: str | None
    units: list[ServiceUnits] | None
    calls: Calls | None
    queue: Waiters | None
    sessions: SessionCounts | None
    servers: ServerCounts | None
    in_doubt: Doubt | None
    attention: list[Attention]
    errors: list[LastError] | None

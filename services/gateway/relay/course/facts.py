"""What the client asks for, what a request's leases have in common, what a lease in hand holds."""

from datetime import datetime
from typing import Final, Literal

import msgspec

from contracts.base import KeyId, RequestId, ServerId, ServiceType, SessionId
from contracts.pool import Attempt, Granted, UsageRecorded, Verdict, Waiting

CancelReason = Literal[
    "not_sent", "client_gone", "unanswered", "ledger_unavailable", "attempts_max"
]
"""Why a lease is given back or forbidden, in the log's words.

`not_sent`, `client_gone`: no server was tried before the gateway, or the client, gave up.
`unanswered`, `ledger_unavailable`: nobody knows whether one was granted. `attempts_max`: an older
pool granted what was only asked about.
"""
CLIENT_GONE: Final = "client_gone"


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the client asks for, as the pool and the log are told of it."""

    request_id: RequestId
    key_id: KeyId
    service_type: ServiceType
    units: int
    per_item: bool
    """Whether items are units (`units = "n"`)."""
    path: str
    model: str
    client_request_id: str
    bytes_in: int
    attempts_max: int
    started_s: float
    weight: int = 1
    """Of its key, among those that wait."""
    wait_s: float = 0.0
    """For how long it may wait for leases, all of them together."""


class Trail(msgspec.Struct, frozen=True):
    """What a request's leases leave to the next one."""

    number: int = 1
    leases_missed: int = 0
    """Leases given back because their `send_by` had passed."""
    attempts_made: int = 0
    avoid_sessions: tuple[SessionId, ...] = ()
    avoid_servers: tuple[ServerId, ...] = ()
    avoid_regions: tuple[str, ...] = ()
    """Of sessions: no server serves them now."""
    given_back: int = 0
    """Leases given back because no server serves their session's region."""
    last_resort_servers: tuple[ServerId, ...] = ()
    """Taken only where there is no other: they called a session invalid."""
    previous: UsageRecorded | None = None
    """How the last lease ended, told with the next question."""
    lease_ms: float = 0.0
    first_byte_ms: float = 0.0
    lease: Granted | None = None
    """The last one that was in hand."""
    ended: UsageRecorded | None = None
    """How it ended, if it was used."""
    server_id: ServerId = ServerId("")
    server_region: str = ""
    traced: bool = False
    """Whether the log is told of an error that the client is answered."""
    waited_s: float = 0.0
    """What it has waited for the leases before this one."""
    waiting: Waiting | None = None
    """What the pool said last of a wait."""
    waiting_from_s: float | None = None
    """Since when it waits for this one; `waiting_since` is the same for others' clocks."""
    waiting_since: datetime | None = None


class Held(msgspec.Struct, frozen=True):
    """A lease in hand."""

    lease: Granted
    send_by_s: float
    dialects: tuple[str, ...] = ()
    """Those in which it can be said; none: in any."""
    attempts: tuple[Attempt, ...] = ()
    sent: bool = False
    """Whether a byte of it may have left."""

    @property
    def doubtful(self) -> bool:
        """Whether an attempt may have been accepted."""
        return any(tried.verdict is Verdict.OUTCOME_UNKNOWN for tried in self.attempts)

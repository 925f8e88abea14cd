"""What the loop is to do.

`Record` and `Cancel` are done at once, `Fail` and `Finish` end the course, all others are waited
for.
"""

from datetime import datetime

import msgspec

from contracts.balancer import Selected, ServerFailed
from contracts.base import ServerId, SessionId
from contracts.pool import CancelLease, Granted, UsageRecorded
from services.gateway.domain.errors import GatewayError


class Enter(msgspec.Struct, frozen=True):
    """Wait at the gate, then see whether the key still may, and whether any server but these is up.

    `previous` rides on the question that comes next; where that must wait, it is recorded before.
    """

    avoid_servers: tuple[ServerId, ...]
    previous: UsageRecorded | None = None


class AskLease(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the pool for a lease; `only_ask`: ask what it would say."""

    number: int
    avoid_sessions: tuple[SessionId, ...]
    avoid_servers: tuple[ServerId, ...]
    avoid_regions: tuple[str, ...] = ()
    previous: UsageRecorded | None
    only_ask: bool = False
    wait_ms: int = 0
    """For how long it may wait; 0 for the last word of one that has waited."""
    waiting_since: datetime | None = None


class AwaitGrant(msgspec.Struct, frozen=True):
    """Wait for the pool to deliver this lease, and so long before it is asked again."""

    number: int
    seconds: float


class FetchCredential(msgspec.Struct, frozen=True):
    """Fetch what the lease's session says upstream."""

    lease: Granted


class AskServer(msgspec.Struct, frozen=True):
    """Ask the balancer for a server, but for those to be avoided."""

    lease: Granted
    avoid: tuple[ServerId, ...]
    dialects: tuple[str, ...]
    failed: ServerFailed | None


class Send(msgspec.Struct, frozen=True):
    """Try this server, which must be connected within `connect_s`."""

    lease: Granted
    selected: Selected
    connect_s: float


class Pass(msgspec.Struct, frozen=True):
    """Pass the answer on to the client."""


class Pause(msgspec.Struct, frozen=True):
    """Let the server have its time."""

    seconds: float


class Record(msgspec.Struct, frozen=True):
    """Have the pool told how a lease ended."""

    usage: UsageRecorded


class Cancel(msgspec.Struct, frozen=True):
    """Have the pool take back or forbid a lease."""

    command: CancelLease


class Fail(msgspec.Struct, frozen=True):
    """Answer the client with an error: the request is over."""

    error: GatewayError


class Finish(msgspec.Struct, frozen=True):
    """The client was answered, or is gone: the request is over."""


Step = (
    Enter
    | AskLease
    | AwaitGrant
    | FetchCredential
    | AskServer
    | Send
    | Pass
    | Pause
    | Record
    | Cancel
    | Fail
    | Finish
)
Steps = tuple[Step, ...]

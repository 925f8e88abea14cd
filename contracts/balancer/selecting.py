"""Commands and replies of gateways, in batches on `rpc.balancer.select`."""

from contracts.balancer.words import PLAIN
from contracts.base import (
    Command,
    Count,
    GatewayId,
    LeaseId,
    Part,
    Reply,
    RequestId,
    ServerId,
    ServiceType,
    SessionId,
)
from contracts.pool import Candidate, Verdict


class ServerFailed(Part, frozen=True, kw_only=True):
    """The server named before did not do it: a passive outcome."""

    server_id: ServerId
    verdict: Verdict
    failure: str = ""


class SelectServer(Part, frozen=True, kw_only=True):
    """Which server for this lease? Without a lease (`lease_id` empty) nothing is in flight."""

    request_id: RequestId
    lease_id: LeaseId = LeaseId("")
    service_type: ServiceType = ServiceType("")
    """Empty: any server will do."""
    expires_in_s: float = 0.0
    avoid: list[ServerId] = []
    dialects: list[str] = []
    """Of those the server must understand one; empty: any will do."""
    failed: ServerFailed | None = None
    only_ask: bool = False
    """Only say whether one may be chosen now: it takes no turn. To older balancers it takes one."""
    session_id: SessionId = SessionId("")
    session_region: str = ""
    """The lease's session is of this region; empty: of none in particular."""
    client_region: str = ""
    """Where the client is, as the gateway knows it; empty: it does not."""
    only: ServerId = ServerId("")
    """No other one is chosen, and this one though it is drained, down or ejected; empty: any."""


class SelectServers(Command, frozen=True, kw_only=True, tag="select_servers"):
    """Select for each item; `open_exchanges` is the gateway's true count per server.

    `answered_s`: seconds since an answer last began at each of these servers; only where it is told
    beside all selections, for of what has ended the log tells.
    """

    gateway_id: GatewayId
    items: list[SelectServer]
    open_exchanges: dict[ServerId, int] = {}
    answered_s: dict[ServerId, float] = {}


class Selected(Reply, frozen=True, kw_only=True, tag="selected"):
    """The server, and why."""

    server_id: ServerId
    url: str
    region: str = ""
    idempotent: bool = False
    dialect: str = PLAIN
    strategy: str
    candidates: list[Candidate] = []
    in_flight: Count = 0
    """Exchanges that it carries, this one among them."""
    why: str = ""
    """Which region was wanted and taken, where that chose."""


class NoServer(Reply, frozen=True, kw_only=True, tag="no_server"):
    """No server may be chosen; the candidates say why each was refused.

    `rests_s`: in so many seconds one may be chosen that rests now, after risk control; 0: none is.
    `back_in_s`: in so many seconds one that is ejected may be tried again; 0: none is.
    `region`: the region of the session that the session's region shuts out; another session may do.
    """

    reason: str
    candidates: list[Candidate] = []
    rests_s: float = 0.0
    back_in_s: float = 0.0
    region: str = ""


class SelectAnswers(Reply, frozen=True, kw_only=True, tag="select_answers"):
    """One answer per item, in order."""

    items: list[Selected | NoServer]

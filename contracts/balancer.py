"""The balancer's wire: servers, their health, and which one does the work.

Events stand in `evt.balancer`; the balancer's leader alone writes them.
"""

from enum import StrEnum

from contracts.base import (
    Command,
    Count,
    Event,
    GatewayId,
    Instant,
    LeaderElected,
    LeaseId,
    Part,
    Reply,
    RequestId,
    ServerId,
    ServiceType,
)
from contracts.pool import Candidate, Verdict


class Health(StrEnum):
    """What probes say of a server; ejection is kept apart from it."""

    UP = "up"
    DOWN = "down"


CONFIGURATION = "sha256:"
"""How the `source` of an event from the configuration file begins; the rest is a digest."""
DEMO = ":demo"
"""How that digest ends where nobody named a server, and the demo's own are the servers."""
PLAIN = "plain"
DIALECTS = (PLAIN, "jimeng", "drraw", "jimeng-free-all", "jimeng-free")
"""What a server may understand; of `plain` nothing is translated."""


class Server(Part, frozen=True, kw_only=True):
    """One upstream HTTP endpoint, as configured."""

    server_id: ServerId
    url: str
    region: str = ""
    priority: int = 1
    weight: int = 1
    max_sessions: int = 100
    """Exchanges it may carry at once."""
    capabilities: list[ServiceType] = []
    idempotent: bool = False
    """An unknown outcome may be tried again there: same lease, same `X-Request-ID`."""
    dialect: str = PLAIN
    """One of `DIALECTS`; one that only a later version knows is taken for `plain`."""


# ---------------------------------------------------------------------------- events


class ServerAdded(Event, frozen=True, kw_only=True, tag="server_added"):
    """`server` may be chosen once its first probe succeeded."""

    server: Server
    source: str = ""
    """Digest of the configuration it came from, or who added it."""


class ServerChanged(Event, frozen=True, kw_only=True, tag="server_changed"):
    """`server` replaces the entry of the same id."""

    server: Server
    source: str = ""


class ServerRemoved(Event, frozen=True, kw_only=True, tag="server_removed"):
    """The server is not chosen again."""

    server_id: ServerId
    source: str = ""


class ServerHealthChanged(Event, frozen=True, kw_only=True, tag="server_health_changed"):
    """Probes, or passive outcomes, took a server up or down."""

    server_id: ServerId
    health: Health
    reason: str


class ServerEjected(Event, frozen=True, kw_only=True, tag="server_ejected"):
    """A server is not believed until `until`; each time twice as long."""

    server_id: ServerId
    until: Instant
    times: Count
    reason: str


class ServerReadmitted(Event, frozen=True, kw_only=True, tag="server_readmitted"):
    """The ejection is over."""

    server_id: ServerId


class StrategyChanged(Event, frozen=True, kw_only=True, tag="strategy_changed"):
    """`strategy` chooses from here on; `source` is the digest of the file, or who."""

    strategy: str
    reason: str
    source: str = ""


class ConfigurationAccepted(Event, frozen=True, kw_only=True, tag="configuration_accepted"):
    """An operator lets the configuration of this digest take servers away, once."""

    digest: str
    by: str = ""


BalancerEvent = (
    ServerAdded
    | ServerChanged
    | ServerRemoved
    | ServerHealthChanged
    | ServerEjected
    | ServerReadmitted
    | StrategyChanged
    | ConfigurationAccepted
    | LeaderElected
)

# ------------------------------------------------------------------ commands and replies


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


class SelectServers(Command, frozen=True, kw_only=True, tag="select_servers"):
    """Select for each item; `open_exchanges` is the gateway's true count per server."""

    gateway_id: GatewayId
    items: list[SelectServer]
    open_exchanges: dict[ServerId, int] = {}


class Selected(Reply, frozen=True, kw_only=True, tag="selected"):
    """The server, and why."""

    server_id: ServerId
    url: str
    region: str = ""
    idempotent: bool = False
    dialect: str = PLAIN
    strategy: str
    candidates: list[Candidate] = []


class NoServer(Reply, frozen=True, kw_only=True, tag="no_server"):
    """No server may be chosen; the candidates say why each was refused.

    `rests_s`: in so many seconds one may be chosen that rests now, after risk control; 0: none is.
    """

    reason: str
    candidates: list[Candidate] = []
    rests_s: float = 0.0


class SelectAnswers(Reply, frozen=True, kw_only=True, tag="select_answers"):
    """One answer per item, in order."""

    items: list[Selected | NoServer]


class BalancerStatus(Command, frozen=True, kw_only=True, tag="balancer_status"):
    """Ask for every server as the balancer sees it."""


class ServerView(Part, frozen=True, kw_only=True):
    """One server now; `avg_response_ms` and `success_rate` over the last minutes."""

    server: Server
    health: Health
    healthy: bool
    """Up and not ejected."""
    reason: str = ""
    ejected_s: float = 0.0
    connections: int = 0
    avg_response_ms: float = 0.0
    success_rate: float = 1.0


class HeldConfiguration(Part, frozen=True, kw_only=True):
    """A configuration that is not applied before an operator accepts its `digest`."""

    digest: str
    reason: str
    removes: list[ServerId] = []
    """The servers that would be gone."""


class BalancerStatusReply(Reply, frozen=True, kw_only=True, tag="balancer_status_reply"):
    """Every server at `sequence`."""

    sequence: int
    epoch: int
    now: Instant
    strategy: str
    servers: list[ServerView]
    held: HeldConfiguration | None = None
    """Not applied: it would take away what the operator surely wants."""


class PutServer(Command, frozen=True, kw_only=True, tag="put_server"):
    """Add a server, or replace the one of the same id."""

    server: Server
    by: str


class RemoveServer(Command, frozen=True, kw_only=True, tag="remove_server"):
    """Take a server out; exchanges under way go on."""

    server_id: ServerId
    by: str


class SetStrategy(Command, frozen=True, kw_only=True, tag="set_strategy"):
    """Choose by this strategy from now on."""

    strategy: str
    reason: str
    by: str


class AcceptConfiguration(Command, frozen=True, kw_only=True, tag="accept_configuration"):
    """Apply the configuration that is held, if it is the one of this digest."""

    digest: str
    by: str


class ServersChanged(Reply, frozen=True, kw_only=True, tag="servers_changed"):
    """An administrative command is in the log."""

    changed: list[str] = []


BalancerAdmin = PutServer | RemoveServer | SetStrategy | AcceptConfiguration

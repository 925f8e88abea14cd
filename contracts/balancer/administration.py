"""Commands and replies of operators."""

from contracts.balancer.words import Health, Server, StrategyRule
from contracts.base import Command, Count, Instant, Part, Reply, ServerId, ServiceType


class BalancerStatus(Command, frozen=True, kw_only=True, tag="balancer_status"):
    """Ask for every server as the balancer sees it."""


class StateDetail(Part, frozen=True, kw_only=True):
    """What the words of a state are made of, for whoever says them in another language."""

    cause: str = ""
    """Why it is so, as whoever saw it words it; empty: the state says it all."""
    lasts_s: float | None = None
    """For how long; None: nobody dated it."""
    back_in_s: float = 0.0
    """Of an ejection: until its time is over; 0: it lasts until a probe is answered."""
    share: float = 1.0
    """Of a slow start: how much of its bounds it may carry, from 0 to 1."""
    unproven: bool = False
    """Of what is half open: probes let it in, and no call has shown yet whether it works."""
    silent_to: ServiceType = ServiceType("")
    """Of silence: which service type's exchange has waited for so long."""
    failures: Count = 0
    """Of what is up: those in a row since a call was last answered."""
    rests_s: float = 0.0
    """Of what is up: until its next call of the service type, after risk control."""


class TypeView(Part, frozen=True, kw_only=True):
    """One service type at one server: `state` is `up` or one of those of `ServerView`."""

    service_type: ServiceType
    state: str
    words: str = ""
    detail: StateDetail = StateDetail()
    attempts: Count = 0
    failures: Count = 0
    first_byte_p50_ms: float = 0.0
    """0: nothing is known."""


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
    attempts: Count = 0
    """Those that the rate is of; 0: it says nothing."""
    state: str = ""
    """`up`, `down`, `ejected`, `half_open`, `slow_start`, `silent` or `draining`."""
    words: str = ""
    """The state and why, such as `ejected 2 min ago: 5 failures in a row, back in 28 s`."""
    detail: StateDetail = StateDetail()
    """What those words are made of."""
    service_types: list[TypeView] = []
    """Of those that were tried there."""


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
    pinned: str = ""
    """The strategy that is pinned; empty: none is."""
    pinned_at: Instant | None = None
    """Since when; None where none is, or an earlier version's log does not tell."""
    strategies: dict[ServiceType, str] = {}
    """Those in force for the service types that have one of their own, or by a rule."""
    rules: list[StrategyRule] = []
    strategy_trouble: str = ""
    """Which strategy of an operator's own has failed lately, and why; empty: none has."""


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
    """Empty, with a `service_type`: by none of its own any more."""
    reason: str
    by: str
    service_type: ServiceType = ServiceType("")
    """For its calls alone; empty: for those of all that have none of their own."""


class DrainServer(Command, frozen=True, kw_only=True, tag="drain_server"):
    """Begin no new exchange at a server; with `undrain`, begin them again."""

    server_id: ServerId
    by: str
    undrain: bool = False


class PinStrategy(Command, frozen=True, kw_only=True, tag="pin_strategy"):
    """Choose by this strategy whatever else says; an empty one takes the pin away."""

    strategy: str
    by: str


class ProbeServers(Command, frozen=True, kw_only=True, tag="probe_servers"):
    """Measure servers by their probes, so many of each, one after the other."""

    server_id: ServerId = ServerId("")
    """Empty: every one."""
    probes: Count = 10


class ProbedServer(Part, frozen=True, kw_only=True):
    """What the probes of one server showed; times of those that were answered well, 0 without."""

    server_id: ServerId
    probes: Count
    lost: Count = 0
    """Those that failed, or were not answered in time."""
    min_ms: float = 0.0
    median_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    failure: str = ""
    """Why the last of the lost ones was."""
    weight: Count = 0
    """What is recommended; 0: nothing, since none was answered."""
    place: Count = 0
    """In the recommended order, from 1."""


class ServersProbed(Reply, frozen=True, kw_only=True, tag="servers_probed"):
    """What was measured, in the recommended order."""

    servers: list[ProbedServer]


class AcceptConfiguration(Command, frozen=True, kw_only=True, tag="accept_configuration"):
    """Apply the configuration that is held, if it is the one of this digest."""

    digest: str
    by: str


class ServersChanged(Reply, frozen=True, kw_only=True, tag="servers_changed"):
    """An administrative command is in the log."""

    changed: list[str] = []


BalancerAdmin = (
    PutServer | RemoveServer | SetStrategy | AcceptConfiguration | DrainServer | PinStrategy
)

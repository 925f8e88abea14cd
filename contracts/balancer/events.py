"""What stands in `evt.balancer`; the balancer's leader alone writes it."""

from contracts.balancer.words import Health, Server, StrategyRule
from contracts.base import Count, Event, Instant, LeaderElected, ServerId, ServiceType


class ServerAdded(Event, frozen=True, kw_only=True, tag="server_added"):
    """`server` may be chosen once its first probe succeeded."""

    server: Server
    source: str = ""
    """Digest of the configuration it came from, or who added it."""
    entry: str = ""
    """Digest of its own entry in the file, if it came from there."""


class ServerChanged(Event, frozen=True, kw_only=True, tag="server_changed"):
    """`server` replaces the entry of the same id."""

    server: Server
    source: str = ""
    entry: str = ""


class ServerRemoved(Event, frozen=True, kw_only=True, tag="server_removed"):
    """The server is not chosen again; an administrator's word stands until its entry changes."""

    server_id: ServerId
    source: str = ""


class ServerHealthChanged(Event, frozen=True, kw_only=True, tag="server_health_changed"):
    """Probes, or passive outcomes, took a server up or down."""

    server_id: ServerId
    health: Health
    reason: str


class ServerEjected(Event, frozen=True, kw_only=True, tag="server_ejected"):
    """A server is not believed until `until`; each time in a row it is longer."""

    server_id: ServerId
    until: Instant
    times: Count
    reason: str
    service_type: ServiceType = ServiceType("")
    """Of the one that it fails; empty: of all."""
    costs_units: bool = False
    """Whether its failures cost units: then it stays out though nobody else can do the work."""
    failures: Count = 0
    """So many of the last `outcomes` were failures."""
    outcomes: Count = 0


class ServerHalfOpened(Event, frozen=True, kw_only=True, tag="server_half_opened"):
    """The time of an ejection, or a silence, is over: one paid call at a time shows how it is."""

    server_id: ServerId
    reason: str
    service_type: ServiceType = ServiceType("")


class ServerReadmitted(Event, frozen=True, kw_only=True, tag="server_readmitted"):
    """The ejection is over; for `slow_start_s` after `at` its bounds grow from little to whole."""

    server_id: ServerId
    service_type: ServiceType = ServiceType("")
    reason: str = ""
    at: Instant | None = None
    slow_start_s: float = 0.0
    unproven: bool = False
    """No call was answered there since: its first failure that costs a unit ejects it again."""


class ServerFellSilent(Event, frozen=True, kw_only=True, tag="server_fell_silent"):
    """An exchange waits for `waited_s`, where `expected_s` would be long, and no other ended."""

    server_id: ServerId
    service_type: ServiceType
    waited_s: float
    expected_s: float


class ServerHeardAgain(Event, frozen=True, kw_only=True, tag="server_heard_again"):
    """A server that was silent has answered."""

    server_id: ServerId
    service_type: ServiceType


class ServerDrained(Event, frozen=True, kw_only=True, tag="server_drained"):
    """No new exchange begins there; those under way go on."""

    server_id: ServerId
    by: str = ""


class ServerUndrained(Event, frozen=True, kw_only=True, tag="server_undrained"):
    """It may be chosen again."""

    server_id: ServerId
    by: str = ""


class StrategyChanged(Event, frozen=True, kw_only=True, tag="strategy_changed"):
    """`strategy` chooses from here on; `source` is the digest of the file, or who."""

    strategy: str
    """Empty, with a `service_type`: that has none of its own any more."""
    reason: str
    source: str = ""
    service_type: ServiceType = ServiceType("")
    """Whose calls it chooses for; empty: of all that have none of their own."""
    entry: str = ""
    """Digest of what the file says of it, if it came from there."""


class StrategyPinned(Event, frozen=True, kw_only=True, tag="strategy_pinned"):
    """`strategy` chooses whatever rules, file and API say, until it is unpinned."""

    strategy: str
    by: str = ""


class StrategyUnpinned(Event, frozen=True, kw_only=True, tag="strategy_unpinned"):
    """Rules, file and API say again who chooses."""

    by: str = ""


class StrategySwitched(Event, frozen=True, kw_only=True, tag="strategy_switched"):
    """A rule began to hold, and its strategy chooses; or none does any more (`rule` empty)."""

    service_type: ServiceType
    strategy: str
    rule: str = ""
    value: float = 0.0
    """What was measured."""


class StrategyFailed(Event, frozen=True, kw_only=True, tag="strategy_failed"):
    """A custom strategy did not choose; `least_connections` chose meanwhile."""

    strategy: str
    reason: str
    failures: Count = 0
    """Since the last such event."""


class RulesChanged(Event, frozen=True, kw_only=True, tag="rules_changed"):
    """These rules switch strategies from here on."""

    rules: list[StrategyRule]
    source: str = ""
    entry: str = ""


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
    | ServerHalfOpened
    | ServerReadmitted
    | ServerFellSilent
    | ServerHeardAgain
    | ServerDrained
    | ServerUndrained
    | StrategyChanged
    | StrategyPinned
    | StrategyUnpinned
    | StrategySwitched
    | StrategyFailed
    | RulesChanged
    | ConfigurationAccepted
    | LeaderElected
)

"""What an operator may turn at the balancer (`[balancer]`, `[[servers]]`)."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from contracts.balancer import DIALECTS, PING_PATH, PLAIN, SERVER_ID, Server, StrategyRule
from contracts.base import NUMBER_MAX, ServerId, ServiceType
from runtime.addresses import address_objection
from runtime.credentials import REGIONS
from runtime.quantities import Seconds
from runtime.settings import (
    DEFAULT_SERVICES,
    Section,
    ServiceTypeSection,
    service_type_objection,
)
from runtime.texts import address_shown, as_quoted, is_writable
from services.balancer import strategies
from services.balancer.domain import ConfiguredFleet, parse_condition

_SERVER_ID = re.compile(SERVER_ID)
_PROBE_PATH_MAX = 1000
_PROBE_BODY_MAX = 1000
_STATUS_MIN, _STATUS_MAX = 200, 599


class RuleSection(Section, frozen=True, kw_only=True):
    """One `[[balancer.rules]]` entry: while `when` holds, `use` chooses; the first that holds wins.

    A pin outranks it; it outranks what file and API say. It is taken back when its measure has been
    below 0.8 of the number (above 1.25 of it for `<`) for as long.
    """

    when: str
    """A measure, `>` or `<`, a number and a span (`"failure_rate > 0.2 for 60s"`): `failure_rate`
    and `p99_s` of the last minute's calls, `load` (in flight by limits), `out` (share of servers
    that are out); `failure_rate` and `out` are shares, from 0 to 1."""
    use: str
    """The strategy that chooses then."""
    service_type: str = ""
    """By default each of them, by itself."""

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        try:
            parse_condition(self.when)
        except ValueError as error:
            raise ValueError(f"when: {error}") from None
        if objection := strategies.strategy_objection(self.use):
            raise ValueError(f"use: {objection}")

    def as_rule(self) -> StrategyRule:
        """Name it as the wire does."""
        return StrategyRule(
            when=" ".join(self.when.split()),
            use=self.use,
            service_type=ServiceType(self.service_type),
        )


class BalancerSection(Section, frozen=True, kw_only=True):
    """How a server is chosen, and how often each is asked whether it lives."""

    strategy: str = strategies.DEFAULT
    probe_interval: Seconds = Seconds(10)
    """Between two probes of a server that is up; jittered by a tenth."""
    probe_timeout: Seconds = Seconds(5)
    probe_failures: int = 3
    """Failed probes in a row that take a server down; one good probe brings it up."""
    consecutive_failures: int = 5
    """Failed calls in a row that eject a server, or one service type of it. From the first that may
    have cost a unit it gets no more calls at once than are missing from that. 0: none is
    ejected."""
    max_ejected: float = 0.5
    """The part of the servers that may be ejected for failures of which nothing was sent. What may
    have cost units ejects even the last one."""
    ejection_base: Seconds = Seconds(30)
    """How long an ejection lasts; each in a row lasts so much longer than the one before."""
    ejection_cap: Seconds = Seconds(600)
    """How long it lasts at most."""
    slow_start: Seconds = Seconds(30)
    """How long the bounds of a server that comes back grow until they are whole."""
    eject_slower: float = 0.0
    """A server whose answers take longer to begin than so many times the fleet's median is ejected
    for that service type, within `max_ejected`; 0: none is."""
    rules: list[RuleSection] = []

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        objection = strategies.strategy_objection(self.strategy)
        if objection:
            raise ValueError(f"strategy: {objection}")
        if self.probe_interval <= 0:
            raise ValueError('probe_interval: expected more than "0s"')
        if self.probe_timeout <= 0:
            raise ValueError('probe_timeout: expected more than "0s"')
        if self.probe_failures < 1:
            raise ValueError("probe_failures: expected at least 1")
        if not 0 <= self.consecutive_failures <= NUMBER_MAX:
            raise ValueError("consecutive_failures: expected at least 1, or 0: none is ejected")
        if not 0 <= self.max_ejected <= 1:
            raise ValueError("max_ejected: expected a part from 0 to 1, such as 0.5")
        if self.eject_slower and not 1 < self.eject_slower <= NUMBER_MAX:
            raise ValueError("eject_slower: expected 0, or more than 1 time the fleet's median")
        if not 0 < self.ejection_base <= self.ejection_cap:
            raise ValueError('ejection_base: expected more than "0s" and at most ejection_cap')


class ServerSection(Section, frozen=True, kw_only=True):
    """One `[[servers]]` entry."""

    server_id: ServerId = msgspec.field(name="id")
    """1 to 64 letters, digits, `.`, `_` and `-`, the first a letter or a digit; others work, but no
    command can name them."""
    url: str
    """Its address; a path in it (`"https://host/prefix"`) stands before every path asked there."""
    region: str = ""
    """Where it stands, such as `us-west` or `asia-east` (docs/explanation/geography.md)."""
    priority: int = 1
    weight: int = 1
    max_sessions: int = 100
    capabilities: list[ServiceType] = []
    """Service types it can do; none named: every one."""
    idempotent: bool = False
    """Whether an unknown outcome may be tried again there."""
    dialect: str = PLAIN
    """What it understands, and what is translated for it: `plain` (nothing is), `jimeng`, `drraw`,
    `jimeng-free-all` or `jimeng-free` (docs/explanation/backends.md)."""
    level: int = 1
    """Servers of a lower one are used until 80 % of what they may carry is in flight, or until none
    of them may be chosen; then those of the next."""
    serves: list[str] = []
    """Regions of the sessions it serves, of `us`, `hk`, `jp` and `sg`; none named: every one. A
    session without a region may go anywhere."""

    probe_path: str = PING_PATH
    """What its probes ask for, with GET, behind what path its address has."""
    probe_status: int = 0
    """The status of a good probe; 0: any of 2xx."""
    probe_body: str = ""
    """What a good probe's body holds within its first 64 KB; empty: whatever it likes."""

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        objection = server_objection(self.as_server())
        if objection:
            raise ValueError(objection)

    def as_server(self) -> Server:
        """Name it as the wire does."""
        return Server(**msgspec.structs.asdict(self))


class Settings(Section, frozen=True, kw_only=True):
    """The tables the balancer reads."""

    balancer: BalancerSection = BalancerSection()
    servers: list[ServerSection] = []
    services: dict[str, ServiceTypeSection] = msgspec.field(
        default_factory=lambda: dict(DEFAULT_SERVICES)
    )
    proxy: str = ""
    """The one of `[gateway]`: probes go the way that calls go."""
    demo: bool = False
    """Nobody named a server: these are the demo's own. Not written in any file."""
    made_up: bool = False
    """So are the sessions: nobody wrote where they come from. Not written in any file."""

    def __post_init__(self) -> None:
        """Refuse what only several tables together show."""
        seen: set[ServerId] = set()
        for section in self.servers:
            if section.server_id in seen:
                raise ValueError(
                    f"servers: expected every id once, {section.server_id!r} stands twice"
                )
            seen.add(section.server_id)
            if objection := service_type_objection(section.capabilities, self.services):
                raise ValueError(f"servers: {section.server_id}: capabilities: {objection}")
        for rule in self.balancer.rules:
            named = [rule.service_type] if rule.service_type else []
            if objection := service_type_objection(named, self.services):
                raise ValueError(f"balancer: rules: service_type: {objection}")
        for name, service in self.services.items():
            objection = service.strategy and strategies.strategy_objection(service.strategy)
            if objection:
                raise ValueError(f"services: {name}: strategy: {objection}")

    def as_configured(self) -> ConfiguredFleet:
        """Say of servers and strategies what the file says."""
        return ConfiguredFleet(
            strategy=self.balancer.strategy,
            servers=[section.as_server() for section in self.servers],
            strategies={
                ServiceType(name): section.strategy
                for name, section in self.services.items()
                if section.strategy
            },
            rules=[section.as_rule() for section in self.balancer.rules],
            demo=self.demo,
        )


def unnameable_servers(servers: Iterable[ServerSection]) -> str:
    """Say which ids nothing but the file can name; empty where all can be named.

    They are let be: earlier versions took any printable characters.
    """
    odd = [section.server_id for section in servers if not _SERVER_ID.fullmatch(section.server_id)]
    if not odd:
        return ""
    expected = "1 to 64 letters, digits, `.`, `_` and `-` of ASCII, the first a letter or a digit"
    return (
        f"servers: id: expected {expected}, got {', '.join(map(as_quoted, odd))}: works as it is,"
        " but no command and no path of the API can name it"
    )


def server_objection(server: Server) -> str | None:
    """Say why `server` cannot be one, naming the key and what was expected; None when it can."""
    if objection := _number_objection(server):
        return objection
    if server.dialect not in DIALECTS:
        return f"dialect: expected one of {', '.join(DIALECTS)}, got {as_quoted(server.dialect)}"
    for region in server.serves:
        if region not in REGIONS:
            return f"serves: expected regions of {', '.join(REGIONS)}, got {as_quoted(region)}"
    return _name_objection(server) or _url_objection(server.url) or _probe_objection(server)


def _probe_objection(server: Server) -> str | None:
    path, status = server.probe_path, server.probe_status
    printable = path.isascii() and path.isprintable() and " " not in path and "#" not in path
    if not path.startswith("/") or not printable or len(path) > _PROBE_PATH_MAX:
        expected = 'a path such as "/ping"'
        return f"probe_path: expected {expected}, got {as_quoted(address_shown(path))}"
    if status and not _STATUS_MIN <= status <= _STATUS_MAX:
        return (
            f"probe_status: expected 0 (any of 2xx) or {_STATUS_MIN} to {_STATUS_MAX}, got {status}"
        )
    if len(server.probe_body) > _PROBE_BODY_MAX:
        return f"probe_body: expected at most {_PROBE_BODY_MAX} characters"
    return None


def _name_objection(server: Server) -> str | None:
    if not is_writable(server.server_id):
        return "id: expected 1 to 64 printable characters"
    if server.region and not is_writable(server.region):
        return "region: expected at most 64 printable characters"
    if not all(map(is_writable, server.capabilities)):
        return "capabilities: expected names of service types of 1 to 64 printable characters"
    return None


def _number_objection(server: Server) -> str | None:
    if not -NUMBER_MAX <= server.priority <= NUMBER_MAX:
        return f"priority: expected a number from -{NUMBER_MAX:,} to {NUMBER_MAX:,}"
    counts = {
        "weight": server.weight,
        "max_sessions": server.max_sessions,
        "level": server.level,
    }
    for name, number in counts.items():
        if number < 1:
            return f"{name}: expected at least 1, got {number}"
        if number > NUMBER_MAX:
            return f"{name}: expected at most {NUMBER_MAX:,}"
    return None


def _url_objection(url: str) -> str | None:
    """Say why no server can have this address; None when one can."""
    expected = 'url: expected an address such as "http://127.0.0.1:9001"'
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"{expected}, got {as_quoted(address_shown(url))}"
    if parts.username is not None or parts.password is not None:
        return f"{expected} without user and password"
    if parts.scheme not in {"http", "https"}:
        scheme = as_quoted(parts.scheme)
        return f"{expected}, got the scheme {scheme} in {as_quoted(address_shown(url))}"
    if not parts.hostname or port == 0 or " " in url or not url.isprintable():
        return f"{expected}, got {as_quoted(address_shown(url))}"
    if parts.query or parts.fragment:
        return f"{expected} without query and fragment, got {as_quoted(address_shown(url))}"
    why = address_objection(parts.hostname)
    return f"url: {why}" if why else None

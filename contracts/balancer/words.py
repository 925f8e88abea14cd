"""What a server is, and what a rule."""

from enum import StrEnum

from contracts.base import Part, ServerId, ServiceType


class Health(StrEnum):
    """What probes say of a server; ejection is kept apart from it."""

    UP = "up"
    DOWN = "down"


CONFIGURATION = "sha256:"
"""How the `source` of an event from the configuration file begins; the rest is a digest."""
DEMO = ":demo"
"""How that digest ends where nobody named a server, and the demo's own are the servers."""
PING_PATH = "/ping"
SERVER_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""What an id is that commands, and paths of the API, can name; earlier files may have others."""
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
    level: int = 1
    """A lower level is used up to 80 % of its limit before the next one."""
    serves: list[str] = []
    """Regions of sessions that it serves (`us`, `hk`); none named: every one."""
    probe_path: str = PING_PATH
    probe_status: int = 0
    """The status that a good probe has; 0: any of 2xx."""
    probe_body: str = ""
    """What a good probe's body holds; empty: whatever it likes."""


class StrategyRule(Part, frozen=True, kw_only=True):
    """While `when` holds, `use` chooses (`failure_rate > 0.2 for 60s`)."""

    when: str
    use: str
    service_type: ServiceType = ServiceType("")
    """Empty: of every one."""

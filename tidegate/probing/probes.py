"""What servers say of themselves beside what is configured of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from contracts.balancer import PLAIN
from tidegate.console import api, output
from tidegate.console.errors import CommandError
from tidegate.probing.asking import Probed

MEASURED_COLUMNS = (
    "place",
    "server",
    "median_ms",
    "min_ms",
    "p95_ms",
    "p99_ms",
    "lost",
    "of",
    "weight",
    "now",
    "why",
)
COLUMNS = ("server", "url", "recognised", "configured", "models", "answer")
Ask = Callable[[Sequence[str]], list[Probed]]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One server: what it is, and what it is taken for."""

    server: str
    """Its id; empty for an address that was named."""
    url: str
    recognised: str
    configured: str | None
    """None for an address that was named."""
    models: int | None
    owners: list[str]
    why: str
    """Why it did not answer; empty when it did."""

    @property
    def differs(self) -> bool:
        """Whether it answered, and is not what it is taken for."""
        return not self.why and self.configured not in {None, self.recognised}

    @property
    def wrong(self) -> bool:
        """Whether it differs, or did not answer."""
        return bool(self.why) or self.differs


def fleet_servers() -> dict[str, dict[str, Any]]:
    """Every server by its id, as the balancer has them."""
    views = api.get("/api/servers")["data"]
    return {view["server"]["server_id"]: view["server"] for view in views}


def compare_servers(
    named: Sequence[str], fleet: Mapping[str, Mapping[str, Any]], ask: Ask
) -> list[Compared]:
    """Ask addresses, or servers of the fleet by id. Raises `CommandError` for an unknown one."""
    for name in named:
        if "://" not in name and name not in fleet:
            expected = "expected the id of one, or an address such as http://127.0.0.1:9001"
            raise CommandError(f"there is no server {name!r}; {expected}")
    servers = [fleet.get(name) or {"url": name} for name in named]
    said = ask([str(server["url"]) for server in servers])
    return [_comparison(*pair) for pair in zip(servers, said, strict=True)]


def _comparison(server: Mapping[str, Any], said: Probed) -> Compared:
    configured = server.get("dialect", PLAIN) if "server_id" in server else None
    return Compared(
        server=server.get("server_id", ""),
        url=said.url,
        recognised="" if said.why else said.dialect,
        configured=configured,
        models=said.models,
        owners=said.owners,
        why=said.why,
    )


def table_row(server: Compared) -> list[Any]:
    """Write it as a line of a table."""
    answer = server.why or ("differs" if server.differs else "")
    return [server.server, server.url, server.recognised, server.configured, server.models, answer]


def measure_servers(server_ids: Sequence[str], probes: int) -> list[dict[str, Any]]:
    """Have the balancer measure servers, each id or, for an empty one, all; the best first."""
    measured: list[dict[str, Any]] = []
    for server_id in server_ids:
        body = {"server": server_id, "probes": probes}
        measured += api.post("/api/servers/probe", body)["data"]
    return measured


def measured_row(server: Mapping[str, Any], fleet: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Write what was measured as a line of a table, beside the weight that the server has."""
    weighed = server.get("weight", 0) or None
    times = [server.get(name, 0.0) if weighed else None for name in MEASURED_COLUMNS[2:6]]
    now = fleet.get(server["server_id"], {}).get("weight", 1)
    counts = [server.get("lost", 0), server["probes"]]
    place = server.get("place", 0)
    return [place, server["server_id"], *times, *counts, weighed, now, server.get("failure", "")]


def dialect_advice(server: Compared) -> str:
    """Write what to put into the configuration; empty where nothing is."""
    if not server.differs:
        return ""
    return (
        f'\n{server.server}: write `dialect = "{server.recognised}"` into its [[servers]], or now:'
        f" tidegate servers change {server.server} --dialect {server.recognised}"
    )


def print_comparisons(
    comparisons: Sequence[Compared],
    measured: Sequence[Mapping[str, Any]],
    fleet: Mapping[str, Mapping[str, Any]],
) -> None:
    """Print what servers are beside what they are taken for, and what was measured of them."""
    output.print_table(COLUMNS, map(table_row, comparisons), "no servers")
    for line in filter(None, map(dialect_advice, comparisons)):
        output.print_line(line)
    if measured:
        output.print_text("")
        rows = (measured_row(server, fleet) for server in measured)
        output.print_table(MEASURED_COLUMNS, rows)

"""The four demo servers of `up`: the servers of the original, for whoever names none."""

import json
from collections.abc import Sequence

import msgspec

from runtime.environment import Home
from runtime.nats import natsserver
from tidegate.stack import ports
from tidegate.stack.supervisor import ChildProcess, verb_command


class DemoServerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[servers]]` entry, as the configuration file would have it."""

    id: str
    region: str
    priority: int
    weight: int
    max_sessions: int
    capabilities: list[str]
    url: str = ""


FLEET = (
    DemoServerEntry(
        id="server-1",
        region="asia-east",
        priority=1,
        weight=3,
        max_sessions=200,
        capabilities=["image", "video", "avatar"],
    ),
    DemoServerEntry(
        id="server-2",
        region="asia-east",
        priority=2,
        weight=2,
        max_sessions=150,
        capabilities=["image", "video"],
    ),
    DemoServerEntry(
        id="server-3",
        region="us-west",
        priority=3,
        weight=2,
        max_sessions=100,
        capabilities=["image"],
    ),
    DemoServerEntry(
        id="server-4",
        region="europe-west",
        priority=4,
        weight=1,
        max_sessions=100,
        capabilities=["image", "video"],
    ),
)


def place_servers(home: Home) -> list[DemoServerEntry]:
    """Give each a port, the one it had before where that is free, and write them into the home."""
    urls = {server.id: server.url for server in previous_servers(home)}
    servers = []
    for server in FLEET:
        url = urls.get(server.id, "")
        if not url or ports.port_trouble("127.0.0.1", _port_of(url)):
            url = f"http://127.0.0.1:{natsserver.free_port()}"
        servers.append(msgspec.structs.replace(server, url=url))
    home.demo_servers.write_text(servers_text(servers))
    return servers


def previous_servers(home: Home) -> list[DemoServerEntry]:
    """Read those that the home had so far."""
    if not home.demo_servers.exists():
        return []
    return msgspec.json.decode(home.demo_servers.read_bytes(), type=list[DemoServerEntry])


def servers_at(url: str) -> list[DemoServerEntry]:
    """Give each the address that `url` makes of its id (`{id}`)."""
    return [msgspec.structs.replace(server, url=url.replace("{id}", server.id)) for server in FLEET]


def servers_text(servers: Sequence[DemoServerEntry]) -> str:
    """Write them as the home keeps them."""
    return json.dumps(msgspec.to_builtins(servers), indent=1)


def demo_child(server: DemoServerEntry, home: Home, environment: dict[str, str]) -> ChildProcess:
    """Make the process of one demo server."""
    ledger = home.path / f"{server.id}.ledger"
    arguments = ["--port", str(_port_of(server.url)), "--ledger", str(ledger)]
    return ChildProcess(
        name=f"demo-{server.id}",
        command=verb_command("demo", "server", *arguments, "--region", server.region),
        environment=environment,
        health_port=_port_of(server.url),
        ready_path="/ping",
    )


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2])

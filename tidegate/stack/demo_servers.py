"""The four demo servers of `up`: the servers of the original, for whoever names none."""

import json
from collections.abc import Sequence

import msgspec

from runtime.environment import Home
from runtime.nats import natsserver
from tidegate.stack import ports
from tidegate.stack.supervisor import Child, tidegate


class DemoServer(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[servers]]` entry, as the configuration file would have it."""

    id: str
    region: str
    priority: int
    weight: int
    max_sessions: int
    capabilities: list[str]
    url: str = ""


FLEET = (
    DemoServer(
        id="server-1",
        region="asia-east",
        priority=1,
        weight=3,
        max_sessions=200,
        capabilities=["image", "video", "avatar"],
    ),
    DemoServer(
        id="server-2",
        region="asia-east",
        priority=2,
        weight=2,
        max_sessions=150,
        capabilities=["image", "video"],
    ),
    DemoServer(
        id="server-3",
        region="us-west",
        priority=3,
        weight=2,
        max_sessions=100,
        capabilities=["image"],
    ),
    DemoServer(
        id="server-4",
        region="europe-west",
        priority=4,
        weight=1,
        max_sessions=100,
        capabilities=["image", "video"],
    ),
)


def placed(home: Home) -> list[DemoServer]:
    """Give each a port, the one it had before where that is free, and write them into the home."""
    urls = {server.id: server.url for server in before(home)}
    servers = []
    for server in FLEET:
        url = urls.get(server.id, "")
        if not url or ports.unusable("127.0.0.1", _port(url)):
            url = f"http://127.0.0.1:{natsserver.free_port()}"
        servers.append(msgspec.structs.replace(server, url=url))
    home.demo_servers.write_text(listed(servers))
    return servers


def before(home: Home) -> list[DemoServer]:
    """Read those that the home had so far."""
    if not home.demo_servers.exists():
        return []
    return msgspec.json.decode(home.demo_servers.read_bytes(), type=list[DemoServer])


def addressed(url: str) -> list[DemoServer]:
    """Give each the address that `url` makes of its id (`{id}`)."""
    return [msgspec.structs.replace(server, url=url.replace("{id}", server.id)) for server in FLEET]


def listed(servers: Sequence[DemoServer]) -> str:
    """Write them as the home keeps them."""
    return json.dumps(msgspec.to_builtins(servers), indent=1)


def child(server: DemoServer, home: Home, environment: dict[str, str]) -> Child:
    """Make the process of one demo server."""
    ledger = home.path / f"{server.id}.ledger"
    arguments = ["--port", str(_port(server.url)), "--ledger", str(ledger)]
    return Child(
        name=f"demo-{server.id}",
        command=tidegate("demo", "server", *arguments, "--region", server.region),
        environment=environment,
        health_port=_port(server.url),
        ready_path="/ping",
    )


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])

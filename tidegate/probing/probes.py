"""What servers say of themselves beside what is configured of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from contracts.balancer import PLAIN
from tidegate.console.errors import CommandError
from tidegate.probing.asking import Probed

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


def compared(
    named: Sequence[str], fleet: Mapping[str, Mapping[str, Any]], ask: Ask
) -> list[Compared]:
    """Ask addresses, or servers of the fleet by id. Raises `CommandError` for an unknown one."""
    for one in named:
        if "://" not in one and one not in fleet:
            expected = "expected the id of one, or an address such as http://127.0.0.1:9001"
            raise CommandError(f"there is no server {one!r}; {expected}")
    servers = [fleet.get(one) or {"url": one} for one in named]
    said = ask([str(server["url"]) for server in servers])
    return [_compared(*pair) for pair in zip(servers, said, strict=True)]


def _compared(server: Mapping[str, Any], said: Probed) -> Compared:
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


def row(one: Compared) -> list[Any]:
    """Write it as a line of a table."""
    answer = one.why or ("differs" if one.differs else "")
    return [one.server, one.url, one.recognised, one.configured, one.models, answer]


def line(one: Compared) -> str:
    """Write what to put into the configuration; empty where nothing is."""
    if not one.differs:
        return ""
    return (
        f'\n{one.server}: write `dialect = "{one.recognised}"` into its [[servers]], or now:'
        f" tidegate servers change {one.server} --dialect {one.recognised}"
    )

"""Servers that do for anybody what only their operator should be able to ask of them.

zhizinan1997/jimeng-free-api-all opens files of its machine by the names that a request gives
(`filePath`), and whoever comes first to `/dashboard/setup` sets its password
(src/api/controllers/core.ts, src/api/routes/dashboard.ts); gdtiti/drraw_nopoint takes the proxy of
all its calls from anybody (`/proxy/config`, src/api/routes/proxy.ts).
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from contracts.balancer import Server
from runtime.process.findings import DoctorFinding, fine, note, unchecked
from tidegate.probing.asking import Probed, probe_servers
from tidegate.probing.listening import IpAddress, listening_addresses

_AREA = "servers"
DANGERS = {
    "jimeng-free-all": "whoever reaches it reads files of its machine by name, and may be first at"
    " its /dashboard/setup",
    "drraw": "whoever reaches it sets the proxy through which every credential goes"
    " (/proxy/config)",
}
"""By dialect."""
_PORTS = {"http": 80, "https": 443}


async def exposure_findings(servers: Sequence[Server]) -> list[DoctorFinding]:
    """Ask each server what it is, and look who may reach those that should hear us alone."""
    said = await probe_servers(server.url for server in servers)
    return list(reach_findings(servers, said, listening_addresses))


def reach_findings(
    servers: Sequence[Server],
    said: Iterable[Probed],
    listens: Callable[[int], list[IpAddress]],
) -> Iterator[DoctorFinding]:
    """Say of each dangerous server who may reach it, as far as it can be seen from here."""
    for server, probe in zip(servers, said, strict=True):
        dialect = server.dialect if server.dialect in DANGERS else probe.dialect
        if dialect not in DANGERS:
            continue
        spoken = "" if server.dialect == dialect else f", recognised though it is {server.dialect}"
        name = f"{server.server_id} ({server.url}, {dialect}{spoken})"
        yield _reach_finding(name, DANGERS[dialect], server.url, listens)


def _reach_finding(
    name: str, danger: str, url: str, listens: Callable[[int], list[IpAddress]]
) -> DoctorFinding:
    """Say who may reach one dangerous server, by where it listens."""
    parts = urlsplit(url)
    if not _is_loopback(parts.hostname or ""):
        message = f"{name}: {danger}; who reaches it is not seen from here"
        return note(_AREA, "server_reach_unseen", message)
    addresses = listens(parts.port or _PORTS.get(parts.scheme, 0))
    if not addresses:
        return unchecked(_AREA, f"{name}: {danger}; on what it listens is not seen from here")
    others = sorted({str(listener) for listener in addresses if not listener.is_loopback})
    if others:
        message = f"{name}: it listens on {', '.join(others)}, not to this machine alone: {danger}"
        return note(_AREA, "server_open", message)
    return fine(_AREA, f"{name}: it listens to this machine alone")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"

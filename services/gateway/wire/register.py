"""What all connections of a process share: how many there may be, and the one sweep over them.

A connection that no key has opened yet counts against its address, so that one stranger cannot
take every place; this machine, and trusted proxies, stand for many clients and do not count.
An honest client may open hundreds at once, and its keys are read a moment later: so more of them
may come in than may stay.
"""

import asyncio
import ipaddress
import resource
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import msgspec

from services.gateway.clients.origin import trusted_proxies
from services.gateway.domain.errors import GatewayError
from services.gateway.settings import GatewaySection
from services.gateway.wire.dues import (
    BLAMELESS,
    Debt,
    Due,
    Owed,
    carry_debt,
    is_overdue,
    next_window,
)

UNOPENED_MAX = 256
"""Connections of one address that may stay without a key that opens them."""
ARRIVING_MAX = 1024
"""Those of one address that may be without one for a moment."""
_LINGERING_MAX = 1024
"""Connections that were turned away and are listened to; further ones are closed at once."""
_ARRIVING_S = 1.0
_SWEEP_EVERY_S = 1.0


class ConnectionBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may turn of it."""

    connections_max: int = 10_000
    send_timeout_s: float = 60.0
    trusts: Callable[[str], bool] | None = None
    """Whether an address is a trusted proxy's."""


def connection_bounds(section: GatewaySection) -> ConnectionBounds:
    """Bound connections as configured, and by the files that the process may have open.

    Each client may need a second one, to its server.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = section.connections_max
    proxies = trusted_proxies(section.trusted_proxies)
    return ConnectionBounds(
        connections_max=most if files == resource.RLIM_INFINITY else max(1, min(most, files // 2)),
        send_timeout_s=section.send_timeout,
        trusts=proxies.is_trusted if proxies is not None else None,
    )


class Registrant(Protocol):
    """What the register knows of a connection."""

    debt: Debt | None

    def due_now(self) -> Owed:
        """Say what its client owes."""

    def end_overdue(self, due: Due) -> None:
        """End what the client has owed too long."""

    def turn_away(self, error: GatewayError) -> None:
        """Tell the client why it may not stay, and close."""


class ConnectionRegister:
    """The connections of one process."""

    def __init__(self, bounds: ConnectionBounds | None = None) -> None:
        """Nobody is in it yet."""
        self.bounds = bounds or ConnectionBounds()
        self.ended = 0
        """Connections ended because of what their clients owed."""
        self.turned_away = 0
        self._connections: set[Registrant] = set()
        self._lingering: set[Registrant] = set()
        """Those that were turned away: they take nobody's place."""
        self._unopened: dict[str, dict[Registrant, float | None]] = {}
        """By counted address, in the order they came: since when a sweep has known each."""
        self._counted_at: dict[Registrant, str] = {}
        """Under which of these addresses each stands that no key has opened."""

    def __len__(self) -> int:
        """Count the connections."""
        return len(self._connections)

    def refusal_for(self, address: str) -> GatewayError | None:
        """Say why one more connection may not stay; `address`: empty when it is reset already."""
        if len(self._connections) - len(self._lingering) >= self.bounds.connections_max:
            return GatewayError("too_many_connections", "the gateway has no free connection")
        if address and not self._is_exempt(address):
            strangers = self._unopened.get(_counted_as(address), ())
            if len(strangers) >= ARRIVING_MAX:
                return _too_many_strangers()
        return None

    def add_connection(self, connection: Registrant, address: str) -> None:
        """Take one in; until a key opens it, it counts for its address."""
        self._connections.add(connection)
        if address and not self._is_exempt(address):
            counted = self._counted_at[connection] = _counted_as(address)
            self._unopened.setdefault(counted, {})[connection] = None

    def add_turned_away(self, connection: Registrant) -> None:
        """Count one that may not stay; it is swept like others until its refusal is taken."""
        self._connections.add(connection)
        self.turned_away += 1

    def note_opened(self, connection: Registrant) -> None:
        """A key has opened a connection: it counts for its address no more."""
        counted = self._counted_at.pop(connection, None)
        if counted is None:
            return
        strangers = self._unopened.get(counted, {})
        strangers.pop(connection, None)
        if not strangers:
            self._unopened.pop(counted, None)

    def remove_connection(self, connection: Registrant) -> None:
        """A connection is lost."""
        self._connections.discard(connection)
        self._lingering.discard(connection)
        self.note_opened(connection)

    @property
    def may_linger(self) -> bool:
        """Whether one that is turned away may be listened to until it has read why."""
        return len(self._lingering) < _LINGERING_MAX

    def note_lingering(self, connection: Registrant) -> None:
        """It is listened to: it takes nobody's place any more."""
        if connection in self._connections:  # one that is lost meanwhile would be counted for ever
            self._lingering.add(connection)

    def sweep_debts(self, now_s: float) -> None:
        """End what clients have owed too long; `now_s` is monotonic."""
        send_timeout_s = self.bounds.send_timeout_s
        for connection in list(self._connections):
            debt = carry_debt(connection.debt, connection.due_now(), now_s)
            if debt is None:
                connection.debt = None
            elif is_overdue(debt, send_timeout_s, now_s):
                connection.debt = None
                self.ended += debt.due not in BLAMELESS
                connection.end_overdue(debt.due)
            else:
                connection.debt = next_window(debt, now_s)
        for strangers in list(self._unopened.values()):
            self._thin_strangers(strangers, now_s)

    def _thin_strangers(self, strangers: dict[Registrant, float | None], now_s: float) -> None:
        """Let those of one address stay that may; the last to come go first."""
        stayed: list[Registrant] = []
        for connection, since_s in strangers.items():
            if since_s is None:
                strangers[connection] = now_s
            elif now_s - since_s >= _ARRIVING_S:
                stayed.append(connection)
        for connection in stayed[UNOPENED_MAX:]:
            self.turned_away += 1
            del strangers[connection]
            connection.turn_away(_too_many_strangers())

    async def run(self) -> None:
        """Sweep for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            self.sweep_debts(loop.time())

    def _is_exempt(self, address: str) -> bool:
        trusts = self.bounds.trusts
        return _is_loopback(address) or (trusts is not None and trusts(address))


def _too_many_strangers() -> GatewayError:
    message = f"more than {UNOPENED_MAX} connections of your address have sent no valid key"
    return GatewayError("too_many_connections", message, status=429)


@lru_cache(maxsize=1024)
def _counted_as(address: str) -> str:
    """One subscriber has a whole /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        return str(mapped)
    if parsed.version == 4:  # noqa: PLR2004
        return address
    return str(ipaddress.ip_network(f"{parsed}/64", strict=False))


@lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback

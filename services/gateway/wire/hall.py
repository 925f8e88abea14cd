"""What all connections of a process share: how many there may be, and the one sweep over them.

A connection that no key has opened yet counts against its address, so that one stranger cannot
take every place; this machine, and trusted proxies, stand for many clients and do not count.
An honest client may open hundreds at once, and its keys are read a moment later: so more of them
may come in than may stay.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import msgspec

from services.gateway.domain.errors import GatewayError
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
_EXEMPT = ""


class ConnectionBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may turn of it."""

    connections_max: int = 10_000
    send_timeout_s: float = 60.0
    trusts: Callable[[str], bool] | None = None
    """Whether an address is a trusted proxy's."""


class Guest(Protocol):
    """What the hall knows of a connection."""

    debt: Debt | None

    def due_now(self) -> Owed:
        """Say what its client owes."""

    def end_overdue(self, due: Due) -> None:
        """End what the client has owed too long."""

    def turn_away(self, error: GatewayError) -> None:
        """Tell the client why it may not stay, and close."""


class Hall:
    """The connections of one process."""

    def __init__(self, bounds: ConnectionBounds | None = None) -> None:
        """Nobody has come yet."""
        self.bounds = bounds or ConnectionBounds()
        self.ended = 0
        """Connections ended because of what their clients owed."""
        self.turned_away = 0
        self._guests: set[Guest] = set()
        self._lingering: set[Guest] = set()
        """Those that were turned away: they take nobody's place."""
        self._unopened: dict[str, dict[Guest, float | None]] = {}
        """By address, in the order they came: since when a sweep has known each."""

    def __len__(self) -> int:
        """Count the connections."""
        return len(self._guests)

    def admit_guest(self, guest: Guest, address: str) -> tuple[str, GatewayError | None]:
        """Let a connection in, or say why not; one that has no address is reset already.

        Returns what it is counted as: hand it to `note_opened` or `remove_guest`.
        """
        refused = None
        counted = _EXEMPT
        if len(self._guests) - len(self._lingering) >= self.bounds.connections_max:
            refused = GatewayError("too_many_connections", "the gateway has no free connection")
        elif address and not self._is_exempt(address):
            counted = _counted_as(address)
            strangers = self._unopened.setdefault(counted, {})
            if len(strangers) >= ARRIVING_MAX:
                counted = _EXEMPT
                refused = _too_many_strangers()
            else:
                strangers[guest] = None
        if refused is not None:
            self.turned_away += 1
        # Whoever is turned away is swept like others until the refusal is taken.
        self._guests.add(guest)
        return counted, refused

    def note_opened(self, guest: Guest, counted: str) -> None:
        """A key has opened a connection: it counts for its address no more."""
        if counted == _EXEMPT:
            return
        strangers = self._unopened.get(counted, {})
        strangers.pop(guest, None)
        if not strangers:
            self._unopened.pop(counted, None)

    def remove_guest(self, guest: Guest, counted: str) -> None:
        """A connection is lost; `counted` unless a key had opened it."""
        self._guests.discard(guest)
        self._lingering.discard(guest)
        self.note_opened(guest, counted)

    @property
    def may_linger(self) -> bool:
        """Whether one that is turned away may be listened to until it has read why."""
        return len(self._lingering) < _LINGERING_MAX

    def note_lingering(self, guest: Guest) -> None:
        """It is listened to: it takes nobody's place any more."""
        if guest in self._guests:  # one that is lost meanwhile would be counted for ever
            self._lingering.add(guest)

    def sweep_debts(self, now_s: float) -> None:
        """End what clients have owed too long; `now_s` is monotonic."""
        send_timeout_s = self.bounds.send_timeout_s
        for guest in list(self._guests):
            debt = carry_debt(guest.debt, guest.due_now(), now_s)
            if debt is None:
                guest.debt = None
            elif is_overdue(debt, send_timeout_s, now_s):
                guest.debt = None
                self.ended += debt.due not in BLAMELESS
                guest.end_overdue(debt.due)
            else:
                guest.debt = next_window(debt, now_s)
        for strangers in list(self._unopened.values()):
            self._thin_strangers(strangers, now_s)

    def _thin_strangers(self, strangers: dict[Guest, float | None], now_s: float) -> None:
        """Let those of one address stay that may; the last to come go first."""
        stayed: list[Guest] = []
        for guest, since_s in strangers.items():
            if since_s is None:
                strangers[guest] = now_s
            elif now_s - since_s >= _ARRIVING_S:
                stayed.append(guest)
        for guest in stayed[UNOPENED_MAX:]:
            self.turned_away += 1
            del strangers[guest]
            guest.turn_away(_too_many_strangers())

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

"""Where a request comes from, behind proxies that are trusted, and how much of it is stored.

Its region is all that the balancer hears of it: as a trusted proxy says, else as its address says.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from runtime.geography.countries import COUNTRIES
from runtime.geography.regions import region_named
from services.gateway.domain.texts import MESSAGE_BYTES_MAX, cut_text
from services.gateway.settings import Network, StoredForm, parse_network

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_SCHEMES = frozenset({"http", "https"})
_AGENT_MAX = 64
"""Bytes in the log."""
_HOPS_MAX = 32
"""More proxies in a row are not believed: the header comes from strangers."""
_REGION_HEADERS = (
    b"x-client-region",
    b"cf-ipcountry",
    b"cloudfront-viewer-country",
    b"x-vercel-ip-country",
    b"x-appengine-country",
    b"x-country-code",
)
"""In which fronts say where a client is; the first of them that says anything counts."""
_SAYING_REGIONS = frozenset(_REGION_HEADERS)
_HEADER_MAX = 64


@lru_cache(maxsize=4096)
def stored_address(address: str, how: StoredForm) -> str:
    """Write a client address as configured: full, truncated (/24, /48), hashed or none."""
    if how == "full" or not address:
        return address
    if how == "none":
        return ""
    if how == "hashed":
        return _hash_text(address)
    parsed = _parse_address(address)
    if parsed is None:
        return ""
    prefix = 24 if parsed.version == 4 else 48  # noqa: PLR2004
    return str(ipaddress.ip_network(f"{parsed}/{prefix}", strict=False).network_address)


@lru_cache(maxsize=1024)
def stored_agent(agent: str, how: StoredForm) -> str:
    """Write a user agent as configured; truncated, it is the first product (RFC 9110 §10.1.5).

    `OpenAI/Python` or `Mozilla/5.0` tells what kind of client asked; the rest (system, device,
    versions of everything) tells one person from another.
    """
    if how == "full" or not agent:
        return cut_text(agent, MESSAGE_BYTES_MAX)
    if how == "none":
        return ""
    return _hash_text(agent) if how == "hashed" else cut_text(agent.partition(" ")[0], _AGENT_MAX)


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=4096)
def region_at(address: str) -> str:
    """Tell which region an address is in, by the table of whom each was given to (ADR 33).

    Empty for those of private networks, for what is no address, and where nobody knows.
    """
    parsed = _parse_address(address)
    if parsed is None or not parsed.is_global:
        return ""
    # Two megabytes that a gateway behind a private network never needs.
    from iptocc import country_code  # noqa: PLC0415

    return COUNTRIES.get(country_code(str(parsed)) or "", "")


class ClientOrigin(NamedTuple):
    """Where a request comes from."""

    address: str
    scheme: str
    """`http` or `https`, as the client asked."""


class Proxies:
    """The proxies whose word for a client's address and scheme is taken."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """Trust addresses and networks. Raises `ValueError` for what is neither."""
        self._networks: tuple[Network, ...] = tuple(parse_network(text) for text in trusted)
        self._trusts = lru_cache(maxsize=4096)(self._look_up)

    def is_trusted(self, address: str) -> bool:
        """Tell whether `address` is one of them; what is no address is not."""
        return self._trusts(address)

    def client_origin(
        self, peer: str, scheme: str, headers: Iterable[tuple[bytes, bytes]]
    ) -> ClientOrigin:
        """Tell the client's address and scheme as far as trusted proxies vouch for them.

        `X-Forwarded-For` is read from its end, where the nearest proxy wrote: the first address
        that is not a trusted proxy's is the client's, whatever stands before it. An entry that is
        no address ends the search: the client is the last that could be read.
        """
        if not self.is_trusted(peer):
            return ClientOrigin(peer, scheme)
        hops: list[str] = []
        for name, value in headers:
            if name == b"x-forwarded-for":
                hops += value.decode("latin-1").split(",")
            elif name == b"x-forwarded-proto":
                said = value.decode("latin-1").strip().lower()
                scheme = said if said in _SCHEMES else scheme
        client = peer
        for hop in reversed(hops[-_HOPS_MAX:]):
            address = _hop_address(hop)
            if not address:
                break
            client = address
            if not self.is_trusted(client):
                break
        return ClientOrigin(client, scheme)

    def region_said(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Tell the region that a trusted proxy says the client is in; empty: none says any.

        Of a header that comes twice the last counts, which the nearest proxy wrote.
        """
        if not self.is_trusted(peer):
            return ""
        said = {name: value for name, value in headers if name in _SAYING_REGIONS}
        for name in _REGION_HEADERS if said else ():
            value = said.get(name, b"")
            if len(value) <= _HEADER_MAX and (region := _region_read(value)):
                return region
        return ""

    def _look_up(self, address: str) -> bool:
        parsed = _parse_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def trusted_proxies(addresses: Sequence[str]) -> Proxies | None:
    """Trust these; None when there are none, so that a request without proxies costs nothing."""
    return Proxies(addresses) if addresses else None


def _parse_address(text: str) -> IpAddress | None:
    """Read an address; a socket for both kinds shows IPv4 peers as `::ffff:192.0.2.1`."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


@lru_cache(maxsize=1024)
def _region_read(value: bytes) -> str:
    return region_named(value.decode("latin-1"))


def _hop_address(hop: str) -> str:
    """Read an entry of `X-Forwarded-For`, without the port that some write; empty: it is none."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    parsed = _parse_address(text)
    return "" if parsed is None else str(parsed)
